"""The plan of the house: which rooms there are, how large they are, and what they may be called."""

import ast
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from tests.support.processes import ROOT
from tests.support.tree import DOORS, WINGS, files, imported, name, parsed, part, suite

MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 45
MEANINGLESS = {"utils", "util", "helpers", "helper", "core", "common", "base", "misc"}
OURS = {*WINGS, *(door.removesuffix(".py") for door in DOORS)}
BESIDE_THE_HOUSE = {
    "attacks",
    "clerk",
    "world",
    "support",
    "house",
    "end_to_end",
    "public",
}  # folders of tests that mirror no package


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node for node in ast.walk(parsed(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def test_the_root_shows_the_tutorials_four_files() -> None:
    assert {path.name for path in ROOT.glob("*.py")} == set(DOORS)


def test_the_first_look_shows_at_most_16_rooms() -> None:
    assert len(DOORS) + len({path.parent for path in suite() if part(path) in WINGS}) <= 16


def test_no_door_knows_another_and_the_wire_types_know_no_room() -> None:
    known = {part(path): {module.split(".")[0] for module in imported(parsed(path))} for path in suite()}
    doors = OURS - {*WINGS, "models"}
    wrong = {door: known[f"{door}.py"] & (doors - {door}) for door in doors}
    assert {door: others for door, others in wrong.items() if others} == {}
    assert known["models.py"] & OURS == set()


def test_no_room_is_over_400_lines_and_no_function_over_45() -> None:
    places = [*suite(), *files(".js")]
    rooms = [name(path) for path in places if len(path.read_text().splitlines()) > MAX_FILE_LINES]
    long = [
        f"{name(path)}:{function.lineno} {function.name}"
        for path in suite()
        for function in functions(path)
        if (function.end_lineno or 0) - function.lineno >= MAX_FUNCTION_LINES
    ]
    assert (rooms, long) == ([], [])


def test_an_import_inside_a_function_says_why() -> None:
    unexplained = []
    for path in suite():
        lines = path.read_text().splitlines()
        inside = (node for function in functions(path) for node in ast.walk(function))
        for node in inside:
            if isinstance(node, ast.Import | ast.ImportFrom):
                _, _, comment = lines[node.lineno - 1].partition("#")
                if not re.sub(r"noqa: [A-Z0-9]+", "", comment).strip(" #"):
                    unexplained.append(f"{name(path)}:{node.lineno}")
    assert unexplained == []


def test_no_import_for_types_only_hides_a_circle() -> None:
    hidden = [
        f"{name(path)}:{node.lineno}"
        for path in suite()
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        if any(module.split(".")[0] in OURS for module in imported(node))
    ]
    assert hidden == []


def test_no_room_has_a_name_that_says_nothing() -> None:
    assert [name(path) for path in files(".py") if {*re.split(r"[/.]", name(path))} & MEANINGLESS] == []


def test_no_folder_or_module_of_the_root_is_called_like_a_package() -> None:
    installed = set(sys.stdlib_module_names)
    for package, distributions in packages_distributions().items():
        if distributions != ["mcp-streamable-weather"]:
            installed.add(package)
    folders = {parent.name for path in suite() for parent in path.parents if parent.is_relative_to(ROOT)}
    assert ({*folders, *OURS} - {ROOT.name}) & installed == set()


def test_the_tests_mirror_the_house() -> None:
    packages = {name(path.parent) for path in suite() if part(path) in WINGS}
    mirrored = {
        path.parent.relative_to(ROOT / "tests").as_posix()
        for path in files(".py")
        if part(path) == "tests" and path.name.startswith("test_")
    }
    tested = {package for package in packages if any(f"{m}/".startswith(f"{package}/") for m in mirrored)}
    assert packages - tested == set()
    assert mirrored - packages - BESIDE_THE_HOUSE == {"."}  # the doors' tests


def test_no_test_imports_another() -> None:
    wrong = [
        f"{name(path)} imports {module}"
        for path in files(".py")
        if part(path) == "tests"
        for module in imported(parsed(path))
        if module.split(".")[0] == "tests" and module.split(".")[-1].startswith("test_")
    ]
    assert wrong == []


def test_there_is_one_way_to_start_a_service() -> None:
    starting = [name(path) for path in files(".py") if part(path) == "tests" and "Popen(" in path.read_text()]
    ours = {"tests/support/processes.py", "tests/support/forked.py", "tests/house/test_plan.py"}
    assert set(starting) == {*ours, "tests/clerk/run.py"}
