"""Write the launch cell and the links to Colab and Binder into every notebook.

    python tools/launch_cell.py

Owner and name of the repository stand in one place: [project.urls] of pyproject.toml.
"""

import os
import pathlib
import tomllib

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

ROOT = pathlib.Path(__file__).resolve().parents[1]

CELL = """\
# On Colab and Kaggle this cell installs the course's package. Anywhere else it does nothing.
import os
import subprocess
import sys

if "google.colab" in sys.modules or os.path.isdir("/kaggle/working"):
    source = "git+{repository}"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", source]
    done = subprocess.run(pip, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr)
        raise RuntimeError("No package. On Kaggle, switch on Settings -> Internet; then run this cell again.")
"""

LINKS = (
    "Open this notebook in "
    "[Colab](https://colab.research.google.com/github/{slug}/blob/main/notebooks/{name}) "
    "or on [Binder](https://mybinder.org/v2/gh/{slug}/main?urlpath=lab/tree/notebooks/{name})"
)


def notebooks():
    """Paths of the course's notebooks, in the order of the lessons."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def repository():
    """Address of the repository, as pyproject.toml gives it."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"]


def launch_cell():
    """Source of the first code cell of every notebook."""
    return CELL.format(repository=repository()).strip()


def links(path):
    """Markdown line that stands at the top of the notebook at `path`."""
    slug = repository().removeprefix("https://github.com/")
    return LINKS.format(slug=slug, name=path.name)


def write_cells(path):
    """Put the links first and the launch cell before all other code of one notebook."""
    book = nbformat.read(path, as_version=4)
    book.cells = [cell for cell in book.cells if cell.get("id") != "links"]
    skip = {"slideshow": {"slide_type": "skip"}}
    book.cells.insert(0, new_markdown_cell(links(path), id="links", metadata=skip))
    first = next((i for i, cell in enumerate(book.cells) if cell.cell_type == "code"), len(book.cells))
    if first < len(book.cells) and "google.colab" in book.cells[first].source:
        del book.cells[first]
    book.cells.insert(first, new_code_cell(launch_cell(), id="launch", metadata=skip))
    part = path.with_suffix(".part")
    nbformat.write(book, part)
    os.replace(part, path)


if __name__ == "__main__":
    for path in notebooks():
        write_cells(path)
        print(path.relative_to(ROOT))
