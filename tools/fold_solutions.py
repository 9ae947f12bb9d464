"""Fold every solution, in the words of JupyterLab, Colab and Kaggle, and note it in the notebooks.

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


def fold(book):
    """Fold the code and the outputs of all solutions of a notebook."""
    for cell in book.cells:
        if cell.cell_type == "code" and "solution" in tags(cell):
            cell.metadata.update(FOLDED)
    return book


if __name__ == "__main__":
    for path in notebooks():
        write_text(path, nbformat.writes(fold(nbformat.read(path, as_version=4))) + "\n")
        print(path.relative_to(ROOT))
