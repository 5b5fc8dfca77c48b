"""The element helper: text, attributes from a list and listeners; a stranger's JSON names none of them."""

import json
from typing import Any

from tests.support.page_backend import Backend
from tests.support.page_browser import Open

BUILD = """async json => {
  const {children, attributes} = JSON.parse(json);
  const {attr, h} = await import("./static/elements.js");
  const given = attributes === null ? [] : [attr(attributes)];
  const element = h("a.kind", ...given, ...children);
  const has = Object.fromEntries(element.getAttributeNames().map(name => [name, element.getAttribute(name)]));
  return {has, text: element.textContent, tags: element.children.length, onclick: element.onclick};
}"""
SLY: list[Any] = [
    {"innerHTML": "<img src=x onerror=canary=1>"},
    {"title": "sly", "href": "javascript:canary=1"},
    {"onclick": "canary=1"},
    {"constructor": 1, "toString": 1, "valueOf": None},
    {"__proto__": {"title": "sly"}},
    {"props": {"title": "sly"}},
    {"length": 1, "0": "x", "nodeType": 1},
]


GIVEN: list[tuple[dict[str, Any], dict[str, str]]] = [
    ({"title": "a", "aria-label": '"b"'}, {"title": "a", "aria-label": '"b"'}),
    ({"title": {"toString": 1}}, {"title": '{"toString":1}'}),
    ({"checked": True, "title": 0}, {"checked": "", "title": "0"}),
    ({"checked": False, "title": None}, {}),
    ({"href": "https://example.com/"}, {"href": "https://example.com/"}),
    ({"href": "javascript:canary=1"}, {}),
    ({"href": " \u0001javascript:canary=1"}, {}),
    ({"href": "data:text/html,<script>canary=1</script>"}, {}),
    ({"href": ["javascript:canary=1"]}, {}),
    (
        {"innerHTML": "x", "style": "color:red", "src": "x", "srcdoc": "x", "id": "x", "className": "x"},
        {},
    ),
    ({"onclick": "canary=1", "onmouseover": "canary=1"}, {}),
    ({"constructor": "x", "textContent": "x", "toString": 1}, {}),
]


def test_objects_of_strangers_are_children_and_shown_as_text(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    for value in SLY:
        for children in ([value, "!"], ["!", value]):
            built = shown.page.evaluate(BUILD, json.dumps({"children": children, "attributes": None}))
            assert (built["has"], built["tags"], built["onclick"]) == ({"class": "kind"}, 0, None)
            assert json.loads(built["text"].strip("!")) == value


def test_attributes_are_taken_from_a_list(backend: Backend, open_page: Open) -> None:
    shown = open_page(backend.url)
    for attributes, has in GIVEN:
        built = shown.page.evaluate(BUILD, json.dumps({"children": [], "attributes": attributes}))
        assert built == {"has": {"class": "kind", **has}, "text": "", "tags": 0, "onclick": None}
