"""Markdown as models write it, most of all beside Chinese text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.page.markdown import to_html

LINK = 'target="_blank" rel="noopener noreferrer nofollow"'
INLINE = {
    "**注意：**库存不足": "<strong>注意：</strong>库存不足",
    "含**「重点」**内容": "含<strong>「重点」</strong>内容",
    "**Galaxy（¥1299）**是首选": "<strong>Galaxy（¥1299）</strong>是首选",
    "共**3件**。": "共<strong>3件</strong>。",
    "他说**“好”**，走了": "他说<strong>“好”</strong>，走了",
    "*提示：*请看": "<em>提示：</em>请看",
    "***重点！***后面": "<em><strong>重点！</strong></em>后面",
    "これは**「重要」**です": "これは<strong>「重要」</strong>です",
    "**이것은(중요)**입니다": "<strong>이것은(중요)</strong>입니다",
    "~~原价：¥999。~~现价": "<s>原价：¥999。</s>现价",
    "价格**¥999**起": "价格<strong>¥999</strong>起",
    "100~200元，或~300元": "100~200元，或~300元",
    "2 * 3 * 4": "2 * 3 * 4",
    "a * b* c": "a * b* c",
    "snake_case_name": "snake_case_name",
    '**bold**text and **"quoted"** text': '<strong>bold</strong>text and <strong>"quoted"</strong> text',
    "a<br>b<br/>c": "a<br>\nb<br>\nc",
    "H<sub>2</sub>O, x<sup>2</sup>": "H<sub>2</sub>O, x<sup>2</sup>",
    "x<sub>i<sup>2</sup></sub>": "x<sub>i<sup>2</sup></sub>",
    "US<sup>$</sup>5 or HK<sup>$</sup>9": "US<sup>$</sup>5 or HK<sup>$</sup>9",
    r"a<sup>\(x</sup> b\)": r"a<sup>\(x</sup> b\)",
    "x <sub>a and <b>c</b>": "x &lt;sub&gt;a and &lt;b&gt;c&lt;/b&gt;",
    "<sup><script></sup>": "&lt;sup&gt;&lt;script&gt;&lt;/sup&gt;",
    r"\[ 注意 \] and \( see it \) and \{z\}": r"\[ 注意 \] and \( see it \) and \{z\}",
    r"\*not emphasis\*": "*not emphasis*",
    "^[a-z]+$ and 2^[n]": "^[a-z]+$ and 2^[n]",
    "main.py 和 example.com": "main.py 和 example.com",
    "见https://a.b/c?x=1，谢谢": f'见<a href="https://a.b/c?x=1" {LINK}>https://a.b/c?x=1</a>，谢谢',
    "（https://a.b）": f'（<a href="https://a.b" {LINK}>https://a.b</a>）',
    "(see https://a.b/c_(d).)": f'(see <a href="https://a.b/c_(d)" {LINK}>https://a.b/c_(d)</a>.)',
    "**https://a.b**": f'<strong><a href="https://a.b" {LINK}>https://a.b</a></strong>',
    "[x](https://a.b)": f'<a href="https://a.b" {LINK}>x</a>',
    "`https://a.b`": "<code>https://a.b</code>",
    "https:// and xhttp://a.b": "https:// and xhttp://a.b",
}


@pytest.mark.parametrize("text", INLINE)
def test_what_models_write_in_a_line_is_shown_as_meant(text: str) -> None:
    assert to_html(text) == f"<p>{INLINE[text]}</p>\n"


def test_a_break_in_a_cell_breaks_the_line_and_a_link_ends_with_the_cell() -> None:
    html = to_html("| a | b |\n|---|---|\n| x<br>y | https://a.b|")
    assert "<td>x<br>\ny</td>" in html
    assert ">https://a.b</a></td>" in html


def test_marks_without_end_are_shown_at_once() -> None:
    for mark in ("http:", "::", "https:https:"):
        assert to_html(mark * 20_000) == f"<p>{mark * 20_000}</p>\n"  # took a minute


def test_tasks_have_boxes() -> None:
    html = to_html("- [ ] 看\n- [x] 买\n- [y] 其他\n\n[ ] no item")
    assert re.findall(r"<li>(.*)</li>", html) == ["☐ 看", "☑ 买", "[y] 其他"]
    assert "<p>[ ] no item" in html


def test_footnotes_follow_the_text() -> None:
    html = to_html("好[^1]，[^x]和[^2]。\n\n[^1]: 一\n[^2]: **二**")
    assert "好<sup>[1]</sup>，[^x]和<sup>[2]</sup>。" in html
    assert html.index("<hr>") < html.index("一") < html.index("<strong>二</strong>")
    assert " id=" not in html
    assert "class=" not in html


marks = st.sampled_from(
    [*"*_~`[]()<>\\|^:! \n", "**", "https://", "<br>", "<sub>", "[^1]", "[^1]: ", "- [ ] ", "「", "。"]
)


@given(st.lists(marks | st.text(max_size=2), max_size=20).map("".join))
def test_any_text_at_all_becomes_html(text: str) -> None:
    assert not re.search("<(script|img|style|input)", to_html(text.encode(errors="replace").decode()))
