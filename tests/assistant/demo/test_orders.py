"""The demo model about orders, and its talk, in both languages and many wordings."""

from tests.support.fake_shop import BUDS, LAPTOP, POWER, WATCH, FakeShop
from tests.support.wordings import each

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
    assert f"最少的是 **{WATCH}**，0 件" in shop.ask("卖得最差的是哪个商品？")  # nobody has bought one


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


def test_a_cancelled_order_is_not_the_largest_and_times_are_the_shops() -> None:
    shop = sold()
    shop.history = [{"role": "system", "content": "商店的时区是 Asia/Shanghai"}]
    shop.orders[2] |= {"status": "cancelled", "orderDate": "2026-11-20T20:30:00+00:00"}
    assert "¥897.00" in shop.ask("最大的一笔订单")
    assert "| 1 ✗ | 客户A | 2 × 无线蓝牙耳机Pro | ¥1798.00 | 2026-11-21 04:30 |" in shop.ask("有哪些订单")


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
    text = FakeShop().ask(question)
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


PERIODS = [
    ("2026-11-01 以来的订单", "2026-11-01", None),
    ("orders from 2026-11-01 to 2026-11-05", "2026-11-01", "2026-11-05"),
    ("12月的订单", "2025-12-01", "2025-12-31"),
    ("上个月的订单", "2026-10-01", "2026-10-31"),
    ("orders of this week", "2026-11-16", None),
    ("今年的订单", "2026-01-01", None),
]


def test_a_period_becomes_its_days() -> None:
    for question, since, until in PERIODS:
        shop = FakeShop()
        shop.ask(question)
        assert (shop.calls[0][1].get("since"), shop.calls[0][1].get("until")) == (since, until)


NUMBERS = [
    ("一百二十", 120),
    ("一千零五", 1005),
    ("两万", 20_000),
    ("twenty-five", 25),
    ("two hundred", 200),
    ("1,200", 1200),
]


def test_numbers_are_read_as_people_write_them() -> None:
    for written, pieces in NUMBERS:
        shop = FakeShop([(1, "Schraube", 0.1, "", 100_000)])
        shop.ask(
            f"帮客户A买 {written} 个商品 1"
            if written[0] > "z"
            else f"buy {written} of product 1 for customer A"
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
    assert shop.ask("which products are running low") == "The shop has no products right now."


def test_an_id_that_the_shop_does_not_have_is_said() -> None:
    shop = FakeShop()
    assert "没有找到" in shop.ask("商品 99 多少钱")
    assert "没有找到" in shop.ask("商品 99 还有货吗")


def test_of_more_orders_than_are_listed_the_newest_are_shown() -> None:
    shop = FakeShop()
    for _ in range(25):
        shop.create_purchase({"customerName": "Ann", "items": [{"productId": 3, "quantity": 1}]})
    text = shop.ask("orders of Ann")
    assert "The newest 20:" in text
    assert "| 6 |" in text
    assert "| 5 |" not in text
    assert "25 orders in all, 25 pieces, ¥7475.00" in shop.ask("how much did Ann spend?")
