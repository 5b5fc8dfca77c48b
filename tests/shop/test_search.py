"""What a search finds, in which order, on both engines: 300 questions to 60 products, and rule by rule."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from shop.catalog import CatalogEntry, load
from shop.engines import open_store
from shop.filters import ProductQuery
from shop.search import SYNONYMS as SYNONYMS_FILE
from shop.store import Store
from tests.support.engines import ENGINES, ask, new_url

pytestmark = pytest.mark.anyio
LIST = Path(__file__).parent.parent / "search"


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request.param, tmp_path)


@pytest.fixture
async def tutorial(url: str) -> AsyncIterator[Store]:
    store = await open_store(url)
    yield store
    await store.close()


@asynccontextmanager
async def shop_with(url: str, *entries: CatalogEntry) -> AsyncIterator[Store]:
    store = await open_store(url, list(entries))
    yield store
    await store.close()


def entry(id_: int, name: str, description: str = "", *keywords: str, price: int = 1) -> CatalogEntry:
    return CatalogEntry(
        id=id_, name=name, price=Decimal(price), description=description, quantity=1, keywords=[*keywords]
    )


async def found(shop: Store, query: str, **more: Any) -> list[int]:
    return [product.id for product in (await shop.products(ProductQuery(query=query, **more))).items]


@pytest.mark.parametrize("keywords", [True, False], ids=["keywords", "plain"])
@pytest.mark.parametrize(("questions", "asked", "may_miss"), [("questions", 30, 0), ("more", 281, 3)])
async def test_of_300_questions_to_sixty_products_at_most_five_miss(
    url: str, questions: str, asked: int, may_miss: int, keywords: bool
) -> None:
    lines = (LIST / f"{questions}.jsonl").read_text(encoding="utf-8").splitlines()
    entries = load(LIST / "catalog.json")
    if not keywords:
        entries = [entry.model_copy(update={"keywords": []}) for entry in entries]
    async with shop_with(url, *entries) as shop:
        missed = [
            row["query"]
            for row in map(json.loads, lines)
            if not set(row["wanted"]) & set((await found(shop, row["query"]))[:3])
        ]
    assert len(lines) == asked
    assert len(missed) <= may_miss, missed


@pytest.mark.parametrize(("goods", "among"), [("goods", 1), ("household", 3), ("workshop", 3)])
async def test_goods_without_keywords_are_found_by_what_people_call_them(
    url: str, goods: str, among: int
) -> None:
    lines = (LIST / f"{goods}.jsonl").read_text(encoding="utf-8").splitlines()
    async with shop_with(url, *load(LIST / f"{goods}.json")) as shop:
        first = [(row, (await found(shop, row["query"]))[:among]) for row in map(json.loads, lines)]
    assert [row["query"] for row, ids in first if not set(ids) & set(row["wanted"])] == []


TUTORIAL_QUESTIONS = {
    "降噪耳机": 2, "蓝牙 耳机": 2, "耳機": 2, "headphones": 2, "HEADPHONE": 2, "noise cancelling": 2,
    "ｈｅａｄｐｈｏｎｅｓ": 2, "headphnes": 2, "héadphones": 2, "充电宝": 3, "power banks": 3, "powerbank": 3,
    "20000 mah": 3, "mate": 4, "book": 4, "笔记本": 4, "筆記型電腦": 4, "smart watches": 1, "smartwatch": 1,
    "galax": 1, "有没有适合运动的手表？": 1, "100%": 4, "Pro 耳机": 2,
    '"耳机"*': 2, "NOT 耳机": 2, "NEAR(耳机, 3)": 2, "name:-耳机": 2, "%耳机%": 2, "耳机 & !杯子 <->": 2,
    "耳机'; DROP TABLE products; --": 2, "{0}%s?1$1 耳机": 2, "耳\x1b机耳机": 2,
}  # fmt: skip


@pytest.mark.parametrize("question", TUTORIAL_QUESTIONS)
async def test_the_tutorials_products_are_found_by_what_people_call_them(
    tutorial: Store, question: str
) -> None:
    assert (await found(tutorial, question))[0] == TUTORIAL_QUESTIONS[question]


@pytest.mark.parametrize(
    "question",
    [
        *(
            "钢琴",
            "bicycle",
            "car",
            "机机",
            "_",
            "\\",
            "%",
            "？！",
            "xyz",
            "的",
            "'",
            "*",
            '"',
            "(((",
            "AND",
            "?1",
        ),
        *(
            "'" * 100,
            "-" * 100,
            "ß" * 100,
            "a-" * 50,
            "(a+)+$",
            "\u202e",
            "\ufffe",
            "\U0010ffff",
            "🇨🇳",
            "裏" * 100,
        ),
    ],
)
async def test_what_has_nothing_in_common_with_a_product_finds_nothing(
    tutorial: Store, question: str
) -> None:
    listing = await tutorial.products(ProductQuery(query=question))
    assert (listing.items, listing.total) == ([], 0)


@pytest.mark.parametrize("question", ["", " ", "\u3000\n"])
async def test_a_blank_question_lists_everything_by_id(tutorial: Store, question: str) -> None:
    assert await found(tutorial, question) == [1, 2, 3, 4]


async def test_the_name_counts_before_keywords_and_these_before_the_description(url: str) -> None:
    entries = entry(1, "x", "绿茶 tea"), entry(2, "y", "", "绿茶", "tea"), entry(3, "绿茶 tea"), entry(4, "z")
    async with shop_with(url, *entries) as shop:
        assert await found(shop, "绿茶") == await found(shop, "teas") == [3, 2, 1]


async def test_what_shares_more_with_the_question_comes_first(url: str) -> None:
    entries = entry(1, "amber"), entry(2, "x", "amber plum"), entry(3, "绿茶杯"), entry(4, "绿色茶杯")
    async with shop_with(url, *entries) as shop:
        assert await found(shop, "amber plum") == [2, 1]
        assert await found(shop, "绿色的茶杯") == [4, 3]


SAME = [
    ("wifi7", "Wi-Fi 7"), ("WI-FI 7", "wifi7"), ("wifi 7", "Wi-Fi7"), ("4k", "4K 屏"), ("256g", "256GB"),
    ("256 gb", "256GB"), ("usb c", "USB-C"), ("typec", "Type-C"), ("ＵＳＢ－Ｃ", "USB-C"), ("k380", "K380"),
    ("耳機", "耳机"), ("滑鼠", "无线鼠标"), ("cafe", "Café"), ("café", "cafe\u0301"), ("STRASSE", "Straße"),
    ("cookies", "cookie"), ("box", "boxes"), ("glasses", "glass"), ("watch", "watches"), ("灯", "台灯"),
    ("灯", "灯"), ("灯", "灯泡"), ("ｶﾒﾗ", "カメラ"), ("หูฟัง", "หูฟังบลูทูธ"), ("이어폰", "무선 이어폰"),
    ("наушники", "Наушники"), ("🎧", "🎧 耳机"), ("keybord", "keyboard"), ("mac", "MacBook"),
    ("耳\u200b机", "耳机"), ("耳机", "耳\ufeff机"), ("head\u00adphones", "headphones"), ("❤️🎧", "❤🎧"),
    ("\u202e耳机", "耳机"), ("scarves", "scarf"), ("knives", "knife"), ("mice", "mouse"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "name"), SAME)
async def test_the_same_thing_is_found_however_it_is_written(url: str, question: str, name: str) -> None:
    async with shop_with(url, entry(1, "别的 other thing"), entry(2, name)) as shop:
        assert await found(shop, question) == [2]


SYNONYMS = [
    ("laptop", "联想 小新 笔记本"), ("laptops", "游戏本"), ("headphones", "降噪耳机"), ("computer", "iMac"),
    ("苹果笔记本", "MacBook Air"), ("索尼", "Sony WH-1000"), ("Sony", "索尼 WH-1000"), ("背包", "双肩包"),
    ("音响", "便携音箱"), ("lamp", "护眼台灯"), ("lamp", "落地灯"), ("台灯", "Desk Lamp"), ("筆電", "Laptop"),
    ("waterproof", "IP67 防水音箱"), ("smartwatch", "智慧手錶"), ("滑鼠", "Mouse M2"), ("鼠标", "無線滑鼠"),
    ("shirt", "纯棉衬衫"), ("牛奶", "Whole Milk 1L"), ("headphnes", "头戴耳机"), ("powerbank", "行動電源"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "name"), SYNONYMS)
async def test_a_thing_is_found_by_another_name_that_it_has_in_chinese_or_english(
    url: str, question: str, name: str
) -> None:
    async with shop_with(url, entry(1, "别的 other thing"), entry(2, name)) as shop:
        assert await found(shop, question) == [2]


WRONG_CHARACTER = [
    ("充点宝", "充电宝"), ("充点宝", "行動電源"), ("充电包", "Power Bank"), ("想买充点宝吗", "充电宝"),
    ("智能手标", "智能手表"), ("蓝芽耳机", "蓝牙耳机"), ("吹疯机", "Hair Dryer"), ("电反煲", "智能电饭煲"),
    ("洗衣鸡", "洗衣机"), ("投影议", "投影仪"), ("扫地几器人", "扫地机器人"), ("行李厢", "Suitcase"),
    ("保温被", "保温杯"), ("显视器", "显示器"), ("微波卢", "微波炉"), ("洗碗几", "洗碗机"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "name"), WRONG_CHARACTER)
async def test_a_name_with_one_wrong_character_is_found(url: str, question: str, name: str) -> None:
    async with shop_with(url, entry(1, "别的 other thing"), entry(2, name)) as shop:
        assert await found(shop, question) == [2]


async def test_a_wrong_character_is_thought_of_only_where_nothing_else_is_found(url: str) -> None:
    async with shop_with(url, entry(1, "充电宝"), entry(2, "充点宝 摆件")) as shop:
        assert await found(shop, "充点宝") == [2]


ONE_CHARACTER = [
    ("煎蛋的锅", "平底煎锅"), ("煎蛋的锅", "Frying Pan"), ("想买茶吗", "龙井"), ("有茶吗", "Green Tea"),
    ("看书的灯", "落地灯"), ("猫", "猫爬架"), ("cat", "成猫罐头"), ("给狗", "Dog bed"), ("dog", "狗窝"),
    ("美的", "美的 吹风机"), ("socks", "羊毛袜"), ("chair", "人体工学椅"),
]  # fmt: skip


@pytest.mark.parametrize(("question", "name"), ONE_CHARACTER)
async def test_a_thing_of_one_character_is_found_in_a_sentence_and_in_another_word(
    url: str, question: str, name: str
) -> None:
    async with shop_with(url, entry(1, "别的 other thing"), entry(2, name)) as shop:
        assert await found(shop, question) == [2]


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("thanks", "ThinkPad X1"),
        ("thank you", "Think Tank"),
        ("there", "Three cups"),
        ("these", "Thesis binder"),
        ("could you please", "Cloud lamp"),
        ("would", "Wound dressing"),
    ],
)
async def test_a_common_word_is_not_taken_for_a_misspelt_one(url: str, question: str, name: str) -> None:
    async with shop_with(url, entry(1, name)) as shop:
        assert await found(shop, question) == []


async def test_a_common_word_of_a_product_is_found(url: str) -> None:
    async with shop_with(url, entry(1, "Thank-you cards")) as shop:
        assert await found(shop, "thanks") == [1]


async def test_many_unknown_words_are_looked_up_within_bounds(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["keyboard", "headphones", "monitor", "speaker"]
    async with shop_with(url, *(entry(number, name) for number, name in enumerate(names, 1))) as shop:
        assert sorted(await found(shop, "keybord headphnes moniter speeker")) == [1, 2, 3, 4]
        monkeypatch.setattr("shop.search.MAX_LOOKED_THROUGH", 2)
        assert len(await found(shop, "keybord headphnes moniter speeker")) < 4
        assert await found(shop, "zzzz qqqq keyb headp") == [1, 2]  # what begins a word is no misspelling


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ("cat", "天猫精灵"),
        ("cat", "防盗猫眼"),
        ("computer", "双肩电脑包"),
        ("lamp", "灯塔拼图"),
        ("mobile", "手机支架"),
        ("tea", "茶色台面"),
        ("机", "MacBook"),
    ],
)
async def test_what_only_stands_within_another_name_is_not_found_by_its_synonyms(
    url: str, question: str, name: str
) -> None:
    async with shop_with(url, entry(1, name)) as shop:
        assert await found(shop, question) == []


async def test_what_is_written_comes_before_its_synonyms_and_these_by_place_too(url: str) -> None:
    entries = entry(1, "x", "耳机"), entry(2, "y", "", "耳机"), entry(3, "耳机"), entry(4, "z", "headphones")
    async with shop_with(url, *entries) as shop:
        assert await found(shop, "headphones") == [4, 3, 2, 1]


def test_a_line_of_synonyms_is_known_by_one_name_alone() -> None:
    lines = [line for line in SYNONYMS_FILE.read_text(encoding="utf-8").splitlines() if line[:1] > "#"]
    firsts = [line.split(">")[0].split(",")[0].strip() for line in lines]
    assert len(firsts) == len(set(firsts)) > 300


async def test_prices_and_pages_work_with_a_question(url: str) -> None:
    entries = [entry(number, "茶杯" if number % 2 else "茶壶", price=number) for number in range(1, 9)]
    async with shop_with(url, *entries) as shop:
        page = await shop.products(ProductQuery(query="茶杯", minPrice=2, maxPrice=7, limit=1, offset=1))
        assert ([product.id for product in page.items], page.total) == ([5], 3)
        assert await found(shop, "茶杯", limit=2) == [1, 3]
        assert (await shop.products(ProductQuery(query="茶杯", offset=9))).total == 4


async def test_keywords_are_searched_and_not_shown(url: str) -> None:
    async with shop_with(url, entry(1, "茶", "", "beverage")) as shop:
        (product,) = (await shop.products(ProductQuery(query="beverage"))).items
    assert "beverage" not in product.model_dump_json()


async def test_a_changed_product_is_found_by_its_new_words_alone(url: str) -> None:
    async with shop_with(url, entry(1, "绿茶", "", "tea")):
        pass
    async with shop_with(url, entry(1, "咖啡", "", "coffee")) as shop:
        assert [await found(shop, word) for word in ("绿茶", "tea", "咖啡", "coffee")] == [[], [], [1], [1]]


async def test_an_index_of_another_version_is_made_anew_at_the_start(url: str) -> None:
    async with shop_with(url, entry(1, "绿茶")):
        pass
    for stale in (
        "UPDATE product_terms SET term = 'stale ' || term",
        "UPDATE facts SET value = '0' WHERE name = 'search'",
    ):
        ask(url, stale)
    shop = await open_store(url)
    assert await found(shop, "绿茶") == [1]
    await shop.close()


async def test_a_word_in_every_product_does_not_hide_the_one_that_was_meant(url: str) -> None:
    entries = [entry(number, f"商品 {number}", "轻薄设计") for number in range(1, 12_001)]
    async with shop_with(url, *entries) as shop:
        assert (await found(shop, "商品 11111"))[0] == 11_111
        assert (await shop.products(ProductQuery(query="轻薄"))).total == 12_000


async def test_a_word_longer_than_any_index_takes_is_found(url: str) -> None:
    async with shop_with(url, entry(1, "茶", "x" * 2000)) as shop:
        assert await found(shop, "x" * 100) == [1]
