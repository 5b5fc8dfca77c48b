"""Parses an order: the customer's name, and lines of quantity and product."""

import re
from dataclasses import dataclass

from assistant.demo.phrases import CJK, MEASURE, NEW_ORDER, NUMBER, YUAN, fold, number, pieces
from models import MAX_NAME

TOKEN = re.compile("\ue000([0-9]+)\ue001")


@dataclass(frozen=True)
class OrderLine:
    """A quantity (0: a number that cannot be ordered) and a product, by id or in words."""

    quantity: int | None = None
    product_id: int | None = None
    words: str = ""


def token(product_id: int) -> str:
    """Return the token that replaces a known product in a sentence."""
    return f" \ue000{product_id}\ue001 "


# --- the customer ------------------------------------------------------------------------------------------

_VERB = "(?:再|又|也|先|还)?(?:买|订|购|采购|下|来|拿|要|想|创建)"
_END = rf"(?=\s*(?:$|[,.!?;:、。\"”」]|的|{_VERB}|[0-9]))"
_LETTERS = "[A-Za-zÀ-ÿ0-9.'&-]*"
_CAPITAL = rf"[A-ZÀ-Þ]{_LETTERS}(?: (?!Buy|Order|Please)[A-ZÀ-Þ]{_LETTERS})*"
_ENGLISH = rf"(?P<name>(?-i:{_CAPITAL})|[{CJK}]{{2,20}}(?![\w]))"
_HAN = rf"[\"“「']?(?P<name>(?-i:{_CAPITAL})|[a-z]{_LETTERS}|[0-9]+(?=\D|$)|[{CJK}·]{{1,20}}?{_END})"
_CALLED = r"(?:名称?|姓名|名字)?(?:叫做?|是|为|[:=\s])*(?:客户)?"
_SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董潘袁蔡蒋余于杜叶程魏苏吕丁沈任姚卢"
)
_PERSON = rf"(?P<name>(?-i:{_CAPITAL})|[小老阿{_SURNAMES}][{CJK}]{{1,2}}?)"
_QUOTED = r"[\"“「'](?P<name>[^\"”」']{1,100})[\"”」']"
_CUSTOMER = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:客户|顾客|买家){_CALLED}{_QUOTED}",
        rf"(?:for|by|of)? ?(?:customer|client|buyer)(?: name)?(?: is|:| =|=| named| called)?\s*{_QUOTED}",
        rf"(?:[帮给替为以]我?给?)?(?<![按每各个位])(?P<who>客户|顾客|买家|公司名){_CALLED}{_HAN}(?:的名义)?",
        rf"(?:[帮替代]|给|为)(?:我们?)?[给替为帮]?\s*{_HAN}(?=\s*{_VERB})",
        rf"[以用]\s*{_HAN}(?=的名义)",
        rf"(?:我叫|我是|姓名|名字[叫是]|名叫)[是:\s]*{_HAN}",
        rf"(?:[送寄发]?给|送到)\s*(?P<name>(?-i:{_CAPITAL})|[{CJK}·]{{2,20}})\s*(?:$|[,.!;])",
        rf"^(?:请|帮我)?(?:查询?|看)?(?:一下|看)?\s*{_PERSON}(?=的?订单|的购买记录|下的)",
        rf"^{_PERSON}\s*(?=(?:想要?|要)\s*(?:买|订|购|{NUMBER})|买[了过])",
        rf"(?:(?:for|by|(?:on behalf )?of|from|to) )?(?P<who>customer|client|buyer)"
        rf"(?: name)?(?: is|:| =|=| named| called)? *{_ENGLISH}",
        r"for (?P<who>customer|client|buyer) (?P<name>[a-z][\w'-]*)",
        rf"(?:my name is|i'm|i am|name:|name is) {_ENGLISH}",
        rf"orders? of {_ENGLISH}",
        rf"(?:for|on behalf of|to|by|from) {_ENGLISH}",
        r"(?:for|on behalf of) (?P<name>[a-z][\w'-]+)\s*(?:$|[,.!?;:]|please)",
        rf"(?:did|has|have) {_ENGLISH}(?= (?:buy|order|place|make|spend|bought|ordered|purchased?))",
        rf"^{_ENGLISH}(?= (?:wants?|would like|needs?|is buying|buys|orders?|bought) )",
    )
]
_NOBODY = re.compile(
    r"我.*|咱们?|自己|你们?|您|他们?|她们?|它们?|大家|忙|一下|(?:.*(?:什么|谁|哪|多少|几))|"
    r"(?:汇总|统计|分析|排|最|消费|有|订单|数|列表|名单|都|们|分|看|查).*|"
    r"me|us|my|myself|him|her|them|it|you|the|an|this|that|all|sale|customers?|running|sports?|work|travel(?:ling)?|"
    r"gaming|music|home|office|school|today|now|christmas|birthday|fun|free|each|every|everyone|less|more|products?|day|"
    r"date|please|i|i'm|i'd|what|which|who|how|show|list|give|can|could",
    re.IGNORECASE,
)
_INTRODUCTION = re.compile(
    r"^(?:(?:it's|it is|the name is|name is|just|for) |(?:名字)?[他她就]?叫做?|[他她就]?是)", re.IGNORECASE
)
_LABEL = re.compile(r"[A-Za-z]|[A-Z]{2}|[A-Z]?[0-9]{1,6}")  # no name by itself: customer A


def customer(text: str) -> tuple[str | None, str]:
    """Return the customer's name and the sentence without it."""
    for pattern in _CUSTOMER:
        for found in pattern.finditer(text):
            parts = found.groupdict()
            name, who = parts["name"].strip(" .'"), parts.get("who")
            if who and _LABEL.fullmatch(name):
                gap = " " if who.isascii() else ""
                name = f"{who.lower()}{gap}{name}"
            elif not name or _NOBODY.fullmatch(name) or number(name) is not None:
                continue
            return name[:MAX_NAME], f"{text[: found.start()]} {text[found.end() :]}"
    return None, text


def names_another(text: str) -> bool:
    """Whether the rest of a sentence names one more customer."""
    return re.search(r"(?:客户|顾客) ?[\w]|(?<![a-z])(?:customer|client) \w", text, re.IGNORECASE) is not None


def bare_name(text: str) -> str | None:
    """Return the name in an answer to "what is the customer's name?"."""
    text = fold(text)
    name, _ = customer(text)
    if name:
        return name
    text = _INTRODUCTION.sub("", text)
    return text.strip(" .,!。'\"“”「」")[:MAX_NAME] or None


# --- the lines ---------------------------------------------------------------------------------------------

_ID = re.compile(
    "\ue000([0-9]+)\ue001"
    r"|(?:商品|产品|货品|编号|货号|(?<![a-z])(?:products?|items?|sku|articles?|number|no\.?|id)(?![a-z])|#)"
    r"\s*(?:id|编号|号|number|no\.?|#|为|是|[:=\s])*"
    rf"([0-9]{{1,18}})(?![0-9.])(?!\s*{MEASURE})(?!\s*{YUAN})(?:\s*号)?"
    r"|([0-9]{1,18})\s*号(?:商品|产品)?",
    re.IGNORECASE,
)
_COUNTS = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        rf"(?:数量|qty|quantity|(?<![a-z])x|×|\*)\s*(?:of|[:=是为])?\s*({NUMBER})\s*{MEASURE}?",
        rf"({NUMBER})\s*(?:{MEASURE}|件|(?:x|×|\*)(?![a-z])|of\b|(?:pcs|pieces?|units?|sets?|pairs?)\b(?:\s+of\b)?)",
        rf"(?<![\w.-])({NUMBER})(?![\w.])(?=\W*(?:[a-z]|$))",
        rf"(?<![\w.])({NUMBER})(?![\w.])",
        r"^\W*(两)",
        r"(?<![a-z])(an?)(?![a-z])",
    )
]
_EACH = re.compile(
    rf"(?:各|每[种样个])\s*[来买要]?\s*({NUMBER})\s*{MEASURE}?|({NUMBER})\s*{MEASURE}?\s*(?:of )?each",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"(?<![0-9]),|,(?![0-9]{3}(?![0-9]))|[、;&+\n]"
    r"|(?<![a-z])(?:and|plus|also)(?![a-z])|和|以及|还有|外加|再加"
    rf"|(?<=[{CJK}\s\ue001])[跟与](?=[{CJK}\s\ue000])"
    r"|[.!?](?=\s|$)",
    re.IGNORECASE,
)


def ids(text: str) -> list[int]:
    """Return the ids of products that are named by id: 商品 3, product 3, #3, and tokens."""
    return [int(group) for found in _ID.finditer(text) for group in found.groups() if group]


def order_lines(text: str) -> list[OrderLine]:
    """Split an order into its lines; parts with neither number nor product are left out."""
    text = NEW_ORDER.sub(" ", text)
    shared = None
    if each := _EACH.search(text):
        text, shared = text.replace(each[0], " "), pieces(each[1] or each[2])
    lines: list[OrderLine] = []
    for line in (_line(segment, shared) for segment in _BETWEEN.split(text)):
        last = lines[-1] if lines else None
        if (
            last
            and last.quantity is None
            and line.quantity is not None
            and line.product_id is None
            and not line.words
        ):
            lines[-1] = OrderLine(line.quantity, last.product_id, last.words)  # 商品2，数量 3
        elif line not in (OrderLine(), OrderLine(shared)):
            lines.append(line)
    return lines


def _line(segment: str, shared: int | None) -> OrderLine:
    product_id = None
    if found := _ID.search(segment):
        product_id = next(int(group) for group in found.groups() if group)
        segment = f"{segment[: found.start()]} {segment[found.end() :]}"
    for pattern in _COUNTS:
        if count := pattern.search(segment):
            quantity = 1 if count[1].lower() in ("a", "an") else pieces(count[1])
            segment = f"{segment[: count.start()]} {segment[count.end() :]}"
            return OrderLine(quantity, product_id, words(segment))
    return OrderLine(shared, product_id, words(segment))


# --- the words that describe a product ---------------------------------------------------------------------

_FILLER = re.compile(
    "请问|请|商店|情况|清单|列表|目录|在售|(?:库存|价格|价目)表|了解|列一?下|每[个种款]|帮我|帮忙|麻烦|我想要?|想要|想买|我们|你们|店里|咱们|给我|有没有|有货|现货|有哪些|有些?什么|都有|有多少|多少|还有|"
    "还剩下?|剩余|剩下|库存|数量|价格|价钱|售价|单价|推荐|介绍|一下|[一这那哪](?:[款个些种台件副只块])|几[款个种台件副只块]|"
    "适合|合适|预算|左右|以内|以下|之内|以上|之间|不超过|低于|高于|人民币|块钱|商品|产品|东西|什么|怎么样?|如何|查询|查[一看]?下?|"
    "看看|看一?下|告诉|列出|显示|购买|下单|订购|采购|目前|现在|当前|它们?|刚才|上面|性价比|便宜|可以|能不能|是不是|谢谢|尽快|"
    "太好了|不错|贵|大概|大约|需要|那就|就行|就|再|(?<![智功性节万])能|行|送给|用来|所有|全部|各|些|这里|这儿|店|都|好|订单|汇总|统计|分析|帮|还|货|卖|买|购|钱|元|我|你|您|吗|呢|吧|啊|"
    "呀|的|了|是|要|想|最|几|多|只|来|"
    "[有在给送用和跟与找选挑为到](?= |$)|(?:^|(?<= ))[有在给送用和跟与找选挑为到]"
)
_STOP_WORDS = """
a about above again all alright also am an and another any anything are around as at available be below
best better between budget buy buying by can catalog catalogue cheap cheaper cheapest check cny compare
cool cost costs could current currently customer customers do does dollar dollars each everything
expensive fewest find fine for get gift gifts give good got great had has have having hello hey hi
highest how i i'd i'll i'm if in inventory is it it's item items its least left less level levels like
list look looking low lowest many max maximum me more most much my need needs nice no not now of offer ok
okay on one ones or order orders our out over overview pcs perfect piece pieces please present price
priced prices product products purchase quantity recommend remain remaining right rmb running sale see
sell selling shop should show so some something sounds spend stock stocks store suggest suitable take
tell than thank thanks that the their them then there these they this those to too total under unit units
up us usd want wants we well what what's which who will with within would yes you your yuan
"""
_STOP = frozenset(_STOP_WORDS.split())
_AMOUNT = re.compile(rf"[¥$€]?\s*(?<![\w.]){NUMBER}\s*{YUAN}", re.IGNORECASE)


def words(text: str) -> str:
    """Return the words that may describe a product: no words of asking, no numbers."""
    text = _FILLER.sub(" ", _AMOUNT.sub(" ", TOKEN.sub(" ", text)))
    text = re.sub(r"[a-zA-Z']+", lambda found: " " if found[0].lower() in _STOP else found[0], text)
    kept = (word.strip(".'-") for word in re.findall(r"[\w'.%-]*[^\W_][\w'.%-]*", text))
    return " ".join(word for word in kept if not re.fullmatch(r"[-0-9.]*", word))
