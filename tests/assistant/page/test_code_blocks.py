"""Code in answers."""

import re

import pytest

from assistant.page.code_blocks import MAX_COLOURED, MAX_COLOURED_LIVE
from assistant.page.markdown import to_html


def code_of(html: str) -> str:
    return re.sub("<.*?>", "", html[html.index("<pre") :]).replace("&lt;", "<").replace("&gt;", ">")


@pytest.mark.parametrize(
    "language", ["python", "js", "TypeScript", "sh", "sql", "java", "json", "diff", "klingon", ""]
)
def test_code_is_named_and_stays_what_it_is(language: str) -> None:
    code = "\n\tSELECT 'a' -- x < 1\n+ def f(): # x\n\n  end  \n"
    html = to_html(f"```{language} title=x\n{code}```" if language else f"```\n{code}```")
    assert f">{language}</figcaption>" in html
    assert code_of(html).rstrip("\n") == code.rstrip("\n")
    assert ("hl-" in html) == (language not in ("klingon", ""))


def test_what_is_long_is_coloured_at_its_beginning_and_plain_after_it() -> None:
    text = "```python\n" + "x = 1\n" * MAX_COLOURED + "```"
    for live, limit in ((False, MAX_COLOURED), (True, MAX_COLOURED_LIVE)):
        html = to_html(text, live=live)
        assert 0 < html.count("<span") <= limit / len("x = 1\n")
        assert code_of(html).count("x = 1\n") == MAX_COLOURED


@pytest.mark.parametrize("wild", ["a " * 400, "\n" * 20 + "x", " " * 200 + "x"])
def test_a_heap_of_blanks_and_a_line_too_long_are_not_lexed(wild: str) -> None:
    html = to_html(f"```java\nint a = 1;\n{wild}\nint b;\n```")
    assert html.count("hl-k") == 1
    assert "int b;" in code_of(html)
