"""Classifies a sentence in Chinese or English by lists of words; knows no product."""

import re
import unicodedata
from datetime import date, timedelta
from typing import Literal

from models import MAX_LIMIT

Goal = Literal[
    "products", "stock", "recommend", "buy", "orders", "hello", "thanks", "help", "cancel", "unknown"
]
Language = Literal["zh", "en"]
Sign = Literal[
    "it",
    "low",
    "sold out",
    "product",
    "customer",
    "day",
    "largest",
    "total",
    "cheapest",
    "dearest",
    "most",
    "least",
    "again",
    "yes",
]

MAX_TEXT = 1000  # characters of a sentence that are read
CJK = r"\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"


def fold(text: str) -> str:
    """Normalise to NFKC; remove NUL, surrogates and the characters that tokens are made of."""
    return re.sub(
        "[\x00\ud800-\udfff\ue000\ue001]", "", unicodedata.normalize("NFKC", text[:MAX_TEXT])
    ).strip()


# --- numbers -----------------------------------------------------------------------------------------------

_DIGITS = {sign: value for value, sign in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_UNITS = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_WORDS = {
    **{"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9},
    **{"ten": 10, "eleven": 11, "twelve": 12, "fifteen": 15, "twenty": 20, "thirty": 30, "fifty": 50},
    **{"couple": 2, "dozen": 12, "hundred": 100, "thousand": 1000},
}
_WORD = rf"(?<![a-z])(?:{'|'.join(sorted(_WORDS, key=len, reverse=True))})(?![a-z])"
_HAN_DIGIT = "[零〇一二两三四五六七八九十百千万]"
# Bounded, so that a long row of digits is not searched from each digit on; never matches a part of a number.
NUMBER = (
    r"(?:(?<![0-9.])-?(?:[0-9]{1,3}(?:,[0-9]{3}){1,4}|[0-9]{1,15})(?![0-9])(?:\.[0-9]{1,9}(?![0-9]))?(?:\s?k\b|[百千万])?"
    rf"|(?<!{_HAN_DIGIT}){_HAN_DIGIT}{{1,12}}(?!{_HAN_DIGIT})|{_WORD}(?:[\s-]{_WORD}){{0,4}})"
)
MEASURE = "(?:[个台件只副条部套份盒双支把本箱包对瓶张枚块](?!钱))"


def number(text: str) -> float | None:
    """Parse 12, 1,500, 1.5k, 2千, 十二, 一千五, two hundred; None if it is no number."""
    text = text.strip().lower().replace(",", "")
    if digits := re.fullmatch(r"(-?[0-9]+(?:\.[0-9]+)?)\s?([k百千万]?)", text):
        return float(digits[1]) * {"": 1, "k": 1000, **_UNITS}[digits[2]]
    words = re.split(r"[\s-]+", text)
    if all(word in _WORDS for word in words):
        return float(_english(words))
    return float(_chinese(text)) if text and all(c in _DIGITS or c in _UNITS for c in text) else None


def _chinese(text: str) -> int:
    total = section = digit = last = 0
    for sign in text:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
            last = 10 if digit == 0 else last
        elif sign == "万":
            total, section, digit, last = (total + section + digit) * 10_000, 0, 0, 10_000
        else:
            last = _UNITS[sign]
            section, digit = section + (digit or 1) * last, 0
    return total + section + digit * max(last // 10, 1)  # 一千五 is 1500


def _english(words: list[str]) -> int:
    total = part = 0
    for word in words:
        value = _WORDS[word]
        part = (part or 1) * value if value in (12, 100, 1000) else part + value
        if value == 1000:
            total, part = total + part, 0
    return total + part


def pieces(text: str) -> int:
    """Parse a number of pieces; 0 if it cannot be ordered."""
    value = number(text) or 0
    return int(value) if 1 <= value <= 10**6 and value == int(value) else 0


def first_number(text: str) -> str | None:
    """Return the first number in a text."""
    found = re.search(NUMBER, text, re.IGNORECASE)
    return found[0] if found else None


# --- language ----------------------------------------------------------------------------------------------

_ENGLISH = re.compile(
    r"\b(?:a|an|the|is|are|do|does|did|you|i|we|what|which|who|how|many|much|of|for|to|in|on|and|by|with|please|"
    r"buy|order|orders|purchase|show|list|give|get|recommend|suggest|stock|price|left|hello|hi|hey|thanks|thank|"
    r"help|customer|product|products|under|below|yes|no|sales|total|need|want|any|some|cancel)\b"
)


def language(text: str) -> Language | None:
    """Return the language of a message; None for a bare name or number."""
    text = fold(text).lower()
    english = _ENGLISH.findall(text)
    if not re.search(f"[{CJK}]", text):
        return "en" if english else None
    return "en" if len(english) > 1 or _ENGLISH.match(text) else "zh"


# --- the goal ----------------------------------------------------------------------------------------------


def _any(chinese: str, english: str) -> re.Pattern[str]:
    """Compile Chinese expressions, separated by spaces, and English ones, separated by bars."""
    return re.compile(rf"{'|'.join(chinese.split())}|(?<![a-z])(?:{english})(?![a-z])", re.IGNORECASE)


NEW_ORDER = _any(
    r"(?<!一)下(?:[一个张笔份]{0,2}订)?单(?!了) (?:创建|新建)[一个张笔份]{0,2}(?:采购)?订单",
    r"(?:create|place|make|submit|add) (?:an? |the )?(?:new )?(?:purchase )?order(?: for)?|new order for",
)
_CANCEL = _any(
    "算了 不买了 不要了 取消 先不 退货 退款",
    r"never ?mind|cancel|refunds?|returns?|forget it|don't (?:buy|order|want)|no,? thanks?|no thank you",
)
_HELP = _any(
    "你(?:会|能|可以)(?:做|干|帮|些|为)?我?(?:做|干)?些?什么 你能做 (?:怎么|如何)(?:用|买|下单|购买|使用) "
    "帮助$ 功能 你是谁",
    r"what can you|who are you|what are you|what do you do|help me\W*$|^\W*help\W*$|"
    r"how (?:do|can|to|does) .*(?:buy|order|use|work|this)",
)
_BROWSE = _any(
    "(?:能|可以)(?:买|购买)(?:些?什么|哪些|啥) 有些?什么(?:可以|能)买",
    r"what (?:can|could) (?:i|we) (?:buy|order|get)|what is there to buy",
)
_ORDERS = _any(
    "订单 销量 销售 [卖售]了 卖出 卖得 营业额 成交 谁.{0,4}买 买得最 "
    "买了(?:些?什么|多少|哪些|几) 买过 购买记录 消费 花[了费] 花.{0,3}最多 热销 畅销 最受欢迎 排[行名]",
    r"orders(?! [0-9])|order history|(?:largest|biggest|last|latest|recent|newest|highest|first|my) order|"
    r"sales|sold|revenue|turnover|best.?sell\w*|most popular|bought|spent|"
    r"(?:top|best|biggest) (?:customer|buyer|client)s?|"
    r"who (?:buys|ordered)|purchase history|did .{1,40} (?:buy|order|sell)|sells? (?:best|most)",
)
_BUY = _any(
    rf"买 购 订货 采购 订(?=[0-9一二两三四五六七八九十]) (?:[来拿要]|给我)\s*(?={NUMBER}\s*{MEASURE})",
    rf"buy|purchase|order|get me|i(?:'ll| will) (?:take|have)|"
    rf"(?:wants?|needs?|give me|take|send me|would like|i'd like)(?= {NUMBER}\b)",
)
_PRICE = _any(
    "多少钱 什么价 价格 价钱 售价 单价 怎么卖 报价",
    r"how much (?:is|are|does|do|for|would|will|it)|prices?|costs?",
)
_STOCK = _any(
    "库存 有货 没货 现货 还有(?:多少|几) 还剩 剩余 剩下 缺货 断货 售罄 卖完 够 补货",
    r"stocks?|inventory|availab\w*|(?:run|running) (?:low|out)|sold out|left|remain\w*|restock\w*|how many",
)
_RECOMMEND = _any(
    "推荐 建议 预算 哪[款个种].{0,3}好 性价比 买什么好 买哪 挑 选(?:一|哪|个)",
    r"recommend\w*|suggest\w*|budget|looking for|which (?:one )?should|what should|advi[cs]e",
)
_VAGUE = _any(
    "适合 合适 送(?!货) 礼物",
    r"something(?! for (?-i:[A-Z]|customer))|suitable|gift|present|good for|ideal for|best .{0,30} for",
)
_WANT = _any(
    r"想要 我要 需要 想找 找一?[款个] 有没有 有(?!些?什么|多少).{1,20}(?:吗|么(?:$|\W))",
    r"i(?:'d like| want| need| am after|'m after)|want an?|find me",
)
_CATALOGUE = _any(
    "商品 产品 货品 有哪些 [有卖]些?什么 有啥 卖啥 卖哪些 目录 菜单 清单 在售",
    r"products?|catalog(?:ue)?s?|items?|goods|sell|on (?:sale|offer)|for sale|articles?|what's there|"
    r"what (?:do )?you (?:have|offer)|in (?:your|the) (?:shop|store)|do you (?:have|carry|offer)|"
    r"have you got|what is (?:there|available)",
)
_HELLO = re.compile(
    r"^(?:你好|您好|嗨|哈喽|在吗|早上好|下午好|晚上好|早|"
    r"hi|hello|hey|good (?:morning|afternoon|evening)|greetings)"
    r"(?:$|[\s,.!~呀啊]|there)",
    re.IGNORECASE,
)
_THANKS = _any(
    r"^(?:好的?|嗯|行)\W*$ 谢谢 多谢 感谢 辛苦了 再见 拜拜",
    r"^ok(?:ay)?\W*$|thanks?|thank you|thx|good ?bye|bye|cheers",
)

_FIRST: tuple[tuple[Goal, re.Pattern[str]], ...] = (
    ("cancel", _CANCEL),
    ("help", _HELP),
    ("products", _BROWSE),
)
_LAST: tuple[tuple[Goal, re.Pattern[str]], ...] = (
    ("recommend", _RECOMMEND),
    ("recommend", _VAGUE),
    ("stock", _STOCK),
    ("products", _PRICE),
    ("recommend", _WANT),
    ("products", _CATALOGUE),
    ("hello", _HELLO),
    ("thanks", _THANKS),
)


def goal(text: str) -> Goal:
    """Return what a sentence wants; the stronger words are searched first."""
    limited = budget(text) != (None, None)
    for wished, pattern in _FIRST:
        if pattern.search(text) and not limited:
            return wished
    if NEW_ORDER.search(text):
        return "buy"
    if _ORDERS.search(text):
        return "orders"
    open_ended = limited or _RECOMMEND.search(text) or (_VAGUE.search(text) and not first_number(text))
    if _BUY.search(text) and not _PRICE.search(text) and not open_ended:
        return "buy"
    if limited:
        return "recommend"
    return next((wished for wished, pattern in _LAST if pattern.search(text)), "unknown")


_SIGNS: dict[Sign, re.Pattern[str]] = {
    "it": _any(
        r"它 [这那该][个款件种台] 刚才 上面 还有货 还剩 够不够 ^\W*(?:多少钱|什么价|价格|有货|有现货)",
        r"it|its|that|this|they|them|these|those|one|left|in stock|how many do you have|how much\W*$",
    ),
    "low": _any(
        "缺货 断货 售罄 卖完 补货 不足 快没 少于 低于 不到 紧张",
        r"(?:run|running) (?:low|out)|low (?:on|in|stock)|sold out|out of stock|less than|fewer than|under|"
        r"below|restock\w*",
    ),
    "sold out": _any("缺货 断货 售罄 卖完", "sold out|out of stock"),
    "product": _any(
        "按(?:商品|产品|货品) [每各](?:个|种|款)?(?:商品|产品) "
        "哪[个款种些](?:商品|产品)?.{0,6}[卖销] 卖得 热销 畅销 受欢迎",
        r"(?:by|per|each|which|what) (?:products?|items?)|best.?sell\w*|most popular|sells? (?:best|most)",
    ),
    "customer": _any(
        "按(?:客户|顾客|买家) [每各](?:个|位)?(?:客户|顾客) "
        "[哪谁](?:个|位|些)?(?:客户|顾客)?.{0,6}[买消花] (?:客户|顾客)排[行名]",
        r"(?:by|per|each|which|what|top|best|biggest) (?:customers?|clients?|buyers?)|"
        r"who (?:has |have )?(?:bought|buys|spent|ordered)",
    ),
    "day": _any("按(?:天|日) [每各][天日]", "(?:by|per|each|every) (?:day|date)|daily"),
    "largest": _any("最大 最高 最贵 金额最多", "largest|biggest|highest|most expensive"),
    "cheapest": _any("最便宜 最低价 价格最低", "cheapest|least expensive|lowest price"),
    "dearest": _any("最贵 价格最高", "most expensive|dearest|highest price"),
    "most": _any("最多", "most"),
    "least": _any("最少", "least|lowest|fewest"),
    "total": _any(
        "总 一共 合计 共计 营业额 销售额 多少[个笔张]?订单 几[个笔张]订单",
        "totals?|revenue|turnover|how many orders|altogether|how much|overall",
    ),
    "yes": re.compile(
        r"^(?:好|是|确认|确定|对|可以|行|嗯|ok|yes|yep|sure|confirm|go ahead|do it)", re.IGNORECASE
    ),
    "again": _any("再 也 另外 还要", "also|another|again|more|too"),
}


def says(sign: Sign, text: str) -> bool:
    """Whether a sentence has one of the expressions for this."""
    return _SIGNS[sign].search(text) is not None


# --- prices, pieces, days ----------------------------------------------------------------------------------

YUAN = r"(?:元|块钱?|rmb|yuan|cny|人民币|dollars?|usd)"
_SIGN = r"(?:[¥$€]|rmb|cny)?\s*"
_PRICED = rf"{_SIGN}({NUMBER})"
_BETWEEN = re.compile(
    rf"between {_PRICED} (?:and|to) {_PRICED}|(?:从|from)\s*{_PRICED}\s*{YUAN}?\s*(?:到|至|to)\s*{_PRICED}"
    rf"|{_PRICED}\s*{YUAN}?\s*(?:-|~|到|至|to)\s*{_PRICED}\s*(?:{YUAN}|之间)",
    re.IGNORECASE,
)
_ABOUT = re.compile(
    rf"(?:大概|大约|差不多|around|about)\s*{_PRICED}\s*{YUAN}|({NUMBER})\s*{YUAN}?\s*(?:左右|上下)",
    re.IGNORECASE,
)
_ABOVE = re.compile(
    rf"({NUMBER})\s*{YUAN}?\s*(?:以上|起)"
    r"|(?:高于|(?<!不)超过|至少|大于|over|above|(?<!no )(?<!not )more than|at least)"
    rf"\s*{_PRICED}(?!\s*(?:{MEASURE}|pieces))",
    re.IGNORECASE,
)
_BELOW = re.compile(
    rf"({NUMBER})\s*{YUAN}?\s*(?:以内|以下|之内|封顶)"
    r"|(?:预算|不超过|不高于|低于|少于|最多|不到|小于|budget|under|below|(?:less|more|cheaper) than|"
    r"up to|at most|within|max)"
    rf"(?:[是为有:]|\s|of|is|about|大概|大约|只有|around)*{_PRICED}(?!\s*(?:{MEASURE}|pieces))"
    rf"|{_PRICED}\s*{YUAN}?\s*(?:budget|max|or less|预算)|(?:有|have|got)\s*{_PRICED}\s*{YUAN}"
    rf"|^\s*({NUMBER})\s*(?:元|块)",
    re.IGNORECASE,
)
_MONEY = re.compile(rf"预算|budget|{NUMBER}\s*{YUAN}|[¥$€]", re.IGNORECASE)
_COUNTING = re.compile(r"库存|剩|件|stock|left|pieces", re.IGNORECASE)


def budget(text: str) -> tuple[float | None, float | None]:
    """Return the lowest and the highest price that is asked for, in yuan; None for no bound."""
    if _COUNTING.search(text) and not _MONEY.search(text):
        return None, None  # "less than 20 left" is no price
    if len(between := _prices(_BETWEEN, text)) > 1:
        return min(between), max(between)
    if about := _prices(_ABOUT, text):
        return about[0] * 0.8, about[0] * 1.2
    above, below = _prices(_ABOVE, text), _prices(_BELOW, text)
    return (above[0] if above else None), (below[0] if below and not above else None)


def _prices(pattern: re.Pattern[str], text: str) -> list[float]:
    found = pattern.search(text)
    values = [number(group) for group in found.groups() if group] if found else []
    return [value for value in values if value is not None and value >= 0]


def pieces_below(text: str) -> int | None:
    """Return the largest number of pieces that "fewer than 20" allows; None without a number."""
    found = re.search(
        rf"(?:少于|低于|不到|less than|fewer than|under|below)\s*({NUMBER})", text, re.IGNORECASE
    )
    return max(pieces(found[1]) - 1, 0) if found else None


def orders_wanted(text: str) -> int | None:
    """Return how many orders are asked for: "the last 5 orders"."""
    found = re.search(
        rf"(?:最近|最新|前|last|latest|recent|newest)的?\s*({NUMBER})\s*[个笔张条]?\s*(?:订单|orders)",
        text,
        re.IGNORECASE,
    )
    return min(pieces(found[1]), MAX_LIMIT) or None if found else None


def period(text: str, today: date) -> tuple[str | None, str | None]:
    """Return the first and the last day that are meant, as ISO dates; None for no bound."""
    if dates := re.findall(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        open_end = len(dates) == 1 and _any("以来 之后 以后 起", "since|after|from").search(text)
        return min(dates), None if open_end else max(dates)
    if days := re.search(rf"(?:最近|过去|近|last|past)\s*({NUMBER})\s*(?:天|日|days?)", text, re.IGNORECASE):
        return (today - timedelta(min(pieces(days[1]), 3650))).isoformat(), None
    if (month := re.search(r"([0-9]{1,2})月", text)) and 1 <= int(month[1]) <= 12:
        return _month(today.year - (int(month[1]) > today.month), int(month[1]))
    monday, first = today - timedelta(today.weekday()), today.replace(day=1)
    spans = (
        (_any("今[天日]", "today"), today, None),
        (_any("昨[天日]", "yesterday"), today - timedelta(1), today - timedelta(1)),
        (_any("[本这]个?(?:周|星期)", "this week"), monday, None),
        (_any("上个?(?:周|星期)", "last week"), monday - timedelta(7), monday - timedelta(1)),
        (_any("[本这]个?月", "this month"), first, None),
        (_any("上个?月", "last month"), (first - timedelta(1)).replace(day=1), first - timedelta(1)),
        (_any("今年", "this year"), first.replace(month=1), None),
    )
    found = next(((since, until) for pattern, since, until in spans if pattern.search(text)), (None, None))
    since, until = (day.isoformat() if day else None for day in found)
    return since, until


def _month(year: int, month: int) -> tuple[str, str]:
    after = date(year + month // 12, month % 12 + 1, 1)
    return date(year, month, 1).isoformat(), (after - timedelta(1)).isoformat()
