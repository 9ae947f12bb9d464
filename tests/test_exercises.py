"""The exercises of the notebooks: complete, in one format, solvable, and not solved in advance.

That a stub is judged "Not yet" and a solution "Right" is shown by running the notebooks: the stored output of a check
cell is compared, and a solution ends with an assertion. Here we look at what running cannot show.
"""

import ast
import pathlib
import re
import symtable
import sys
from importlib.metadata import version

import nbformat
import numpy as np
import pytest
import torch

from workshop_utils.exercises import attempt, is_close, verdict

FOLDER = pathlib.Path(__file__).parents[1] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("0[1-9]_*.ipynb"))


def tags(cell):
    return set(cell.metadata.get("tags", []))


def exercises(path):
    """The exercises of a notebook: a list of cells for each, from its text to the last cell of its solution."""
    found = []
    for cell in nbformat.read(path, as_version=4).cells:
        if "exercise" in tags(cell) and cell.cell_type == "markdown":
            found.append([cell])
        elif found and tags(cell) & {"exercise", "check", "solution"}:
            found[-1].append(cell)
    return found


def all_exercises():
    return [pytest.param(cells, id=f"{path.stem[:2]}-{i}") for path in NOTEBOOKS
            for i, cells in enumerate(exercises(path), start=1)]  # fmt: skip


def of_kind(cells, tag):
    """Sources of the code cells with a tag."""
    return [cell.source for cell in cells if cell.cell_type == "code" and tag in tags(cell)]


def names_set(source):
    """Names that a cell gives a value at its top level."""
    names = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign | ast.For | ast.With):
            parts = (part for part in ast.walk(node) if isinstance(part, ast.Name))
            names |= {part.id for part in parts if isinstance(part.ctx, ast.Store)}
    return names


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem[:2])
def test_notebook_has_exercises(path):
    """At least two in each lesson, numbered in their order, from easy to open-ended, in more than one section."""
    found = exercises(path)
    heads = [re.match(r"### Exercise (\d): .+ \((easy|medium|open-ended)\)\n", cells[0].source) for cells in found]
    assert len(found) >= 2 and all(heads)
    assert [int(head[1]) for head in heads] == list(range(1, len(found) + 1))
    assert {"easy", "open-ended"} <= {head[2] for head in heads}
    text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    between = text[text.index("### Exercise 1") : text.index(f"### Exercise {len(found)}")]
    assert re.search(r"^## ", between, re.MULTILINE), "all exercises stand in one place"


@pytest.mark.parametrize("cells", all_exercises())
def test_exercise_is_complete(cells):
    """Text with a hint and a question to predict, something to change, a check, a folded solution: in this order."""
    order = [next(tag for tag in ("exercise", "check", "solution") if tag in tags(cell)) for cell in cells]
    assert order == sorted(order, key=["exercise", "check", "solution"].index)
    assert all(of_kind(cells, tag) for tag in ("exercise", "check", "solution"))
    text = cells[0].source
    assert "<details><summary>Hint</summary>" in text and text.count("<details>") == text.count("</details>")
    assert re.search(r"\b[Pp]redict\b", text) and re.search(r"\b([Ee]xplain|[Ww]hy)\b", text)
    for cell in cells:
        if "solution" in tags(cell):
            assert cell.metadata["jupyter"]["source_hidden"]


@pytest.mark.parametrize("cells", all_exercises())
def test_check_tells_right_from_wrong(cells):
    """The solution shows that the check accepts the answer and refuses a usual mistake."""
    check, solution = ("\n".join(of_kind(cells, tag)) for tag in ("check", "solution"))
    (name,) = (node.name for node in ast.parse(check).body if isinstance(node, ast.FunctionDef))
    assert name.startswith("check_")
    last = solution.strip().splitlines()[-1]
    assert last.startswith(f"assert {name}(") and f"assert not {name}(" in solution


@pytest.mark.parametrize("cells", all_exercises())
def test_solution_leaves_the_learners_work_alone(cells):
    """The solution has names of its own, and does not use what the learner was to write."""
    stub, solution = of_kind(cells, "exercise")[-1], of_kind(cells, "solution")[0]
    mine = {name for name in names_set(stub) if name.startswith("my_")} or names_set(stub)
    assert not names_set(stub) & names_set(solution)
    assert not mine & {node.id for node in ast.walk(ast.parse(solution)) if isinstance(node, ast.Name)}


@pytest.mark.parametrize("cells", all_exercises())
def test_stub_is_not_solved(cells):
    """What the check says of the stub is kept with the notebook, and compared whenever the notebooks are tested."""
    (check,) = (cell for cell in cells if {"check", "nbval-check-output", "keep_output"} <= tags(cell))
    assert "".join(output.get("text", "") for output in check.outputs).startswith("Not yet: ")


@pytest.mark.parametrize(
    ("answer", "truth", "close"),
    [
        (1.0, 1.0 + 1e-9, True),
        (1.0, 1.1, False),
        ([1, 2], np.array([1.0, 2.0]), True),
        (torch.ones(2, requires_grad=True), [1, 1], True),
        (1.0, [1.0, 1.0], False),
        ([1, [2]], 1.0, False),
        (None, 0.0, False),
        ("one", 1.0, False),
        (np.nan, np.nan, False),
        (ValueError("no"), 1.0, False),
    ],
)
def test_is_close_compares_numbers_and_refuses_all_else(answer, truth, close):
    assert is_close(answer, truth) is close


def test_attempt_hands_back_what_went_wrong():
    assert attempt(lambda x: x + 1, 1) == 2
    assert isinstance(attempt(lambda: 1 / 0), ZeroDivisionError)
    assert isinstance(attempt(None), TypeError)


def test_verdict_gives_the_first_reason_that_applies(capsys):
    assert not verdict([(False, "no"), (True, "this"), (True, "that")], right="good")
    assert capsys.readouterr().out == "Not yet: this\n"
    assert verdict([(False, "no")], right="good")
    assert capsys.readouterr().out == "Right: good\n"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem[:2])
def test_no_later_cell_changes_what_a_slider_draws(path):
    """Who runs all cells and then moves a slider calls its function with the names as they are at the end."""
    cells = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    for i, source in enumerate(cells):
        for name in re.findall(r"\bslide\((\w+), \w+=\(", source):
            before = symtable.symtable("\n".join(cells[: i + 1]), path.name, "exec")
            used = {used for part in before.get_children() if part.get_name() == name for used in part.get_globals()}
            assert used, f"{name} is not defined before its slider"
            changed = {each for later in cells[i + 1 :] for each in names_set(later)} & used
            assert not changed, f"the slider of {name} needs {changed}"


def test_sliders_draw_once_where_ipywidgets_is_missing(monkeypatch, capsys):
    from workshop_utils.sliders import slide

    drawn = []
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    slide(lambda z, rate: drawn.append((z, rate)), z=(2.0, 0, 5, 0.1), rate=(0.1, 0, 1, 0.1))
    assert drawn == [(2.0, 0.1)] and "pip install ipywidgets" in capsys.readouterr().out
    monkeypatch.undo()
    slide(lambda z: drawn.append(z), z=(1.5, 0, 5, 0.1))
    if not version("ipywidgets").startswith("7."):  # which calls it in a kernel only
        assert drawn[-1] == 1.5  # ipywidgets calls it, too
