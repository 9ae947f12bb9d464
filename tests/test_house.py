"""The house: data flows one way, a room is read in one sitting, and what a wing hands on is what its rooms hold."""

import ast
import importlib
import pathlib

import pytest

import workshop_utils

PACKAGE = pathlib.Path(workshop_utils.__file__).resolve().parent
# A wing imports from those in the rows above it; those in one row do not know each other.
ROWS = [
    "sources shapes",
    "spectra",
    "strain populations",
    "scores",
    "simulate survey networks figures exercises sliders",
    "training night",
    "apply",
]
HEIGHT = {wing: row for row, wings in enumerate(ROWS) for wing in wings.split()}
WINGS = sorted(path.parent.name for path in PACKAGE.glob("*/__init__.py"))
ROOMS = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def name_of(path):
    return path.relative_to(PACKAGE).with_suffix("").as_posix()


def imported(path):
    """Wings of the package that a file imports from, other than its own, wherever in it the import stands."""
    package = ("workshop_utils", *path.relative_to(PACKAGE).parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            origin = package[: len(package) - node.level + 1] + tuple(filter(None, [node.module]))
            names = [origin[1].split(".")[0]] if len(origin) > 1 else [alias.name for alias in node.names]
            yield from (name for name in names if name in HEIGHT and name != name_of(path).split("/")[0])


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_imports_go_one_way(path):
    own = HEIGHT[name_of(path).split("/")[0]]
    assert [wing for wing in imported(path) if HEIGHT[wing] >= own] == []


@pytest.mark.parametrize("path", ROOMS, ids=name_of)
def test_a_room_is_read_in_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 400


@pytest.mark.parametrize("wing", WINGS)
def test_rooms_of_a_wing_form_no_circle(wing):
    rooms = {path.stem: path for path in (PACKAGE / wing).glob("[!_]*.py")}
    needs = {}
    for name, path in rooms.items():
        nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        local = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.level == 1]
        modules = [node.module for node in local if node.module]
        modules += [alias.name for node in local if not node.module for alias in node.names]
        needs[name] = {module for module in modules if module in rooms}
    while leaves := [name for name, others in needs.items() if not others & set(needs)]:
        needs = {name: others for name, others in needs.items() if name not in leaves}
    assert not needs


@pytest.mark.parametrize("wing", WINGS)
def test_a_wing_hands_on_what_its_rooms_hold(wing):
    module = importlib.import_module(f"workshop_utils.{wing}")
    assert len(set(module.__all__)) == len(module.__all__)
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
