"""What the demo model orders, in both languages and many wordings, from a shop in memory."""

from tests.support.fake_shop import FakeShop, bought
from tests.support.wordings import each, parted

# --- buying -------------------------------------------------------------------------------------------------

# What was said before, for whom and what is then bought, and the wordings.
BUYING: list[tuple[str, tuple[str, list[tuple[int, int]]], str]] = [
    (  # two headphones for customer a
        "",
        ("客户A", [(2, 2)]),
        """
        帮客户A买 2 个无线蓝牙耳机Pro / 帮客户A买2个耳机 / 给客户A下单2个无线蓝牙耳机Pro /
        替客户A订购两个无线蓝牙耳机Pro / 客户A要买2个无线蓝牙耳机Pro / 请为客户A采购无线蓝牙耳机Pro 2个 /
        帮客户A买无线蓝牙耳机Pro两个 / 客户A，买2个商品2 / 购买商品2，数量2，客户A /
        帮客户A下一个订单：2个无线蓝牙耳机Pro / 无线蓝牙耳机Pro来2个，客户A /
        我要买2个耳机，客户名称是客户A / 买 2 个 无线蓝牙耳机Pro 给客户A / 帮客户A买２个无线蓝牙耳机Pro /
        客户A要2副耳机 / 帮我给客户A买2个耳机 / 客户A想买两个降噪耳机 / 下单：客户A，商品ID 2，数量 2 /
        创建订单，客户A，2 × 无线蓝牙耳机Pro / 商品2我要买2个，客户A / 帮客户A购买编号2的商品2件 /
        以客户A的名义买2个耳机 / 客户A 订2个蓝牙耳机 / 麻烦帮客户A买一下无线蓝牙耳机Pro，要2个，谢谢 /
        2号商品给客户A来2个 / 买两个耳机给客户A吧
        """,
    ),
    (  # two power banks for customer a
        "",
        ("customer A", [(3, 2)]),
        """
        buy 2 of product 3 for customer A / Buy two of product 3 for customer A please /
        order 2 power banks for customer A / purchase 2 x product 3 for customer A /
        please place an order for 2 power banks for customer A / customer A wants to buy 2 power banks /
        I'd like to buy two power banks for customer A / get me 2 of item 3, customer A /
        buy product 3, quantity 2, customer A / for customer A, buy 2 便携式移动电源 /
        Please order 2 pieces of product #3 for customer A. /
        create an order for customer A: 2 of product 3 / buy 2 power banks on behalf of customer A /
        Buy product 3 x2 for customer A / customer A needs 2 power banks
        """,
    ),
    (  # two headphones for tom
        "",
        ("Tom", [(2, 2)]),
        """
        buy 2 headphones for Tom / order two headphones for Tom. / Tom wants 2 headphones /
        I want to buy 2 无线蓝牙耳机Pro for Tom / 帮Tom买2个耳机 / buy 2 headphones, my name is Tom /
        给Tom买2个耳机 / Customer: Tom. Buy 2 headphones / customer name is Tom, purchase 2 of product 2 /
        2 headphones for Tom, order please
        """,
    ),
    (  # a watch for zhang san
        "",
        ("张三", [(1, 1)]),
        """
        给张三买一块智能手表Galaxy / 张三要买一个手表 / 帮张三订一个智能手表 / 我是张三，我要买1个手表 /
        买一块手表，客户张三 / 客户：张三，购买智能手表Galaxy 1块 / 买1个手表送给张三 /
        我叫张三，来一个手表 / 顾客张三买1个智能手表Galaxy
        """,
    ),
    (  # several products in one sentence
        "",
        ("客户A", [(2, 2), (3, 1)]),
        """
        帮客户A买 2 个耳机和 1 个移动电源 / 帮客户A买2个无线蓝牙耳机Pro、1个便携式移动电源 /
        客户A要买两个耳机，一个充电宝 / 给客户A下单：无线蓝牙耳机Pro x2，便携式移动电源 x1 /
        帮客户A买商品2两个和商品3一个 / 给客户A买2个商品2和1个商品3 / 客户A要两个降噪耳机和一个移动电源
        """,
    ),
    (  # several products in one english sentence
        "",
        ("customer A", [(2, 2), (3, 1)]),
        """
        buy 2 headphones and 1 power bank for customer A /
        order two headphones and a power bank for customer A /
        buy 2 of product 2 and 1 of product 3 for customer A /
        purchase 2x product 2, 1x product 3 for customer A
        """,
    ),
    (  # as many of each
        "",
        ("客户A", [(2, 2), (3, 2)]),
        """
        帮客户A买耳机和移动电源各2个 / 给客户A买商品2和商品3各两个
        """,
    ),
    (  # twelve in words
        "",
        ("客户A", [(3, 12)]),
        """
        帮客户A买十二个移动电源 / 帮客户A买 12 个便携式移动电源 / 客户A 采购 12 件 商品3
        """,
    ),
    (  # twelve in english words
        "",
        ("Alice Smith", [(3, 12)]),
        """
        buy twelve power banks for Alice Smith / buy a dozen power banks for Alice Smith
        """,
    ),
    (  # three laptops whose name has spaces
        "",
        ("客户A", [(4, 3)]),
        """
        帮客户A买3台华为MateBook X Pro / 客户A买三台笔记本 / 给客户A买三台笔记本电脑 /
        帮客户A买华为MateBook X Pro 3台
        """,
    ),
    (  # the product is the one just recommended
        "我预算 1000 元，想要降噪耳机，有货吗？",
        ("客户A", [(2, 2)]),
        """
        帮客户A买 2 个 / 给客户A来2个 / 客户A要2个 / 买2个，客户A / 帮客户A下单2个 / 那就帮客户A买两个吧 /
        好的，帮客户A买 2 个 / 客户A买2个这款 / 就要这个，买2个给客户A
        """,
    ),
    (  # the product is the one just recommended in english
        "recommend noise cancelling headphones under 1000",
        ("customer A", [(2, 2)]),
        """
        buy 2 for customer A / order two of them for customer A / ok, get me 2 for customer A /
        buy 2 of those for customer A / I'll take 2 for customer A
        """,
    ),
    (  # the second one is the second of the list
        "有哪些商品？",
        ("客户A", [(2, 2)]),
        """
        帮客户A买2个第二个 / 买第二个商品，2个，客户A
        """,
    ),
    (  # the second one in english
        "what do you sell?",
        ("customer A", [(2, 2)]),
        """
        buy 2 of the second one for customer A
        """,
    ),
    (  # a customer asked for is understood
        "买 2 个耳机",
        ("客户A", [(2, 2)]),
        """
        客户A / 叫客户A / 是客户A / 客户叫 A / 给客户A买
        """,
    ),
    (  # a name asked for is understood
        "买 2 个耳机",
        ("张三", [(2, 2)]),
        """
        张三 / 叫张三 / 张三。 / 他叫张三 / 我是张三 / 客户张三 / 名字叫张三
        """,
    ),
    (  # a quantity asked for is understood
        "帮客户A买耳机",
        ("客户A", [(2, 2)]),
        """
        2 / 两个 / 2个 / 要2个 / 2件吧 / 两个就行 / 买2个
        """,
    ),
    (  # a quantity asked for in english
        "buy headphones for Tom",
        ("Tom", [(2, 2)]),
        """
        2 / two / 2 please / two pieces / I want 2 / just two
        """,
    ),
    (  # a product asked for is understood
        "帮客户A买 2 个",
        ("客户A", [(2, 2)]),
        """
        耳机 / 2 / 无线蓝牙耳机Pro / 商品2 / 编号2 / #2 / 2号 / 那个降噪耳机 / 无线蓝牙耳机Pro。
        """,
    ),
    (  # a product asked for in english
        "buy 2 for Tom",
        ("Tom", [(2, 2)]),
        """
        headphones / 2 / product 2 / the headphones please / 无线蓝牙耳机Pro / the noise cancelling ones
        """,
    ),
]


def test_what_is_ordered_is_bought() -> None:
    for before, expected, sentences in BUYING:
        for sentence in parted(sentences):
            shop = FakeShop()
            if before:
                shop.ask(before)
            shop.ask(sentence)
            assert bought(shop) == expected, sentence


@each(
    """
    Tom / It's Tom / tom smith / The customer is Tom / for Tom / My name is Tom / customer A / Tom.
    """
)
def test_a_name_asked_for_in_english(question: str) -> None:
    shop = FakeShop()
    shop.ask("buy 2 headphones")
    shop.ask(question)
    assert bought(shop)[0].lower() in ("tom", "tom smith", "customer a")


ASKING = [
    (
        "客户叫什么名字？",
        """
        买 2 个无线蓝牙耳机Pro / 我要买2个耳机 / 帮我买2个耳机 / 来两个耳机 / 下单2个商品2 /
        我想买两个耳机
        """,
    ),
    (
        "What is the customer's name?",
        """
        buy 2 headphones / I want to buy 2 of product 2 / order 2 headphones for me /
        I want 2 headphones / give me two headphones
        """,
    ),
    (
        "要买几件？",
        """
        帮客户A买无线蓝牙耳机Pro / 我想买耳机 / 买耳机 / 帮客户A买 0 个耳机 / 帮客户A买 1.5 个耳机 /
        帮客户A买 -3 个耳机 / 客户A要买耳机
        """,
    ),
    (
        "How many would you like?",
        """
        buy headphones for Tom / I want to buy product 2 / buy 0 headphones for Tom /
        buy -2 headphones for Tom / order 2.5 headphones for Tom
        """,
    ),
    (
        "要买哪一种？请说名称或编号。",
        """
        帮客户A买 2 个 / 我要下单 / 我要买东西 / 买
        """,
    ),
    (
        "Which product would you like? Please give its name or id.",
        """
        buy 2 for customer A / I want to buy something for Tom / place an order / I'd like to order
        """,
    ),
]


def test_the_piece_that_is_missing_is_asked_for() -> None:
    for asked, sentences in ASKING:
        for sentence in parted(sentences):
            shop = FakeShop()
            assert shop.ask(sentence).endswith(asked), sentence
            assert shop.orders == [], sentence
