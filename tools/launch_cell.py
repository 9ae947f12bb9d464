"""Write the launch cell, the badges of Binder, Colab and Kaggle and the link for feedback into every notebook.

    python tools/launch_cell.py
    python tools/launch_cell.py OWNER/NAME      first make this the repository, everywhere: for a fork

Owner and name of the repository stand in one place, [project.urls] of pyproject.toml, and so does the version.
"""

import pathlib
import re
import sys
import tomllib

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell

from workshop_utils.sources import write_text

ROOT = pathlib.Path(__file__).resolve().parents[1]

CELL = """\
# On Colab and Kaggle this cell installs the course's package, and leaves theirs as they are. Elsewhere it does nothing.
import os
import subprocess
import sys
import tempfile

if "google.colab" in sys.modules or os.path.isdir("/kaggle/working"):
    pip = [sys.executable, "-m", "pip"]
    with tempfile.NamedTemporaryFile("w", delete=False) as theirs:  # the versions to keep
        subprocess.run([*pip, "list", "--format=freeze"], stdout=theirs)
    install = [*pip, "install", "--quiet", "--constraint", theirs.name, "git+{repository}@{version}"]
    done = subprocess.run(install, capture_output=True, text=True)
    if done.returncode:
        print(done.stderr)
        raise RuntimeError("No package. On Kaggle: Session options (right), Internet on; then run this cell again.")
"""

# Badge, its picture, where it leads. Without a network the badge's name shows in the picture's place.
BADGES = [
    (
        "Binder",
        "https://mybinder.org/badge_logo.svg",
        "https://mybinder.org/v2/gh/{slug}/{version}?urlpath=lab/tree/notebooks/{name}",
    ),
    (
        "Colab",
        "https://colab.research.google.com/assets/colab-badge.svg",
        "https://colab.research.google.com/github/{slug}/blob/{version}/notebooks/{name}",
    ),
    (
        "Kaggle",
        "https://kaggle.com/static/images/open-in-kaggle.svg",
        "https://kaggle.com/kernels/welcome?src=https://github.com/{slug}/blob/{version}/notebooks/{name}",
    ),
]
# A form with the notebook and the version filled in (.github/ISSUE_TEMPLATE/feedback.yml).
FEEDBACK = """\
**How was it?** [Say what went wrong, or what could be clearer]({repository}/issues/new?template=feedback.yml&\
notebook={number}&version={version})
"""
# Besides the notebooks, the files that name the repository.
NAMED_IN = "pyproject.toml README.md CITATION.cff INSTRUCTORS.md CONTRIBUTING.md".split()


def notebooks():
    """Paths of the course's notebooks, in the order of the lessons."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def repository():
    """Address of the repository, as pyproject.toml gives it."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return tomllib.load(file)["project"]["urls"]["Repository"]


def version():
    """Tag of the version in pyproject.toml: a copy of a notebook in a drive meets the package it was made for."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        return "v" + tomllib.load(file)["project"]["version"]


def launch_cell():
    """Source of the first code cell of every notebook."""
    return CELL.format(repository=repository(), version=version()).strip()


def slug():
    """Owner and name of the repository, OWNER/NAME."""
    return repository().removeprefix("https://github.com/")


def links(path):
    """Markdown line of badges that stands at the top of the notebook at `path`."""
    badges = [f"[![Open in {site}]({picture})]({link})" for site, picture, link in BADGES]
    return " ".join(badges).format(slug=slug(), version=version(), name=path.name)


def feedback(path):
    """Last cell of the notebook at `path`: a link to the form for feedback."""
    return FEEDBACK.format(repository=repository(), number=path.name[:2], version=version()).strip()


def move(new):
    """Write OWNER/NAME of another repository wherever this one's stands, but in the notebooks."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", new):
        sys.exit(f"{new!r} is not of the form OWNER/NAME, as in {slug()}.")
    old = slug()
    for name in NAMED_IN:
        text = (ROOT / name).read_text(encoding="utf-8")
        write_text(ROOT / name, text.replace(old, new))


def write_readme():
    """Point the badges of README.md at the notebooks of this version."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    badges = links(notebooks()[0]).replace(") [!", ")\n[!")
    start, end = text.index("[![Open in Binder]"), text.index("\n", text.index("[![Open in Kaggle]"))
    write_text(ROOT / "README.md", text[:start] + badges + text[end:])


def write_cells(path):
    """Put the links first, the launch cell before all other code, and the link for feedback last in one notebook."""
    book = nbformat.read(path, as_version=4)
    book.cells = [cell for cell in book.cells if "](https://mybinder.org/" not in cell.source]
    book.cells = [cell for cell in book.cells if cell.get("id") != "feedback"]
    skip = {"slideshow": {"slide_type": "skip"}}
    book.cells.insert(0, new_markdown_cell(links(path), id="links", metadata=skip))
    first = next((i for i, cell in enumerate(book.cells) if cell.cell_type == "code"), len(book.cells))
    if first < len(book.cells) and "google.colab" in book.cells[first].source:
        del book.cells[first]
    book.cells.insert(first, new_code_cell(launch_cell(), id="launch", metadata=skip))
    book.cells.append(new_markdown_cell(feedback(path), id="feedback", metadata=skip))
    write_text(path, nbformat.writes(book) + "\n")


if __name__ == "__main__":
    for new in sys.argv[1:2]:
        move(new)
    write_readme()
    for path in notebooks():
        write_cells(path)
        print(path.relative_to(ROOT))
