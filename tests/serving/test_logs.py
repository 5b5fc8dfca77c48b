"""One log for all three services."""

import json
import logging
import re
import sys
from datetime import datetime

import pytest

from serving import logs
from tests.support.processes import ROOT, Spawn

SAY = """
import logging
from serving import logs
logs.configure({level!r})
logging.getLogger("shop.store").info("\\u5e93\\u5b58 %s", 3)
logging.getLogger("httpx").info("GET /secret")
"""

FORGE = """
import logging
from serving import logs
from serving.redaction import remember
logs.configure("info")
remember("sk-very-secret-1")
said = "a{0}2026-01-01 00:00:00,000 INFO shop.store: sold sk-very-secret-1"
logging.getLogger("theirs").warning("%s", said)
logs.announce(logs.printable(said))
try:
    raise ValueError(said)
except ValueError:
    logging.getLogger("ours").exception("broke")
"""


def logged(spawn: Spawn, level: str, **env: str) -> str:
    program = spawn.program(
        sys.executable, "-c", SAY.format(level=level), env={"PYTHONPATH": str(ROOT), **env}
    )
    assert program.process.wait(150) == 0, program.log.read_text()
    return program.log.read_text(encoding=env.get("PYTHONIOENCODING", "utf-8"))


def test_a_line_has_time_level_and_logger(spawn: Spawn) -> None:
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO shop\.store: 库存 3\n"
    assert re.fullmatch(line, logged(spawn, "info", PYTHONIOENCODING="utf-8"))


@pytest.mark.parametrize(("level", "said"), [("debug", True), ("info", False), ("warning", False)])
def test_only_debug_tells_what_libraries_say_of_urls(spawn: Spawn, level: str, said: bool) -> None:
    assert ("GET /secret" in logged(spawn, level)) == said


def test_a_pipe_gets_utf_8_on_a_machine_of_another_encoding(spawn: Spawn) -> None:
    assert "库存 3" in logged(spawn, "info", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")


@pytest.mark.parametrize(
    ("encoding", "written", "shown"),
    [("ascii", "utf-8", "✅"), ("cp1252", "utf-8", "✅"), ("cp437", "utf-8", "✅"), ("gbk", "gbk", "[OK]")],
)
def test_a_console_gets_its_own_encoding_if_that_has_chinese(
    encoding: str, written: str, shown: str, spawn: Spawn
) -> None:
    script = (
        "from serving import logs; logs.configure('info'); logs.announce('\\u2705 \\u5e93\\u5b58 \U0001f600')"
    )
    env = {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": encoding}
    program = spawn.program(sys.executable, "-c", script, env=env)
    assert program.process.wait(150) == 0, program.log.read_text()
    assert program.log.read_text(encoding=written).startswith(f"{shown} 库存 ")


@pytest.mark.parametrize(("args", "status"), [(("--help",), 0), (("--port", "x"), 1), (("--prot", "1"), 2)])
def test_what_ends_a_service_at_once_is_told_in_utf_8(
    args: tuple[str, ...], status: int, spawn: Spawn
) -> None:
    service = spawn("main.py", *args, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert service.process.wait(150) == status
    assert re.search("监听端口|应为整数|不认识的参数", service.log.read_text(encoding="utf-8"))


@pytest.mark.parametrize("command", ["timezone", "archive", "backup", "restore"])
def test_how_a_command_is_used_is_told_in_utf_8(command: str, spawn: Spawn) -> None:
    program = spawn("api.py", command, env={"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"})
    assert program.process.wait(150) == 1
    assert program.log.read_text(encoding="utf-8").startswith(f"用法：python api.py {command} ")


HOSTILE = [
    0x0A,
    0x0D,
    0x0B,
    0x0C,
    0x1B,
    0x07,
    0x08,
    0x00,
    0x7F,
    0x85,
    0x9B,
    0x2028,
    0x2029,
    0x202E,
    0x2066,
    0x200B,
]
HOSTILE += [0x200F, 0xFEFF, 0xFFFE, 0xFFFF, 0xD800, 0xE0041, 0xE000]


@pytest.mark.parametrize("code", HOSTILE, ids=hex)
def test_no_character_of_others_makes_a_line_or_reaches_the_terminal(code: int, spawn: Spawn) -> None:
    script = FORGE.format(f"\\U{code:08x}")
    program = spawn.program(sys.executable, "-c", script, env={"PYTHONPATH": str(ROOT)})
    assert program.process.wait(150) == 0, program.log.read_text()
    text = program.log.read_bytes().decode()
    assert chr(code) not in text or code == 0x0A
    assert len([line for line in text.split("\n") if line.startswith("2026-01-01")]) == 0
    assert all(line.isprintable() for line in text.split("\n"))
    assert "sk-very-secret-1" not in text
    assert text.count("sold ***") == 3


def test_the_start_message_keeps_its_own_lines(spawn: Spawn) -> None:
    script = 'from serving import logs\nlogs.announce("a\\nb\x1b")'
    program = spawn.program(sys.executable, "-c", script, env={"PYTHONPATH": str(ROOT)})
    assert program.process.wait(150) == 0
    assert program.log.read_text() == "a\nb\\x1b\n"


def test_a_record_as_json_is_one_object_of_one_line() -> None:
    record = logging.LogRecord("shop", logging.WARNING, "", 0, "两行\n的 %s", ("话",), None)
    try:
        int("why")
    except ValueError:
        record.exc_info = sys.exc_info()
    written = logs.JsonFormatter().format(record)
    told = json.loads(written)
    assert "\n" not in written
    assert (told["level"], told["logger"], told["message"]) == ("warning", "shop", "两行\n的 话")
    assert datetime.fromisoformat(told["time"]).tzinfo is not None
    assert "ValueError: " in told["exception"]
    assert "trace_id" not in told


def test_what_lasts_is_a_line_and_the_number_of_times_without_one() -> None:
    seldom = logs.Seldom()
    assert [seldom.is_due(what) for what in ("a", "a", "a", "b")] == [True, False, False, True]
    assert (seldom.silent("a"), seldom.silent("a")) == (2, 0)
    assert [logs.Seldom(seconds=0).is_due("a") for _ in range(2)] == [True, True]
