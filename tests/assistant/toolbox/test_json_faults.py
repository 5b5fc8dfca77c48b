"""A broken `mcp.json` says where it breaks and why, and shows that line without what may be secret."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox import read_config
from assistant.toolbox.sentences import sentence_of
from assistant.toolbox.server import ConfigError

HEAD, TAIL = '{\n  "mcpServers": {\n    "shop": {\n      ', "\n    }\n  }\n}\n"
WITHIN = [  # on line 4, from column 7 on; the secret is nowhere
    ('"url": "http://u:SECRET@x/",, "a": 1', 35, "json_comma_extra", '"url": "***",⟦,⟧ "***": ***'),
    ('"url": "http://x/SECRET', 14, "json_text_open", '"url": ⟦"⟧***'),
    ('"url: "SECRET"', 14, "json_quote_missing", '"url: "⟦*⟧**"***'),
    ('"url": SECRET"', 14, "json_quote_missing", '"url": ⟦*⟧**"***'),
    ('url: "SECRET"', 7, "json_quote_missing", '⟦u⟧rl: "***"'),
    ('"args": ["-y, "SECRET"]', 22, "json_quote_missing", '"args": ["***"⟦*⟧**"***'),
    ("'url': 'SECRET'", 7, "json_quotes", "⟦'⟧url': '***'"),
    ("“url”: “SECRET”", 7, "json_quotes", "⟦“⟧url”: “***”"),
    ('"cwd": "C:\\SECRET"', 17, "json_escape", '"cwd": "***⟦\\⟧***"'),
    ('"cwd": "\\u12SECRET"', 15, "json_escape", '"cwd": "***⟦\\⟧***"'),
    ('"env": {"A": "SEC\tRET"}', 24, "json_character", '"env": {"A": "***⟦⇥⟧***"}'),
    ('"url"： "SECRET"', 12, "json_wide", '"url"⟦：⟧ "***"'),
    ('"cwd": "x"，"SECRET": 1', 17, "json_wide", '"cwd": "***"⟦，⟧"***": ***'),
    ('\u00a0"url": "SECRET"', 7, "json_character", '"url": "***"'),
    ('\ufeff"url": "SECRET"', 7, "json_character", '⟦*⟧**"url": "***"'),
    ('"url" = "SECRET"', 13, "json_character", '"url" ⟦=⟧ "***"'),
    ('"TOKEN": "SECRET": "x"', 24, "json_character", '"TOKEN": "***"⟦:⟧ "***"'),
    ('"cwd": "x" # SECRET', 18, "json_hash", '"cwd": "***" ⟦#⟧ ***'),
    ('"cwd": "x" /* SECRET', 18, "json_comment_open", '"cwd": "***" ⟦/⟧*** ***'),
    ('"env": {"A": "SECRET" "B": 1}', 28, "json_comma_missing", '"env": {"A": "***"⟦ ⟧"***": ***}'),
    ('"args": ["x"\n"SECRET"]', 19, "json_comma_missing", '"args": ["***"⟦⟧'),
    ('"env": {"A" "SECRET"}', 18, "json_colon_missing", '"env": {"***"⟦ ⟧"***"}'),
    ('"env": {"A": }', 20, "json_value_missing", '"env": {"A": ⟦}⟧'),
    ('"a": 1, {"SECRET": 2}', 15, "json_name_missing", '"a": ***, ⟦{⟧"***": ***}'),
    ('"args": ["SECRET"}', 24, "json_bracket", '"args": ["***"⟦}⟧'),
    ('"disabled": True, "env": {"A": "SECRET"}', 19, "json_word", '"disabled": ⟦*⟧**, "env": {"***": "***"}'),
    (f'"x": {"9" * 5_000}', 12, "json_too_long", '"***": ⟦*⟧**'),
]
WHOLE = [
    ("", 1, 1, "json_empty"),
    ("// nothing\n", 1, 1, "json_empty"),
    ("SECRET", 1, 1, "json_quote_missing"),
    ('{"mcpServers": {\n"a": {"url": "SECRET"}}', 2, 24, "json_unclosed"),
    (HEAD + '"url": "x"' + TAIL + "}", 8, 1, "json_after_end"),
    (
        '"mcpServers": {"a": {"url" "SECRET"}}',
        1,
        27,
        "json_colon_missing",
    ),  # of which the braces were not copied
    ("[" * 100_000, 1, 1, "json_too_deep"),
    ("[]", 1, 1, "json_not_object"),
    ('{\n "mcpServers": []}', 2, 16, "json_not_object"),
    ('{\n "mcpServer": {"a": {"url": "SECRET"}}}', 2, 2, "json_key_misspelt"),
    ('{"theme": 1, "mcp-severs": {}}', 1, 14, "json_key_misspelt"),
]


def fault(folder: Path, data: bytes) -> ConfigError:
    (folder / "mcp.json").write_bytes(data)
    with pytest.raises(ConfigError) as refused:
        read_config(folder / "mcp.json")
    assert "SECRET" not in repr(refused.value.params)
    return refused.value


@pytest.mark.parametrize(("line", "column", "code", "shown"), WITHIN, ids=[row[2] for row in WITHIN])
def test_a_fault_is_shown_in_its_line(tmp_path: Path, line: str, column: int, code: str, shown: str) -> None:
    text = HEAD + line + TAIL
    unix, error = (fault(tmp_path, text.replace("\n", newline).encode()) for newline in ("\n", "\r\n"))
    assert unix == error
    excerpt, mark = error.params["excerpt"], error.params["mark"]
    assert (error.params["reason"]["code"], error.params["line"], error.params["column"]) == (code, 4, column)
    marked = f"{excerpt[:mark]}⟦{excerpt[mark : mark + 1]}⟧{excerpt[mark + 1 :]}"
    assert marked == shown or (excerpt.strip() == shown and not excerpt[mark].strip())
    assert "第 4 行" in sentence_of(error.code, error.params)


@pytest.mark.parametrize(("text", "line", "column", "code"), WHOLE, ids=[row[3] for row in WHOLE])
def test_a_fault_of_the_whole_has_its_place_too(
    tmp_path: Path, text: str, line: int, column: int, code: str
) -> None:
    params = fault(tmp_path, text.encode()).params
    assert (params["reason"]["code"], params["line"], params["column"]) == (code, line, column)


def test_bytes_that_are_no_text_have_a_place(tmp_path: Path) -> None:
    params = fault(tmp_path, b'{"mcpServers":\n {"\xe5\x95\x86": {"cwd": "\xff SECRET"}}}').params
    assert (params["reason"]["code"], params["line"], params["column"]) == ("json_encoding", 2, 17)


def test_a_long_line_is_cut_around_the_place(tmp_path: Path) -> None:
    many = ", ".join(f'"K{number}": "SECRET"' for number in range(500))
    params = fault(tmp_path, f'{{"mcpServers": {{"a": {{{many} x, {many}}}}}}}'.encode()).params
    assert params["excerpt"].startswith("…")
    assert params["excerpt"].endswith("…")
    assert len(params["excerpt"]) <= 102
    assert params["excerpt"][params["mark"] - 1] == '"'


ENTRY = {"url": "http://u:SECRET@h/", "headers": {"Authorization": "SECRET"}, "args": ["--token", "SECRET"]}


@given(
    st.integers(0, 300), st.sampled_from([*"\"',:{}[]\\\n\t#", "", "//", "x", "“", "\x00"]), st.integers(0, 3)
)
def test_whatever_is_broken_shows_no_secret(
    tmp_path_factory: pytest.TempPathFactory, at: int, new: str, less: int
) -> None:
    text = json.dumps({"mcpServers": {"a": ENTRY, "b": ENTRY}}, indent=1 if at % 2 else None)
    (file := tmp_path_factory.mktemp("any") / "mcp.json").write_text(text[:at] + new + text[at + less :])
    try:
        read_config(file)
    except ConfigError as error:
        assert "SECRET" not in repr(error.params)  # noqa: PT017  it need not be raised
        shown = error.params.get("excerpt", "")
        assert "SEC" not in shown
        assert "RET" not in shown


@pytest.mark.parametrize(
    ("entry", "place", "line"),
    [
        ('"x"', "mcpServers.a", 3),
        ('{"url": "http://localhost/",\n "headers": {"X": "é"}}', "mcpServers.a.headers.X", 4),
        ('{\n"serverUrl": "ftp://x/"}', "mcpServers.a.serverUrl", 4),
        ('{\n"Transport": "pigeon"}', "mcpServers.a.Transport", 4),
        ('{"command": "x",\n"args": [\n"a",\nnull]}', "mcpServers.a.args[1]", 6),
        ('{"command": "x",\n"args": "-y"}', "mcpServers.a.args", 4),
        ('{"command": "x",\n"Environment": {"A.b": {}}}', 'mcpServers.a.Environment["A.b"]', 4),
        ('{"command": "x", "env":\n["x"]}', "mcpServers.a.env", 3),
        ('{"command":\n1}', "mcpServers.a.command", 3),
        ("{\n}", "mcpServers.a", 3),
    ],
)
def test_what_is_wrong_with_an_entry_has_its_keys_and_line(
    tmp_path: Path, entry: str, place: str, line: int
) -> None:
    (tmp_path / "mcp.json").write_text(f'{{ // mine\n"mcpServers": {{\n"a": {entry}}}}}')
    [server] = read_config(tmp_path / "mcp.json")
    assert server.error
    assert (server.error.params["place"], server.error.params["line"]) == (place, line)
    assert f"（{place}，第 {line} 行）" in sentence_of(server.error.code, server.error.params)


@pytest.mark.parametrize(
    ("text", "noted"),
    [
        ('"a": {"url": "http://localhost/", "command": "x"}', {"address_twice": ["url"]}),
        ('"a": {"command": "x", "arg": []}', {"keys_unknown": ["arg → args?"]}),
        ('"a": {"comand": "x"}', {"keys_unknown": ["comand → command?"]}),
        ('"a": {"command": "x", "zzz": 1}', {"keys_unknown": ["zzz"]}),
        ('"a": {"command": "x", "args": [], "args": []}', {"keys_twice": ["mcpServers.a.args"]}),
        ('"a": {"command": "x", "env": {"A": "1", "A": "2"}}', {"keys_twice": ["mcpServers.a.env.A"]}),
        ('"a": {"command": "y"}, "a": {"command": "x"}', {"keys_twice": ["mcpServers.a"]}),
        ('"a": {"command": "y"}}, "mcpServers": {"a": {"command": "x"}', {"keys_twice": ["mcpServers"]}),
    ],
)
def test_what_is_odd_in_an_entry_is_noted(tmp_path: Path, text: str, noted: dict[str, list[str]]) -> None:
    (tmp_path / "mcp.json").write_text(f'{{"mcpServers": {{{text}}}}}')
    [server] = read_config(tmp_path / "mcp.json")
    assert {note.code: note.params["keys"] for note in server.notes} == noted
