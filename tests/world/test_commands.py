"""Commands as they are in the world: their encodings, what they say when they end, what they cannot bear."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import world

pytestmark = pytest.mark.anyio

SERVER = """
import json, sys
for line in sys.stdin:
    asked = json.loads(line)
    {before}
    if "id" not in asked:
        continue
    method = asked["method"]
    hello = {{"protocolVersion": "2025-11-25", "capabilities": {{"tools": {{}}}}}}
    result = {{"initialize": hello, "tools/list": {{"tools": [{{"name": "t"}}]}}}}.get(method)
    if method == "tools/call":
        head = b'{{"jsonrpc":"2.0","id":%d,"result":{{"content":[{{"type":"text","text":"' % asked["id"]
        sys.stdout.buffer.write(head + {text!r} + b'"}}]}}}}\\n')
    else:
        answer = {{"result": result}} if result else {{"error": {{"code": -32601, "message": "no"}}}}
        print(json.dumps({{"jsonrpc": "2.0", "id": asked["id"], **answer}}))
    sys.stdout.flush()
"""


def command(text: bytes = b"fine", before: str = "pass", first: str = "") -> dict[str, Any]:
    code = first + SERVER.format(text=text, before=before)
    return {"command": sys.executable, "args": ["-c", code]}


@pytest.mark.parametrize(
    ("text", "words", "note"),
    [
        (b"fine", "fine", None),
        ("库存不足".encode(), "库存不足", None),
        ("库存不足".encode("gbk"), "库存不足", "line_gb18030"),
        ("价格 ¥1299，库存不足".encode("gb18030"), "价格 ¥1299，库存不足", "line_gb18030"),
        (b"half \xe4", "half \ufffd", "line_not_utf8"),
        ("库存不足".encode() + b"\xe4\xbd", "库存不足\ufffd", "line_not_utf8"),
        (b"\xff\xfe", "\ufffd\ufffd", "line_not_utf8"),
    ],
)
async def test_a_line_is_read_in_the_encoding_that_fits(
    tmp_path: Path, text: bytes, words: str, note: str | None
) -> None:
    async with world.entry(tmp_path, command(text), web_trust_commands=True) as web:
        await web.becomes("ready")
        assert (await web.call())["result"] == words
        assert [each["code"] for each in (await web.server())["notes"]] == ([note] if note else [])


WIDE = "sys.stdout.buffer.write({!r}.encode('utf-16-le')); sys.stdout.flush()\n"


@pytest.mark.parametrize(
    "first",
    [
        "print('starting up')\n",
        "print()\n",
        "print('{}')\n",
        "print('[1]')\n",
        "print('starting ... ', end='')\n",
        "print('{\"a\": 1}', end='')\n",
        'print(\'asked {"jsonrpc": "2.0", "id": 1, "method": "ping"}\')\n',
        "import sys\n" + WIDE.format("starting up\r\n"),
        "import sys\n" + WIDE.format("starting up"),
    ],
)
async def test_what_is_no_message_is_passed_over(tmp_path: Path, first: str) -> None:
    async with world.entry(tmp_path, command(first=first), web_trust_commands=True) as web:
        await web.becomes("ready")
        assert (await web.call())["result"] == "fine"


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("print = lambda text: sys.stdout.write(text)", "without"),
        ("sys.stdout.reconfigure(encoding='utf-16-le')", "wide"),
        ("sys.stdout.reconfigure(encoding='utf-16-be')", "wide"),
        ("sys.stdout.reconfigure(encoding='utf-16')", "wide"),
        ("print = lambda text, line=print: line('now', text)", "said"),
        ("print = lambda text, line=print: line(f'[{text}]')", "batched"),
        ("print = lambda text, line=print: line(f'answer [{text}')", "[said"),
        (
            "print = lambda text, line=print: "
            "line(json.dumps(json.loads(text) | {'id': str(json.loads(text)['id'])}))",
            "numbered by a text",
        ),
        (
            'note = \'{"jsonrpc": "2.0", "method": "notifications/x"}\'; '
            "print = lambda text, line=print: line(note + text)",
            "joined",
        ),
        (
            'note = \'{"jsonrpc": "2.0", "method": "notifications/x"}\'; '
            "print = lambda text, line=print: line(text + '  ' + note)",
            'joined }{"jsonrpc":',
        ),
    ],
)
async def test_answers_in_odd_lines_are_read(tmp_path: Path, code: str, words: str) -> None:
    says = {"content": [{"type": "text", "text": words}]}
    server = SERVER.format(text=b"", before="pass").replace('method == "tools/call"', "False")
    server = server.replace("}.get(method)", f', "tools/call": {says}}}.get(method)')
    entry = {"command": sys.executable, "args": ["-c", f"import sys\n{code}\n{server}"]}
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        await web.becomes("ready")
        assert (await web.call())["result"] == words


async def test_a_folder_that_is_not_there_is_told_from_a_command_that_is_not(tmp_path: Path) -> None:
    for entry, code in (
        (command() | {"cwd": str(tmp_path / "none")}, "folder_missing"),
        ({"command": str(tmp_path / "none")}, "command_failed"),
    ):
        async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
            assert (await web.becomes("down"))["code"] == code


@pytest.mark.parametrize("entry", [command() | {"cwd": "~"}, {"command": "~/server", "args": []}])
async def test_a_folder_of_the_person_is_written_as_in_a_shell(
    tmp_path: Path, entry: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        server = await web.becomes("ready", "down")
    assert (server["status"], server["code"]) in (("ready", None), ("down", "command_failed"))
    assert "~" not in str(server["error"])


@pytest.mark.skipif(sys.platform == "win32", reason="a file without a kind is of POSIX")
async def test_a_file_that_is_no_program_is_told_as_a_command_that_cannot_run(tmp_path: Path) -> None:
    program = tmp_path / "server"
    program.write_text("echo hello\n")
    program.chmod(0o755)
    async with world.entry(tmp_path, {"command": str(program)}, web_trust_commands=True) as web:
        server = await web.becomes("down")
    assert (server["code"], "format" in server["error"]) == ("command_failed", True)


@pytest.mark.parametrize(
    "more",
    [
        {"env": {"A=B": "1"}},
        {"env": {"": "1"}},
        {"env": {"A": "1\0"}},
        {"headers": {"X Key": "1"}, "url": "http://127.0.0.1:9"},
        {"headers": {"": "1"}, "url": "http://127.0.0.1:9"},
        {"headers": {"X:": "1"}, "url": "http://127.0.0.1:9"},
    ],
)
async def test_a_name_that_cannot_be_sent_is_told_of_the_entry(tmp_path: Path, more: dict[str, Any]) -> None:
    entry = more if "url" in more else {"command": "server", **more}
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        assert (await web.server())["code"] == "not_sendable"


async def ended(web: world.Web) -> dict[str, Any]:
    """Wait until the command is known to have ended: that its pipe broke may be seen first."""
    while (server := await web.becomes("down"))["code"] != "command_ended":  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    return server


async def test_a_command_that_ends_says_its_last_words(tmp_path: Path) -> None:
    code = "import sys; sys.exit('\\n'.join(f'line {n}' for n in range(9)) + '\\nno API_KEY \\x1b[31m')"
    entry = {"command": sys.executable, "args": ["-c", code]}
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        server = await ended(web)
    assert server["params"]["status"] == 1
    assert server["params"]["said"].startswith("line 5\nline 6\n")
    assert "no API_KEY \\x1b[31m" in server["error"]
    assert "\x1b" not in json.dumps(server)


@pytest.mark.parametrize("words", ["Ok to proceed? (y)", "usage: server [-h] {stdio,http}", "[error] no key"])
async def test_what_a_command_says_on_stdout_before_it_ends_is_told(tmp_path: Path, words: str) -> None:
    entry = {"command": sys.executable, "args": ["-c", f"print('{words} ', end=''); exit(1)"]}
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        assert (await ended(web))["params"]["said"] == words


async def test_last_words_are_read_in_the_encoding_that_fits(tmp_path: Path) -> None:
    code = "import sys; sys.stderr.buffer.write('缺少密钥'.encode('gbk')); sys.exit(2)"
    entry = {"command": sys.executable, "args": ["-c", code]}
    async with world.entry(tmp_path, entry, web_trust_commands=True) as web:
        assert (await ended(web))["params"]["said"] == "缺少密钥"


async def test_a_command_that_ends_when_asked_its_protocol_is_started_the_older_way(tmp_path: Path) -> None:
    ends = command(before='if asked["method"] == "server/discover": sys.exit(3)')
    async with world.entry(tmp_path, ends, web_trust_commands=True) as web:
        assert (await web.becomes("ready", "down"))["status"] == "ready"
        assert (await web.call())["result"] == "fine"
