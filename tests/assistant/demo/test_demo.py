"""The demo model's conversations, in both languages and many wordings, driven through a shop in memory."""

import pytest

from tests.support.fake_shop import BUDS, CATALOGUE, LAPTOP, POWER, WATCH, FakeShop, bought


def parted(sentences: str) -> list[str]:
    """Return the sentences of a text, which are parted by slashes."""
    return ["" if part.strip() == "(nothing)" else part.strip() for part in sentences.split("/")]


def each(sentences: str) -> pytest.MarkDecorator:
    """Run a test for each of the sentences."""
    return pytest.mark.parametrize("question", parted(sentences))


# --- what there is, and what it costs -----------------------------------------------------------------------


@each(
    """
    有哪些商品？ / 你们都卖什么 / 商店里有什么 / 都有什么产品 / 店里都有啥 / 看看商品列表 / 列出所有商品 /
    有什么可以买的 / 商品目录 / 请问你们这里卖些什么东西 / 你们有什么产品？价格分别是多少 /
    查一下所有商品和价格 / 我想看看有什么商品 / 现在有什么在售 / 有什么好东西 / What do you sell? /
    what products do you have / show me all products / List the products please / what's for sale? /
    What can I buy here? / show the catalogue / what have you got? /
    Which products are there and what do they cost? / what is in your shop? / price list please /
    what items do you offer / Hi, what do you sell? / 商品有哪些，多少钱 / get products / 查询所有产品
    """
)
def test_what_there_is_comes_as_a_table(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert shop.calls == [("get_products", {})]
    assert all(f"| {name} | ¥{price:.0f} |" in text for _, name, price, _, _ in CATALOGUE)


@each(
    """
    耳机多少钱 / 无线蓝牙耳机Pro多少钱？ / 耳机什么价格 / 那个蓝牙耳机怎么卖 /
    查一下无线蓝牙耳机Pro的价格 / 商品2多少钱 / how much are the headphones /
    How much is the 无线蓝牙耳机Pro? / price of the earbuds / what does product 2 cost? /
    what's the price of the wireless headphones? / 降噪耳机多少钱一个 / 耳机 / headphones / 你们有耳机吗 /
    do you have headphones? / 有没有耳机 / 耳机的价钱是多少 / 买2个耳机多少钱 / 我想知道耳机的价格 /
    有耳机卖吗
    """
)
def test_what_the_headphones_cost(question: str) -> None:
    text = FakeShop().ask(question)
    assert f"**{BUDS}**" in text
    assert "¥899" in text
    assert POWER not in text


@each(
    """
    how much is the power bank / 充电宝多少钱 / 移动电源价格 / How much does the power bank cost?
    """
)
def test_what_the_power_bank_costs(question: str) -> None:
    text = FakeShop().ask(question)
    assert f"**{POWER}**" in text
    assert "¥299" in text
    assert BUDS not in text


# --- how much is left ---------------------------------------------------------------------------------------


@each(
    """
    库存还有多少 / 看看库存 / 库存情况 / 所有商品的库存 / 查询库存 / 现在各商品还剩多少 /
    how much stock is left? / show the inventory / stock levels / What is in stock? / check inventory /
    how much is left of each product? / what's left in stock / 库存清单 / What's available? /
    每个商品还有多少库存
    """
)
def test_all_stock_comes_as_a_table(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert [tool for tool, _ in shop.calls] == ["get_inventory"]
    assert all(f"| {name} | {stock} |" in text for _, name, _, _, stock in CATALOGUE)


@each(
    """
    无线蓝牙耳机Pro 还有货吗 / 耳机还有货吗？ / 耳机还剩多少个 / 耳机库存多少 / 商品2还有多少库存 /
    are the headphones in stock? / how many headphones are left? /
    How many 无线蓝牙耳机Pro do you have left / is product 2 available? / stock of product 2 /
    还有耳机吗，库存多少 / 无线蓝牙耳机Pro的库存 / Do you still have headphones in stock? /
    how many units of product 2 are left / 蓝牙耳机有现货吗 / 耳机够不够10个，库存
    """
)
def test_the_stock_of_one_product_is_said(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert "get_inventory" in [tool for tool, _ in shop.calls]
    assert f"**{BUDS}**" in text
    assert "50" in text
    assert POWER not in text


@each(
    """
    which products are running low / 哪些商品快没货了 / 有什么需要补货的 / 库存不足的商品有哪些 /
    哪些商品库存紧张 / what needs restocking? / low stock products / anything out of stock? / 有缺货的吗 /
    库存低于60的商品 / which products have less than 60 left?
    """
)
def test_what_runs_low_or_comes_nearest_to_it_is_said(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert "maxQuantity" in shop.calls[0][1]
    assert f"| {BUDS} | 50 |" in text


# --- what to take -------------------------------------------------------------------------------------------


@each(
    """
    我预算 1000 元，想要降噪耳机，有货吗？ / 推荐一款降噪耳机 / 预算1000，推荐耳机 /
    我想要一个1000块以内的耳机 / 有没有1000元以下的耳机 / 想买个耳机，预算一千元，有什么推荐 /
    I have a budget of 1000 yuan and want noise cancelling headphones, in stock? /
    recommend headphones under 1000 / I'm looking for noise-cancelling earbuds /
    can you suggest some wireless headphones below ¥1000 / 我要降噪的耳机，不超过900元 /
    预算 1k 以内的耳机 / 听歌通勤用，推荐个降噪的 / 我想要防水的耳机 /
    which headphones would you recommend? / 1000元左右的耳机推荐 /
    I want headphones with noise cancellation for less than 1000 RMB / 送女朋友一个蓝牙耳机，预算1000 /
    预算１０００元，想要降噪耳机
    """
)
def test_headphones_are_recommended_with_price_and_stock(question: str) -> None:
    text = FakeShop().ask(question)
    assert f"**{BUDS}**" in text
    assert "¥899" in text
    assert "50" in text


@each(
    """
    something for sports under 1500 / 适合运动的有什么推荐 / 我喜欢跑步，推荐一个1500以下的 /
    recommend something for fitness / I need a watch for running, budget 1500 / 推荐一款手表 /
    想买个能监测健康的，送给爸爸 / gift for someone who likes sports, max 1500 / 两千块以内适合健身的 /
    I'm looking for a smartwatch between 1000 and 1400 yuan
    """
)
def test_the_watch_is_recommended_for_sports_and_health(question: str) -> None:
    text = FakeShop().ask(question)
    assert f"**{WATCH}**" in text
    assert "¥1299" in text
    assert "100" in text


@each(
    """
    推荐笔记本电脑 / recommend a laptop / 预算2000想买笔记本 / I need a laptop for work under 2000 /
    1500元以上的电脑有什么推荐
    """
)
def test_the_laptop_is_recommended(question: str) -> None:
    text = FakeShop().ask(question)
    assert f"**{LAPTOP}**" in text
    assert "¥1599" in text
    assert "150" in text


@each(
    """
    预算100元想要耳机 / headphones under 100 / 有没有500元以内的手表 / watch below 500 please
    """
)
def test_when_nothing_fits_the_nearest_is_said(question: str) -> None:
    text = FakeShop().ask(question)
    assert "最接近的是" in text or "The nearest is" in text


@each(
    """
    500元以下有什么 / 500元以内的商品 / what can I get for under 500 / anything below 500 yuan? /
    我有400块钱，能买什么 / 便宜点的，300元以内 / products under 500 / 不超过500元的有哪些
    """
)
def test_a_budget_alone_lists_what_it_buys(question: str) -> None:
    text = FakeShop().ask(question)
    assert POWER in text
    assert BUDS not in text


@each(
    """
    推荐一款冰箱 / do you have a fridge? / 冰箱多少钱 / 有没有电饭煲 / 帮客户A买2台冰箱 /
    buy 3 bicycles for Tom
    """
)
def test_what_the_shop_does_not_have_is_neither_offered_nor_bought(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert "没有找到" in text or "I found no" in text
    assert shop.orders == []


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
        帮客户A买商品2两个和商品3一个 / 给客户A买2个商品2和1个商品3
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


@pytest.mark.parametrize(
    ("before", "expected", "sentence"),
    [(before, expected, sentence) for before, expected, text in BUYING for sentence in parted(text)],
)
def test_what_is_ordered_is_bought(
    before: str, expected: tuple[str, list[tuple[int, int]]], sentence: str
) -> None:
    shop = FakeShop()
    if before:
        shop.ask(before)
    shop.ask(sentence)
    assert bought(shop) == expected


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


@pytest.mark.parametrize(
    ("asked", "sentence"), [(asked, sentence) for asked, text in ASKING for sentence in parted(text)]
)
def test_the_piece_that_is_missing_is_asked_for(asked: str, sentence: str) -> None:
    shop = FakeShop()
    assert shop.ask(sentence).endswith(asked)
    assert shop.orders == []


# --- the orders ---------------------------------------------------------------------------------------------


def sold() -> FakeShop:
    shop = FakeShop()
    for sentence in ("帮客户A买 2 个无线蓝牙耳机Pro", "帮李四买 1 个移动电源", "帮客户A买 3 个移动电源"):
        shop.ask(sentence)
    return shop


@each(
    """
    按商品汇总一下订单 / 各商品的销量 / 哪个商品卖得最好 / 热销商品 / 每个商品卖了多少 /
    sales by product / which product sells best? / best sellers / summarise the orders by product /
    订单按产品统计 / 分析一下各产品的销售额 / What are the best-selling products? /
    total sales per product
    """
)
def test_orders_by_product(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert shop.calls == [("get_orders", {"groupBy": "product", "limit": 500})]
    assert "| 便携式移动电源 | 2 | 4 | ¥1196.00 |" in text


@each(
    """
    按客户汇总订单 / 谁买得最多 / 哪个客户消费最多 / who bought most / orders by customer /
    which customer spent the most? / top customers / 每个客户买了多少 / 客户排行 / best customer /
    哪位客户买得最多？ / 按客户统计销售额 / 谁花钱最多
    """
)
def test_orders_by_customer(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert shop.calls == [("get_orders", {"groupBy": "customer", "limit": 500})]
    assert "| 客户A | 2 | 5 | ¥2695.00 |" in text


@each(
    """
    按天汇总订单 / 每天的销售额 / 每天卖了多少 / sales by day / daily sales / orders per day /
    按日期统计订单 / 每日订单
    """
)
def test_orders_by_day(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert shop.calls == [("get_orders", {"groupBy": "day", "limit": 500})]
    assert "| 2026-11-20 | 2 | 5 | ¥2695.00 |" in text


@each(
    """
    最近的订单 / 看看订单 / 订单列表 / 查询订单 / 有哪些订单 / show recent orders / list orders /
    latest orders / 所有订单 / show me the orders / order history / 最新订单
    """
)
def test_recent_orders(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert "| 2 | 李四 | 1 × 便携式移动电源 | ¥299.00 |" in text
    assert "| 1 | 客户A | 2 × 无线蓝牙耳机Pro | ¥1798.00 |" in text


@each(
    """
    最大的订单 / 金额最高的订单是哪个 / largest order / what was the biggest order? / 哪笔订单金额最大 /
    show the highest order
    """
)
def test_the_largest_order(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert "¥1798.00" in text
    assert "李四" not in text


@each(
    """
    订单总金额是多少 / 一共卖了多少钱 / 总销售额 / total sales / what's the total revenue? /
    how many orders are there? / 一共有多少订单 / 营业额多少 / how much have we sold in total? /
    How much did we sell?
    """
)
def test_the_total_of_all_orders(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert "¥2994.00" in text
    assert "3" in text


@each(
    """
    客户A的订单 / 客户A买了什么 / 查一下客户A的订单 / 客户A买过什么 / 看看客户A下的订单
    """
)
def test_orders_of_one_customer(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert shop.calls[0][1]["customerName"] == "客户A"
    assert "¥1798.00" in text
    assert "李四" not in text


@each(
    """
    李四的订单 / 李四买了什么 / orders of 李四 / what did 李四 buy? / show orders for 李四 /
    查询李四的订单
    """
)
def test_orders_of_a_person(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert shop.calls[0][1]["customerName"] == "李四"
    assert "¥299.00" in text


@each(
    """
    商品2的订单 / orders of product 2
    """
)
def test_orders_of_one_product(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert shop.calls[0][1]["productId"] == 2
    assert "李四" not in text


@each(
    """
    耳机卖了多少 / 无线蓝牙耳机Pro卖了几个 / how many headphones were sold? / 移动电源和耳机卖了多少
    """
)
def test_how_much_of_a_product_was_sold(question: str) -> None:
    shop = sold()
    text = shop.ask(question)
    assert "¥1798.00" in text


@each(
    """
    今天的订单 / 今天卖了多少 / today's sales / orders today
    """
)
def test_orders_of_today(question: str) -> None:
    shop = sold()
    shop.ask(question)
    assert shop.calls[0][1]["since"] == "2026-11-21"


@each(
    """
    昨天的订单 / yesterday's orders
    """
)
def test_orders_of_yesterday(question: str) -> None:
    shop = sold()
    shop.ask(question)
    assert shop.calls[0][1]["since"] == shop.calls[0][1]["until"] == "2026-11-20"


@each(
    """
    最近7天的订单 / 过去七天卖了多少 / sales in the last 7 days
    """
)
def test_orders_of_the_last_seven_days(question: str) -> None:
    shop = sold()
    shop.ask(question)
    assert shop.calls[0][1]["since"] == "2026-11-14"


# --- after a purchase ---------------------------------------------------------------------------------------


@each(
    """
    还剩多少？ / 现在库存多少了 / 耳机还剩多少
    """
)
def test_the_new_stock_is_known_after_a_purchase(question: str) -> None:
    shop = FakeShop()
    assert "还剩 48 件" in shop.ask("帮客户A买 2 个无线蓝牙耳机Pro")
    assert "48" in shop.ask(question)


@each(
    """
    再买一个 / 再来一个 / 再买1个
    """
)
def test_another_one_is_the_same_for_the_same_customer(question: str) -> None:
    shop = FakeShop()
    shop.ask("帮客户A买 2 个无线蓝牙耳机Pro")
    shop.ask(question)
    assert shop.orders[0]["customerName"] == "客户A"
    assert shop.orders[0]["items"] == [{"productId": 2, "quantity": 1}]


# --- talk ---------------------------------------------------------------------------------------------------


@each(
    """
    你好 / 您好！ / hi / Hello there / 嗨 / 早上好 / Good morning / 在吗 / hey!
    """
)
def test_it_greets(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert shop.calls == []
    assert "你好" in text or "Hello" in text


@each(
    """
    谢谢 / thank you / thanks! / 再见 / bye / 多谢啦
    """
)
def test_it_takes_thanks(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert shop.calls == []
    assert "不客气" in text or "welcome" in text


@each(
    """
    你能做什么 / what can you do? / help / 你会什么 / 怎么下单 / 帮助 / who are you? / 你是谁 /
    how do I buy something? / 你可以帮我做什么
    """
)
def test_it_says_what_it_can_do(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert shop.calls == []
    assert "可以这样问" in text or "You can ask" in text


@each(
    """
    今天天气怎么样 / tell me a joke / 写一首诗 / 1+1等于几 / asdfgh / what is the capital of France? /
    ??? / 😀 / (nothing)
    """
)
def test_what_it_does_not_understand_it_says_with_examples(question: str) -> None:
    shop = FakeShop()
    text = shop.ask(question)
    assert shop.calls == []
    assert "没有听懂" in text or "did not understand" in text


@each(
    """
    算了 / 取消 / never mind / cancel / 不买了
    """
)
def test_an_order_can_be_given_up(question: str) -> None:
    shop = FakeShop()
    shop.ask("买 2 个耳机")
    text = shop.ask(question)
    assert shop.calls == []
    assert "没有下单" in text or "nothing was ordered" in text


@pytest.mark.parametrize(
    ("question", "since", "until"),
    [
        ("2026-11-01 以来的订单", "2026-11-01", None),
        ("orders from 2026-11-01 to 2026-11-05", "2026-11-01", "2026-11-05"),
        ("12月的订单", "2025-12-01", "2025-12-31"),
        ("上个月的订单", "2026-10-01", "2026-10-31"),
        ("orders of this week", "2026-11-16", None),
        ("今年的订单", "2026-01-01", None),
    ],
)
def test_a_period_becomes_its_days(question: str, since: str, until: str | None) -> None:
    shop = FakeShop()
    shop.ask(question)
    assert (shop.calls[0][1].get("since"), shop.calls[0][1].get("until")) == (since, until)


@pytest.mark.parametrize(
    ("written", "pieces"),
    [
        ("一百二十", 120),
        ("一千零五", 1005),
        ("两万", 20_000),
        ("twenty-five", 25),
        ("two hundred", 200),
        ("1,200", 1200),
    ],
)
def test_numbers_are_read_as_people_write_them(written: str, pieces: int) -> None:
    shop = FakeShop([(1, "Schraube", 0.1, "", 100_000)])
    shop.ask(
        f"帮客户A买 {written} 个商品 1" if written[0] > "z" else f"buy {written} of product 1 for customer A"
    )
    assert shop.orders[0]["items"] == [{"productId": 1, "quantity": pieces}]


def test_the_cheapest_and_the_dearest_are_named() -> None:
    shop = FakeShop()
    assert f"**{POWER}**" in shop.ask("最便宜的商品是什么")
    assert f"**{LAPTOP}**" in shop.ask("which is the most expensive product?")


def test_the_stock_can_be_ranked() -> None:
    text = FakeShop().ask("哪个商品库存最多")
    assert text.index(POWER) < text.index(LAPTOP) < text.index(WATCH) < text.index(BUDS)


def test_a_shop_without_products_says_so() -> None:
    shop = FakeShop([])
    assert shop.ask("有哪些商品？") == "商店里现在没有商品。"
    assert shop.ask("recommend a watch") == "The shop has no products right now."


def test_an_id_that_the_shop_does_not_have_is_said() -> None:
    shop = FakeShop()
    assert "没有找到" in shop.ask("商品 99 多少钱")
    assert "没有找到" in shop.ask("商品 99 还有货吗")
