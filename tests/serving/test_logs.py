"""One log for all three services."""

import re
import sys

import pytest

from tests.support.processes import ROOT, Spawn

SAY = """
import logging
from serving import logs
logs.configure({level!r})
logging.getLogger("shop.store").info("\\u5e93\\u5b58 %s", 3)
logging.getLogger("httpx").info("GET /secret")
"""


def logged(spawn: Spawn, level: str, **env: str) -> str:
    program = spawn.program(
        sys.executable, "-c", SAY.format(level=level), env={"PYTHONPATH": str(ROOT), **env}
    )
    assert program.process.wait(20) == 0, program.log.read_text()
    return program.log.read_text(encoding=env.get("PYTHONIOENCODING", "utf-8"))


def test_a_line_has_time_level_and_logger(spawn: Spawn) -> None:
    line = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} INFO shop\.store: 库存 3\n"
    assert re.fullmatch(line, logged(spawn, "info", PYTHONIOENCODING="utf-8"))


@pytest.mark.parametrize(("level", "said"), [("debug", True), ("info", False), ("warning", False)])
def test_only_debug_tells_what_libraries_say_of_urls(spawn: Spawn, level: str, said: bool) -> None:
    assert ("GET /secret" in logged(spawn, level)) == said


def test_a_pipe_gets_utf_8_on_a_machine_of_another_encoding(spawn: Spawn) -> None:
    assert "库存 3" in logged(spawn, "info", LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")


def test_a_console_of_another_encoding_does_not_end_the_service(spawn: Spawn) -> None:
    assert "?? 3" in logged(spawn, "info", PYTHONIOENCODING="ascii")
