"""How a service is stopped while it imports."""

import signal
import sys

import pytest

from tests.support.processes import ROOT, Spawn

# How it was before is set by each script, since the tests themselves may run with the signal ignored.
IMPORTING = (
    "import os, signal; signal.signal(signal.SIGINT, signal.{before}); "
    "import serving.importing; {then}os.kill(os.getpid(), signal.SIGINT)"
)
AS_USUAL = "serving.importing.all_imported(); "


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no signal to send to oneself")
@pytest.mark.parametrize(
    ("before", "then", "status", "said"),
    [
        pytest.param("default_int_handler", "", -signal.SIGINT, "", id="imports"),
        pytest.param("default_int_handler", AS_USUAL, -signal.SIGINT, "KeyboardInterrupt", id="has imported"),
        pytest.param("SIG_IGN", "", 0, "", id="ignored, as under nohup"),
        pytest.param("SIG_IGN", AS_USUAL, 0, "", id="ignored, has imported"),
    ],
)
def test_ctrl_c_within_the_imports_ends_a_service_without_their_code(
    before: str, then: str, status: int, said: str, spawn: Spawn
) -> None:
    script = IMPORTING.format(before=before, then=then)
    program = spawn.program(sys.executable, "-c", script, env={"PYTHONPATH": str(ROOT)})
    assert program.process.wait(150) == status
    told = program.log.read_text()
    assert said in told
    assert said or not told
