"""Pictures in answers: of the hosts that a setting names, else a link."""

import pytest

from assistant.page.allowed_html import sanitise
from assistant.page.markdown import to_html

HOSTS = frozenset({"img.example", "cdn.example:8443"})
SHOWN = ["https://img.example/a.png", "HTTPS://IMG.example/a?b=1", "https://cdn.example:8443/x"]
NOT_SHOWN = [
    "http://img.example/a.png",
    "https://evil.example/a.png",
    "https://img.example.evil.example/a",
    "https://img.example@evil.example/a",
    "https://evil.example/img.example",
    "https://evil.example\\@img.example/",
    "https://img.example:8443/a",
    "//img.example/a",
    "/a.png",
    "data:image/png;base64,AAAA",
    "javascript:alert(1)",
]


@pytest.mark.parametrize("address", SHOWN)
def test_a_picture_of_a_named_host_is_shown(address: str) -> None:
    html = to_html(f"![一只猫](<{address}>)", HOSTS)
    assert html.startswith("<p><img ")
    for part in (f'src="{address}"', 'alt="一只猫"', 'referrerpolicy="no-referrer"', 'loading="lazy"'):
        assert part in html


@pytest.mark.parametrize("address", NOT_SHOWN)
def test_any_other_picture_is_not(address: str) -> None:
    assert "<img" not in to_html(f"![a cat](<{address}>)", HOSTS)
    assert "src" not in sanitise(
        f'<img src="{address}" onerror="x" srcset="https://evil.example/x 2x">', HOSTS
    )


def test_without_the_setting_a_picture_is_a_link_with_its_text() -> None:
    link = 'href="https://img.example/a.png" target="_blank"'
    assert link in (html := to_html("![一只猫](https://img.example/a.png)"))
    assert "<img" not in html
    assert ">一只猫</a>" in html
    assert ">https://img.example/a.png</a>" in to_html("![](https://img.example/a.png)")
    linked = to_html("[![x](https://img.example/a.png) **![y](https://b.example)**](https://c.example)")
    assert linked.count("<a ") == 1
    assert to_html("![x](/local.png)") == "<p>x</p>\n"
