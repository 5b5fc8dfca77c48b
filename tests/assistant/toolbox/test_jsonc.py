"""`mcp.json` is edited at one place; every other character of it stays as somebody wrote it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox.jsonc import Document

NEW = {"url": "https://n/"}
STYLES = {
    "plain": '{\n  "s": {\n    "a": {"x": 1},\n    "b": {"x": 2}\n  }\n}\n',
    "one line": '{"s": {"a": {"x": 1}, "b": {"x": 2}}}',
    "tabs and CRLF": '{\r\n\t"s": {\r\n\t\t"a": {"x": 1},\r\n\t\t"b": {"x": 2}\r\n\t}\r\n}\r\n',
    "comments": (
        '// top\n{ "s": { // here\n  /* a, } */ "a": {"x": 1}, // a\n  // b\n  "b": {"x": 2} // end\n} }'
    ),
    "trailing commas": '{\n "s": {\n  "a": {"x": 1,},\n  "b": {"x": 2,}, // last\n },\n}',
    "leading commas": '{\n "s": {\n    "a": {"x": 1}\n  , "b": {"x": 2}\n }\n}',
    "braces in texts": (
        '{"k": "{\\"//,}", "s": {\n "a": {"x": 1, "t": "/* \\\\"},\n  "b": {"x": 2, "//": ",}"}}, "z": "]"}'
    ),
    "equal keys": '{"s": 1, "s": {"b": 0, "a": {"x": 1},\n "b": {"x": 2}}}',
    "a byte order mark": '\ufeff{\n  "s": {\n    "a": {"x": 1},\n    "b": {"x": 2}\n  }\n}',
    "close braces": '{"s": {\n  "a": {"x": 1},\n  "b": {"x": 2}}}',
    "a part": '"s": {\n  "a": {"x": 1},\n  "b": {"x": 2}\n},\n',
    "other keys": '{"inputs": [1, {"a": 2}], "s": {\n  "a": {"x": 1}, "b": {"x": 2} },\n  "after": null}',
}


def read(text: str, encoding: str = "utf-8") -> Document:
    return Document.of(text.encode(encoding))


def text_of(document: Document, encoding: str = "utf-8") -> str:
    return document.data().decode(encoding)


def is_subsequence(part: str, whole: str) -> bool:
    left = iter(whole)
    return all(character in left for character in part)


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "gb18030"])
def test_a_member_more_leaves_all_others_as_they_were(text: str, encoding: str) -> None:
    text = "/* 顶 */" + text.lstrip("\ufeff") if encoding == "gb18030" else text
    text = "\ufeff" + text.lstrip("\ufeff") if encoding.startswith("utf-16") else text
    before = read(text, encoding)
    after = Document.of(before.with_members(before.find(["s"]), {"新": NEW}).data())
    assert after.root == before.root | {"s": before.root["s"] | {"新": NEW}}
    assert is_subsequence(text, text_of(after, encoding))
    assert "\r" not in text_of(after, encoding).replace("\r\n", "")


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
@pytest.mark.parametrize("key", ["a", "b"])
def test_a_member_less_takes_no_other_along(text: str, key: str) -> None:
    before = read(text)
    at = before.find(["s"])
    gone = [each for each in before.members(at) if each.key == key][-1]
    after = Document.of(before.without(at, gone).data())
    left = [(each.key, before.text[each.value : each.end]) for each in before.members(at) if each != gone]
    at = after.find(["s"])
    assert [(each.key, after.text[each.value : each.end]) for each in after.members(at)] == left
    assert is_subsequence(text_of(after), text)


@pytest.mark.parametrize("text", STYLES.values(), ids=STYLES)
def test_another_value_and_name_stand_where_the_old_ones_did(text: str) -> None:
    before = read(text)
    [member] = [each for each in before.members(before.find(["s"])) if each.key == "a"]
    after = before.with_value(member, '{\n  "y": 3 // new\n}', "c")
    assert after.root == before.root | {
        "s": {**{k: v for k, v in before.root["s"].items() if k != "a"}, "c": {"y": 3}}
    }
    assert after.text.startswith(before.text[: member.begin] + '"c"')
    assert after.text.endswith(before.text[member.end :])
    [again] = [each for each in after.members(after.find(["s"])) if each.key == "c"]
    assert after.value_text(again) == '{\n  "y": 3 // new\n}'


def test_a_line_that_was_a_members_own_goes_with_it() -> None:
    text = STYLES["plain"]
    before = read(text)
    longer = before.with_members(before.find(["s"]), {"n": NEW})
    assert '\n    "b": {"x": 2},\n    "n": {\n      "url": "https://n/"\n    }\n  }\n' in longer.text
    [*_, last] = longer.members(longer.find(["s"]))
    assert longer.without(longer.find(["s"]), last).text == text


BLANKS = st.sampled_from(["", " ", "\n", "\r\n  ", "\t", " // c ,}\n", ' /* "{ */ ', "\n  // x\n  "])
NAMES = st.sampled_from(["a", "b", "//", "}", '"q"', "手表", "a"])
VALUES = st.recursive(
    st.sampled_from(["null", "1.50", '"t,}"', '"\\u0041\\""', "{}", "[ ]", '"//"']),
    lambda inner: st.builds(
        lambda blank, each: f'[{blank}{each}{blank},{blank}{{"k":{each}}}{blank}]', BLANKS, inner
    ),
    max_leaves=3,
)


@st.composite
def objects(draw: st.DrawFn) -> str:
    """An object as anybody may write it."""
    parts = []
    for name in draw(st.lists(NAMES, max_size=4)):
        blanks = [draw(BLANKS) for _ in range(3)]
        parts.append(f"{blanks[0]}{json.dumps(name)}{blanks[1]}:{blanks[2]}{draw(VALUES)}{draw(BLANKS)}")
    comma = draw(st.sampled_from(["", ","])) + draw(BLANKS) if parts else ""
    return "{" + ",".join(parts) + comma + draw(BLANKS) + "}"


@given(objects(), st.data())
def test_any_object_is_edited_without_a_trace_elsewhere(text: str, data: st.DataObject) -> None:
    before = Document(text)
    members = before.members(before.find([]))
    longer = before.with_members(before.find([]), {"new": NEW})
    assert list(longer.root.items()) == [*before.root.items(), ("new", NEW)]
    assert is_subsequence(text, longer.text)
    if members:
        chosen = data.draw(st.sampled_from(members))
        shorter = before.without(before.find([]), chosen)
        written = [text[each.value : each.end] for each in members if each != chosen]
        assert [shorter.text[e.value : e.end] for e in shorter.members(shorter.find([]))] == written
        assert is_subsequence(shorter.text, text)
        other: Any = before.with_value(chosen, "[7]")
        assert other.text == text[: chosen.value] + "[7]" + text[chosen.end :]
