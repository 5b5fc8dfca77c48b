"""What is kept of sign-ins, beside what their own tests show."""

from pathlib import Path
from threading import Thread

import pytest

from serving.errors import CodedError
from serving.kept import Kept


def test_what_is_kept_for_a_time_is_over_then_and_is_taken_once(tmp_path: Path) -> None:
    kept, another = Kept(tmp_path / "made" / "file"), Kept(tmp_path / "made" / "file")
    kept.put("over", "1", seconds=-1)
    kept.put("waits", "2", seconds=600)
    assert kept.take("over") is None
    assert (another.take("waits"), kept.take("waits")) == ("2", None)


def test_of_two_processes_one_claims(tmp_path: Path) -> None:
    kept, another = Kept(tmp_path / "file"), Kept(tmp_path / "file")
    assert (kept.claim("renewing", 600), another.claim("renewing", 600)) == (True, False)
    kept.drop("renewing")
    assert another.claim("renewing", -1)
    assert kept.claim("renewing", 600)  # the other has ended in the middle


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    kept = Kept(tmp_path / "file" / "sign-ins")
    assert kept.get("key") is None
    with pytest.raises(CodedError, match="state_unwritable"):
        kept.put("key", "value")


def test_what_is_kept_in_memory_may_be_given_up_by_another_thread() -> None:
    held = [Kept()]
    other = Thread(target=held.clear)
    other.start()
    other.join()  # what fails where it is closed is raised nowhere: pytest makes it a failure of this test
    assert not held
