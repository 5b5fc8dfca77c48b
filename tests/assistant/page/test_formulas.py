"""Formulas in answers: what is TeX becomes MathML, what is a price or broken stays as it was written."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.page.markdown import render, to_html

FORMULAS = {
    "$x^2$": "<math>",
    r"\(x^2\)": "<math>",
    "$$x^2$$": '<math display="block">',
    r"\[x^2\]": '<math display="block">',
    "$n$": "<math>",
    "$f(x, y)$": "<math>",
    "价格为$p_1$元": "<math>",
    "**$x_1$**": "<math>",
    "| $a_b$ |\n|---|\n| 1 |": "<math>",
    "- 其中\n  $$\n  a\n  - b\n  $$": '<math display="block">',
    "> \\[\n> x\n> = y\n> \\]": '<math display="block">',
    "如下：\n$$\n1. 5 x\n$$\n。": '<math display="block">',
    r"$$\begin{split}a&=b\\c&=d\end{split}$$": '<math display="block">',
    r"$$\sum_{\substack{a\\b}} x \tag{1}$$": '<math display="block">',
}
NONE = [
    "$5 and $10",
    "$5-$10",
    "US$5，CA$6",
    "$5和$6",
    "要 $5，不是 $6。",
    "$PATH:$HOME",
    r"\$5 and x\$",
    "`$x^2$`",
    "```\n$$x^2$$\n```",
    r"\[注意\]",
    r"\(see below\)",
    "$ x^2 $",
    "$$",
    "$x^2",
    r"\(x",
]


def mathml(html: str) -> list[str]:
    return re.findall("<math.*?</math>", html, re.DOTALL)


@pytest.mark.parametrize("text", FORMULAS)
def test_tex_in_both_notations_is_a_formula(text: str) -> None:
    [formula] = mathml(to_html(text))
    assert re.sub(r' alttext="[^"]*"', "", formula).startswith(FORMULAS[text])
    assert 'alttext="' in formula


@pytest.mark.parametrize("text", NONE)
def test_prices_code_and_what_has_no_end_are_no_formulas(text: str) -> None:
    assert not mathml(html := to_html(text))
    assert re.sub("<.*?>", "", html).strip() == text.strip("`\n").replace(r"\$", "$")


BROKEN = [
    r"\foo{x}", r"\frac{1", "x_", r"\left( x", r"\newcommand{\a}{\a\a}\a", r"\def\a{\a\a}\a", r"\let\a\b",
    r"\href{javascript:alert(1)}{x}", r"\class{btn}{x}", r"\style{color:red}{x}", r"\unicode{x3c}^2",
]  # fmt: skip


@pytest.mark.parametrize("tex", BROKEN)
def test_what_is_no_tex_shows_its_source(tex: str) -> None:
    assert to_html(f"${tex}^$") == f"<p><code>${tex}^$</code></p>\n"
    assert to_html(f"$$\n{tex}^\n$$") == f'<pre tabindex="0"><code>$$\n{tex}^\n$$</code></pre>\n'


def test_a_formula_says_its_tex() -> None:
    assert 'alttext="a &lt; &quot;b&quot;_1"' in to_html('$a < "b"_1$').replace("&#34;", "&quot;")


def test_cells_are_aligned_and_lined_by_attributes_and_classes() -> None:
    html = to_html(r"$$\begin{array}{l|r} a & b \\ \hline c & d\end{array}$$")
    assert " style=" not in html
    assert re.findall(r"<mtd ([^>]*)>", html) == [
        'columnalign="left" class="tex-side"',
        'columnalign="right"',
        'columnalign="left" class="tex-top tex-side"',
        'columnalign="right" class="tex-top"',
    ]


def test_nothing_is_numbered_but_what_has_a_tag() -> None:
    assert "(1)" not in to_html(r"$$\begin{align}a&=b\\c&=d\end{align}$$")
    assert "(7)" in to_html(r"$$a=b \tag{7}$$")


DEEP = [
    "{",
    r"\sqrt ",
    r"\hat ",
    "x^{",
    r"\left(",
    r"\frac1",
    r"\begin{matrix}",
    r"\color{red}",
    r"\text{",
    "x_{",
]


@pytest.mark.parametrize("part", DEEP)
def test_no_formula_ends_the_process(part: str) -> None:
    """Each nests as deep as its length allows, and once more is too long."""
    for count in (2000 // len(part), 4000):
        for tex in (part * count, part * (count // 2) + "x" + "}" * (count // 2)):
            to_html("$$" + tex + "$$")


@pytest.mark.parametrize("part", ["(", "\\llcorner "])
def test_a_formula_that_would_take_for_ever_is_shown_as_its_source_and_the_next_ones_are_formulas(
    part: str,
) -> None:
    """Time doubles with each bracket that is not closed."""
    html = to_html(f"$$x_1 {part * 60}$$\n\n$x^2$ 和 $y^{len(part)}$")
    assert "<pre" in html
    assert len(mathml(html)) == 2


def test_brackets_of_intervals_and_many_pairs_are_formulas() -> None:
    for formula in (
        r"x \in [0, 1)",
        r"\left[0, 1\right)",
        "((((((a))))))" * 20,
        r"\{ (a)_{(b)} \mid \langle c \rangle \}",
    ):
        assert mathml(to_html(f"$${formula}$$"))


HALVES = {
    r"和 $\frac{a": "和",
    r"和 \(\frac": "和",
    "和\n\n$$\nx\n- y": "和",
    "和 $": "和",
    "和 `pri": "和 pri",
    "和 $5": "和 $5",
    "和 $5 and": "和 $5 and",
    "和 $x 表示变量，" + "长" * 200: "和 $x 表示变量，" + "长" * 200,
}


@pytest.mark.parametrize("text", HALVES)
def test_half_of_a_formula_or_of_code_is_not_shown_as_broken_text(text: str) -> None:
    assert re.sub("<.*?>", "", to_html(text, live=True)).strip() == HALVES[text]


def test_half_of_a_fence_is_none_of_the_code() -> None:
    assert "`" not in to_html("```py\nx = 1\n``", live=True)


tex = st.sampled_from(
    [*"${}\\^_&#%~ x1(", "\\frac", "\\left", "\\begin{cases}", "\\\\", "$$", "\\(", "\\]", "元", "\n"]
)


@given(st.lists(tex, max_size=25).map("".join))
def test_any_text_at_all_is_a_formula_or_none(text: str) -> None:
    assert not re.search("<(script|style|a |annotation)|href|style=", render(text))
    to_html(text, live=True)
