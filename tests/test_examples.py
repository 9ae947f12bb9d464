"""Whatever a notebook calls of the package has an example in its docstring (`make test` runs them all)."""

import ast
import importlib
import inspect
import pathlib

import nbformat
import pytest

NOTEBOOKS = sorted((pathlib.Path(__file__).resolve().parents[1] / "notebooks").glob("*.ipynb"))
# They need a login, a whole survey or a competition on the disk; figures are drawn one by one in test_figures.py.
WITHOUT = set("kaggle_file kaggle_labels kaggle_blocks open_kaggle g2net_labels read_g2net write_g2net".split())
WITHOUT |= set("open_survey prepare_spectra prepare_strain".split())


def called(path):
    """Functions and classes of the package that the cells of a notebook name."""
    aliases, found = {}, []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type != "code":
            continue
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "workshop_utils":
                aliases |= {name.asname or name.name: (node.module, name.name) for name in node.names}
            if isinstance(node, ast.Name) and node.id in aliases:
                found.append(aliases[node.id])
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
                found.append((".".join(aliases[node.value.id]), node.attr))
    return {thing for module, name in found if (thing := look_up(module, name))}


def look_up(module, name):
    """The function or class, or None where the name is a module or a number."""
    try:
        thing = getattr(importlib.import_module(module), name, None)
    except ModuleNotFoundError:  # a name of a function or a table, not of a module
        return None
    network = inspect.isclass(thing) and not issubclass(thing, Exception)
    return thing if inspect.isfunction(thing) or network else None


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.name[:2])
def test_whatever_a_notebook_calls_has_an_example(path):
    things = called(path)
    assert len(things) > 5
    things = {thing for thing in things if ".figures" not in thing.__module__}
    without = {thing.__name__ for thing in things if ">>>" not in (thing.__doc__ or "")}
    assert without <= WITHOUT, f"no example in the docstring of {', '.join(sorted(without - WITHOUT))}"
