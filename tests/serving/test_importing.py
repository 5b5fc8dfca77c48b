"""How a service is stopped while it imports."""

import signal
import sys

import pytest

from tests.support.processes import ROOT, Spawn

IMPORTING = "import os, signal, serving.importing; {then}os.kill(os.getpid(), signal.SIGINT)"
AS_USUAL = "serving.importing.all_imported(); "
IGNORED = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); "


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to oneself")
@pytest.mark.parametrize(
    ("script", "status", "said"),
    [
        pytest.param(IMPORTING.format(then=""), -signal.SIGINT, "", id="imports"),
        pytest.param(IMPORTING.format(then=AS_USUAL), -signal.SIGINT, "KeyboardInterrupt", id="has imported"),
        pytest.param(IGNORED + IMPORTING.format(then=""), 0, "", id="ignored, as under nohup"),
        pytest.param(IGNORED + IMPORTING.format(then=AS_USUAL), 0, "", id="ignored, has imported"),
    ],
)
def test_ctrl_c_within_the_imports_ends_a_service_without_their_code(
    script: str, status: int, said: str, spawn: Spawn
) -> None:
    program = spawn.program(sys.executable, "-c", script, env={"PYTHONPATH": str(ROOT)})
    assert program.process.wait(150) == status
    told = program.log.read_text()
    assert said in told
    assert said or not told
