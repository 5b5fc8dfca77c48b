"""`mcp.json` edited: whole or not at all, beside others who edit it, its secrets never shown."""

import json
import os
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from assistant.toolbox.config_edit import MAX_SERVERS, ConfigFile
from assistant.toolbox.dialects import pasted
from serving.errors import CodedError
from tests.support.processes import state_of

A, B = {"url": "https://a/"}, {"command": "b", "args": []}
TEXT = '// mine\n{\n  "mcpServers": {\n    "a": {"url": "https://a/"}, // first\n  },\n  "other": 1.50\n}\n'
ENTRY = """{
  "url": "https://me:pw@x.example.com/mcp?token=qwerty",
  // once: Bearer abcdefghijklmnop1234
  "headers": {"Authorization": "Bearer zuiop123", "X": "${X}"}
}"""
SECRETS = ("me:pw", "qwerty", "abcdefghijklmnop1234", "zuiop")


def file(folder: Path, text: str = TEXT) -> ConfigFile:
    path = folder / "mcp.json"
    path.write_text(text, encoding="utf-8")
    return ConfigFile(path, state_of(folder), dict)


def written(config: ConfigFile) -> str:
    return config.path.read_bytes().decode()


def code_of(edit: Callable[[], Any]) -> str:
    with pytest.raises(CodedError) as refused:
        edit()
    return refused.value.code


def add(config: ConfigFile, **entries: Any) -> None:
    config.add(entries, local=True)


def test_what_is_added_and_removed_again_leaves_nothing_behind(tmp_path: Path) -> None:
    config = file(tmp_path)
    add(config, b=B, 手表=A)
    assert [server.name for server in config.servers()] == ["a", "b", "手表"]
    for name in ("b", "手表"):
        config.remove(name)
    assert written(config) == TEXT
    assert os.listdir(tmp_path) == ["mcp.json"]


def test_a_server_is_switched_off_and_on_again(tmp_path: Path) -> None:
    config = file(tmp_path)
    config.switch("a", on=False)
    assert '"a": {"url": "https://a/", "disabled": true}, // first' in written(config)
    assert [server.error and server.error.code for server in config.servers()] == ["switched_off"]
    config.switch("a", on=True)
    assert written(config) == TEXT


@pytest.mark.parametrize("key", ["enabled", "is_active", "Enable", "disabled", "disable"])
def test_the_word_that_an_entry_has_for_it_is_used(tmp_path: Path, key: str) -> None:
    config = file(tmp_path, json.dumps({"servers": {"a": {key: key[0] != "d", **A}}}))
    for is_on in (False, True):
        config.switch("a", on=is_on)
        assert [server.error is None for server in config.servers()] == [is_on]
        assert "disabled" not in written(config).replace(key, "")


def test_secrets_are_masked_and_stay_where_their_masks_come_back(tmp_path: Path) -> None:
    config = file(tmp_path, f'{{"mcpServers": {{"a": {ENTRY}}}}}')
    entry = config.entry("a")
    assert not [secret for secret in SECRETS if secret in entry.text]
    assert "${X}" in entry.text
    text = entry.text.replace('"X": "${X}"', '"X": "new", "Y": "2"')
    config.change("a", entry.version, text, "c", local=False)
    assert written(config) == f'{{"mcpServers": {{"c": {ENTRY}}}}}'.replace(
        '"X": "${X}"', '"X": "new", "Y": "2"'
    )


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("x.example.com", "evil.example.com", "secret_elsewhere"),
        ("https:", "http:", "secret_elsewhere"),
        ('"X": "${X}"', '"X": "***2***"', "mask_moved"),
        ('"X": "${X}"', '"X": "***77***"', "mask_moved"),
        ('"headers"', '"env"', "mask_moved"),
        ('"headers"', "headers", "entry_not_json"),
        ('"https:', '"gopher:', "secret_elsewhere"),
        ('"url"', '"uri"', "mask_moved"),
        ("x.example.com/", "x.example.com'@evil.com/", "secret_elsewhere"),
        ("x.example.com/", "x.example.com @evil.com/", "secret_elsewhere"),
        (
            '"url": "https:',
            '"note": "https://x.example.com/", "url": "https:${NO:-//evil.com/}',
            "secret_elsewhere",
        ),
        ('"${X}"', "9" * 5_000, "entry_not_json"),
    ],
)
def test_a_masked_secret_goes_nowhere_else(tmp_path: Path, old: str, new: str, code: str) -> None:
    config = file(tmp_path, f'{{"mcpServers": {{"a": {ENTRY}}}}}')
    entry = config.entry("a")
    before = written(config)
    text = entry.text.replace(old, new)
    assert code_of(lambda: config.change("a", entry.version, text, "a", local=True)) == code
    assert written(config) == before


def test_of_an_address_that_is_none_what_stands_before_the_user_is_shown(tmp_path: Path) -> None:
    config = file(tmp_path, '{"mcpServers": {"a": {"url": "//[me:hunter22@x"}}}')
    assert config.entry("a").text == '{"url": "//***1***@x"}'


@pytest.mark.parametrize(
    "entry",
    [
        '{"command": "c", "args": ["%s"]}' % ("-" * 250_000),
        '{"command": "c", "args": [" %s"]}' % ("-" * 250_000),
        '{"url": "https://a/", "x": "%s"}' % ("?" * 250_000),
        '{"url": "https://a/?%s"}' % ("a" * 50_000),
        '{"url": "https://a.example.com/%s"}' % ("a" * 50_000),
        '{"url": "https://a/" // %s\n}' % ("a" * 250_000),
        '{"url": "https://a/", "args": ["%s"]}' % ("${A:-" * 50_000),
    ],
    ids=range(7),
)
def test_a_long_entry_is_read_masked_and_written_in_one_pass(tmp_path: Path, entry: str) -> None:
    config = file(tmp_path, f'{{"mcpServers": {{"a": {entry}}}}}')
    shown = config.entry("a")
    config.change("a", shown.version, shown.text + " ", "b", local=True)
    assert [(server.url or server.command)[:9] for server in config.servers()] in (["c"], ["https://a"])


def test_a_lock_that_is_none_is_refused_by_name(tmp_path: Path) -> None:
    config = file(tmp_path)
    state_of(tmp_path).mkdir(exist_ok=True)
    (state_of(tmp_path) / "edits").write_text("no database" * 100)
    assert code_of(lambda: add(config, b=B)) == "state_unwritable"


def test_an_entry_that_is_wrong_names_its_line_and_is_not_written(tmp_path: Path) -> None:
    config = file(tmp_path)
    version = config.entry("a").version
    with pytest.raises(CodedError) as refused:
        config.change("a", version, '{\n  "url": "https://a/"\n  "type": "http"\n}', "a", local=True)
    params = refused.value.params
    assert (params["line"], params["column"]) == (2, 22)  # where the comma belongs
    assert params["reason"]["code"] == "json_comma_missing"
    for text, code in [
        ("[]", "entry_not_object"),
        ('{"url": "ftp://a"}', "url_scheme"),
        ("{} // x", "address_missing"),
    ]:
        assert code_of(lambda t=text: config.change("a", version, t, "a", local=True)) == code  # type: ignore[misc]
    assert (
        code_of(lambda: config.change("a", version, json.dumps(B), "a", local=False)) == "command_not_local"
    )
    assert written(config) == TEXT


def test_an_edit_by_somebody_else_is_not_undone(tmp_path: Path) -> None:
    config = file(tmp_path)
    version = config.entry("a").version
    config.path.write_text(TEXT.replace("1.50", "2.50"))  # another part of the file
    config.change("a", version, '{"url": "https://b/"}', "a", local=True)
    assert "2.50" in written(config)
    assert "https://b/" in written(config)
    assert code_of(lambda: config.change("a", version, "{}", "a", local=True)) == "entry_changed"
    config.path.write_text('{"mcpServers": {}}')
    for edit in (lambda: config.remove("a"), lambda: config.switch("a", on=True), lambda: config.entry("a")):
        assert code_of(edit) == "entry_changed"


def test_an_edit_in_the_very_moment_is_noticed(tmp_path: Path) -> None:
    class Hasty(ConfigFile):
        def _data(self) -> bytes | None:
            data = super()._data()
            self.path.write_text(TEXT + " " * (len(data or b"") - len(TEXT) + 1))
            return data

    config = file(tmp_path)
    assert code_of(lambda: add(Hasty(config.path, state_of(tmp_path), dict), b=A)) == "config_changed"
    assert os.listdir(tmp_path) == ["mcp.json"]


def test_edits_of_several_processes_and_tabs_are_all_kept(tmp_path: Path) -> None:
    config = file(tmp_path)
    replicas = [ConfigFile(config.path, state_of(tmp_path), dict) for _ in range(8)]
    threads = [
        threading.Thread(target=add, args=(each,), kwargs={f"s{i}": A}) for i, each in enumerate(replicas)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(server.name for server in config.servers()) == ["a", *(f"s{i}" for i in range(8))]


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX modes and links")
def test_mode_and_link_stay(tmp_path: Path) -> None:
    config = file(tmp_path)
    config.path.rename(tmp_path / "real.json")
    config.path.symlink_to("real.json")
    (tmp_path / "real.json").chmod(0o640)
    add(config, b=B)
    assert config.path.is_symlink()
    assert stat.S_IMODE((tmp_path / "real.json").stat().st_mode) == 0o640
    (tmp_path / "real.json").chmod(0o440)
    assert code_of(lambda: config.remove("b")) == "config_unwritable"
    assert "b" in [server.name for server in config.servers()]


@pytest.mark.parametrize(
    "text", [None, "", "\n", "{}", '{"theme": "dark"}', '{"mcpServers": {}}', "{ // nothing\n}"]
)
def test_a_file_without_servers_gets_its_first(tmp_path: Path, text: str | None) -> None:
    config = file(tmp_path, text or "")
    if text is None:
        config.path.unlink()
    add(config, a=A)
    assert [server.url for server in config.servers()] == ["https://a/"]
    assert "theme" not in (text or "") or '"theme": "dark"' in written(config)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", "file_broken"),
        ("[]", "file_broken"),
        ('{"mcpServers": {"a": 1} "x": 2}', "file_broken"),
        ('{"mcpServer": {"a": {}}}', "file_broken"),
    ],
)
def test_a_file_that_cannot_be_read_is_left_alone(tmp_path: Path, text: str, code: str) -> None:
    config = file(tmp_path, text)
    assert code_of(lambda: add(config, b=B)) == code
    assert written(config) == text


@pytest.mark.parametrize(
    ("name", "code"),
    [
        *[
            ("", "server_name_odd"),
            (" b", "server_name_odd"),
            ("b\n", "server_name_odd"),
            ("\u202eb", "server_name_odd"),
        ],
        *[("x" * 101, "server_name_odd"), ("a", "server_exists")],
    ],
)
def test_names_are_visible_short_and_apart(tmp_path: Path, name: str, code: str) -> None:
    config = file(tmp_path)
    version = config.entry("a").version
    assert code_of(lambda: add(config, **{name: A})) == code
    if name != "a":
        assert code_of(lambda: config.change("a", version, "{}", name, local=True)) == code
    assert written(config) == TEXT


def test_equal_names_in_one_spelling_or_another_are_one(tmp_path: Path) -> None:
    config = file(
        tmp_path, '{"mcpServers": {"é": {"url": "https://a/"}, "x": {}, "x": {"url": "https://b/"}}}'
    )
    assert code_of(lambda: add(config, **{"e\u0301": A})) == "server_exists"
    config.remove("x")
    assert [server.name for server in config.servers()] == ["é"]


def test_there_is_a_bound(tmp_path: Path) -> None:
    config = file(tmp_path, '{"mcpServers": {}}')
    add(config, **{f"s{i}": {"url": f"https://s{i}/"} for i in range(MAX_SERVERS)})
    assert code_of(lambda: add(config, one_more=A)) == "too_many_servers"
    assert len(config.servers()) == MAX_SERVERS


ODD = [
    None,
    1.5,
    True,
    "",
    "x",
    "https://a/",
    "http://[",
    "${X}",
    "***1***",
    [],
    ["a", 1],
    {"path": 5},
    {"A": None},
]
KEYS = [
    "url",
    "command",
    "args",
    "env",
    "headers",
    "type",
    "cwd",
    "disabled",
    "enabled",
    "oauth",
    "name",
    "x",
]
FILES = [
    '{"mcpServers": {}}',
    '{"servers": {"z": {"url": "https://z/"}}}',
    '{"context_servers": {"z": {"command": {"path": "c"}}}}',
    '{"mcp": {"z": {"type": "local", "command": ["c"]}}}',
]


@given(st.dictionaries(st.sampled_from(KEYS), st.sampled_from(ODD), min_size=1), st.sampled_from(FILES))
def test_whatever_an_entry_says_it_is_edited_or_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, entry: dict[str, Any], text: str
) -> None:
    config = file(tmp_path_factory.mktemp("odd"), text)
    with suppress(CodedError):
        [(_, read)] = pasted(json.dumps(entry)).items()
        add(config, n=read)
        shown = config.entry("n")
        config.change("n", shown.version, shown.text, "m", local=True)
        for is_on in (False, True):
            config.switch("m", on=is_on)
            off = [each.error for each in config.servers() if each.name == "m"]
            assert [error is not None and error.code == "switched_off" for error in off] == [not is_on]
        config.remove("m")
        assert json.loads(written(config)) == json.loads(text)
