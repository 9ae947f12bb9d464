"""Fold every solution, and the code of every check, in the words of JupyterLab, Colab and Kaggle, in the notebooks.

    python tools/fold_solutions.py

The texts beside the solutions fold by themselves: they stand in <details>.
"""

import nbformat
from launch_cell import ROOT, notebooks
from pages import tags

from workshop_utils.sources import write_text

# Colab folds the code only: its notebooks cannot say that an output is hidden.
FOLDED = {
    "jupyter": {"outputs_hidden": True, "source_hidden": True},
    "cellView": "form",
    "_kg_hide-input": True,
    "_kg_hide-output": True,
}
# What a check says stays in view; its code, which gives the answer away, does not.
CODE_FOLDED = {"jupyter": {"source_hidden": True}, "cellView": "form", "_kg_hide-input": True}


def fold(book):
    """Fold the code and the outputs of all solutions of a notebook, and the code of all checks."""
    for cell in book.cells:
        if cell.cell_type == "code" and tags(cell) & {"solution", "check"}:
            cell.metadata.update(FOLDED if "solution" in tags(cell) else CODE_FOLDED)
    return book


if __name__ == "__main__":
    for path in notebooks():
        write_text(path, nbformat.writes(fold(nbformat.read(path, as_version=4))) + "\n")
        print(path.relative_to(ROOT))
