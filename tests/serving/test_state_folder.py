"""Where a service remembers things between its starts."""

from pathlib import Path

import pytest

from serving.server import StartError
from serving.state_folder import state_folder


@pytest.mark.parametrize("folder", ["state", "{project}", "{project}/state", "{project}/../project/state"])
def test_a_folder_that_a_clone_could_bring_is_refused(tmp_path: Path, folder: str) -> None:
    project = tmp_path / "project"
    with pytest.raises(StartError, match="WEB_STATE_DIR"):
        state_folder(Path(folder.format(project=project)), [project])


def test_a_folder_that_others_may_write_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state").chmod(0o777)
    with pytest.raises(StartError, match="state"):
        state_folder(tmp_path / "state", [tmp_path / "project"])


def test_without_a_setting_it_is_the_users_own(tmp_path: Path) -> None:
    folder = state_folder(None, [tmp_path])
    assert folder.is_absolute()
    assert folder.name == "product-mcp"
