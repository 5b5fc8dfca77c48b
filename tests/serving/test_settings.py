import itertools
import re
from typing import Any

import pytest

import api
import main
import web
from tests.support.processes import ROOT

SERVICES: list[Any] = [api.Settings, main.Settings, web.Settings]


def documented() -> dict[str, str]:
    text = (ROOT / ".env.example").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


@pytest.mark.parametrize("settings", SERVICES, ids=["api", "main", "web"])
def test_env_example_names_every_setting_with_its_default(settings: Any) -> None:
    for name, field in settings.model_fields.items():
        if field.exclude:  # only a flag
            continue
        default = str("" if field.default is None else field.default)
        assert documented()[name.upper()] == (default.lower() if default in ("True", "False") else default)


def test_env_example_names_nothing_else_and_says_what_each_is_for() -> None:
    known = {
        name.upper()
        for settings in SERVICES
        for name, field in settings.model_fields.items()
        if not field.exclude
    }
    assert documented().keys() == known
    lines = (ROOT / ".env.example").read_text().splitlines()
    for before, line in itertools.pairwise(lines):
        if re.match(r"[A-Z_]+=", line):
            assert before.startswith("# "), line


@pytest.mark.parametrize("settings", SERVICES, ids=["api", "main", "web"])
def test_the_environment_beats_the_file_and_an_empty_value_is_none(
    settings: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = next(name for name in settings.model_fields if name.endswith("_port"))
    default = settings.model_fields[port].default
    file = tmp_path / ".env"
    file.write_text(f"{port.upper()}=1111\n")
    assert getattr(settings(_env_file=file), port) == 1111
    monkeypatch.setenv(port.upper(), "2222")
    assert getattr(settings(_env_file=file), port) == 2222
    monkeypatch.setenv(port.upper(), "")
    file.write_text("")
    assert getattr(settings(_env_file=file), port) == default
