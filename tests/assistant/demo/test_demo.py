"""The demo model about products, in both languages and many wordings, with a shop in memory."""

import json
import subprocess
import sys

from tests.support.fake_shop import BUDS, CATALOGUE, LAPTOP, POWER, WATCH, FakeShop
from tests.support.wordings import each

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


def test_a_price_is_asked_for_as_it_was_written() -> None:
    shop = FakeShop()
    shop.ask("1000元以内有什么")
    assert '"maxPrice": 1000}' in json.dumps(shop.calls)


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
    which headphones would you recommend? / 1000元左右的耳机推荐 / headphones for around 900 /
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


def test_a_loaded_model_has_compiled_what_a_first_question_needs() -> None:
    code = (
        "from assistant.demo import model, words; model.DemoModel(); print(words.pattern.cache_info().misses)"
    )
    compiled = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert int(compiled.stdout) > 200
