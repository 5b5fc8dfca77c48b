"""The model's markdown: rendered and sanitised, each of which alone stops what is hostile."""

import re
from html import escape as html_escape

import pytest

from assistant.page.allowed_html import sanitise
from assistant.page.markdown import render, to_html

HOSTILE_LINKS = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "file:///x",
]


@pytest.mark.parametrize("address", HOSTILE_LINKS)
def test_the_renderer_alone_makes_no_link_to_a_script(address: str) -> None:
    assert "<a" not in render(f"[x](<{address}>)")


def test_the_renderer_alone_keeps_html_as_text() -> None:
    html = render("<b>x</b> <script>alert(1)</script>\n\n<div>y</div>")
    assert not re.search("<(b|script|div)", html)
    assert "&lt;script&gt;" in html


def test_the_renderer_alone_makes_of_an_image_a_link() -> None:
    assert "<img" not in (html := render("see ![a cat](https://evil.example/pixel.png)"))
    assert ">a cat</a>" in html


@pytest.mark.parametrize("address", [*HOSTILE_LINKS, "data:image/png;base64,AAAA"])
def test_the_sanitiser_alone_keeps_no_link_but_to_the_web_and_to_mail(address: str) -> None:
    html = sanitise(f'<a href="{html_escape(address)}">x</a>')
    assert "href" not in html
    assert "x</a>" in html


@pytest.mark.parametrize(
    "address", ["https://example.com/a?b=1", "http://example.com", "mailto:a@example.com"]
)
def test_a_link_to_the_web_opens_elsewhere(address: str) -> None:
    html = to_html(f"[x]({address})")
    assert f'href="{address}"' in html
    assert 'target="_blank"' in html
    assert "noopener" in html


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        '<a onclick="alert(1)">x</a>',
        '<p style="position:fixed">x</p>',
        "<style>*{display:none}</style>",
        "<iframe src=https://evil.example></iframe>",
        "<form action=https://evil.example><input></form>",
        "<svg><use href=x></svg>",
        "<math><annotation-xml encoding='text/html'><style>alert</style></annotation-xml></math>",
        "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)'>",
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        "<svg></p><style><a id='</style><img src=1 onerror=alert(1)>'>",
        "<math><mi style='display:none' onclick=alert(1)>x</mi></math>",
        "<math href='javascript:alert(1)'><mi xlink:href='javascript:alert(1)'>x</mi></math>",
        "<math><maction actiontype='statusline#https://x' xlink:href='javascript:alert'>x</maction></math>",
        "<math><semantics><annotation encoding='x'><script>alert(1)</script></annotation></semantics></math>",
        "<math><mtext><img src=x onerror=alert(1)></mtext></math>",
        "<math><mi><style>*{display:none}</style></mi></math>",
    ],
)
def test_the_sanitiser_alone_keeps_nothing_that_runs_or_fetches(hostile: str) -> None:
    assert not re.search(
        "<(script|img|style|iframe|form|input|svg)|onclick|style=|alert|display", sanitise(hostile)
    )


@pytest.mark.parametrize(
    "hostile",
    [
        '<p id="input" class="side" data-t="x" name="x">x</p>',
        '<td class="num side">x</td><span class="primary" data-status="x">x</span>',
        '<math id="x" class="side" data-x="y"><mtd class="side"><mspace width="100em"/></mtd></math>',
        '<math><mpadded voffset="50em" lspace="-50em" width="-5em"><mspace width="1e9em"/></mpadded></math>',
        '<math mathbackground="red" mathcolor="red" mathsize="9em"><mstyle mathsize="9em">x</mstyle></math>',
    ],
)
def test_nothing_takes_the_pages_names_or_leaves_its_place(hostile: str) -> None:
    html = sanitise(hostile)
    assert not re.search(r" (id|data-\w+|name|voffset|mathbackground|mathsize|mathcolor)=|\bside\b", html)
    assert not re.search("primary|100em|-50em|-5em|1e9em", html)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://evil.example/pixel.png)",
        '<a href="https://x" onclick="alert(1)">x</a>',
        "<style>*{display:none}</style>",
        "<form action=https://evil.example><input></form>",
    ],
)
def test_hostile_markdown_does_nothing_and_fetches_nothing(hostile: str) -> None:
    html = to_html(hostile)
    for word in ("<script", "<img", 'href="javascript', "<a onclick", "<style", "<form", "<input"):
        assert word not in html


def test_tables_code_and_aligned_columns_are_rendered() -> None:
    html = to_html("| a | b |\n| --- | ---: |\n| x | 1 |\n\n```python\nprint(1 < 2)\n```")
    assert '<th>a</th>\n<th class="num">b</th>' in html
    assert '<td>x</td>\n<td class="num">1</td>' in html
    assert re.match('<div (class="wide"|tabindex="0"| )*><table>', html)
    assert '<figcaption class="language">python</figcaption>' in html


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("مرحبا، 899.", '<p dir="auto">مرحبا، 899.</p>'),
        ("- שלום\n- ok", '<ul dir="auto">\n<li>שלום</li>\n<li>ok</li>\n</ul>'),
        ("> اقتباس", '<blockquote dir="auto">\n<p>اقتباس</p>\n</blockquote>'),
        ("# ساعة", '<h1 dir="auto">ساعة</h1>'),
        ("ok\n\n你好", "<p>ok</p>\n<p>你好</p>"),
    ],
)
def test_a_block_that_runs_from_right_to_left_begins_at_its_own_side(markdown: str, html: str) -> None:
    assert to_html(markdown).strip() == html


def test_a_table_that_runs_from_right_to_left_has_its_columns_in_this_order() -> None:
    assert '<table dir="auto">' in to_html("| السعر | b |\n|---|---|\n| 1 | 2 |")
