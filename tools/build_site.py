"""Build the course's site, a static one that needs no network, and check that no link inside it is broken.

    python tools/build_site.py [ci|laptop|gpu]

Takes the notebooks as `make course` ran them, runs those that are absent or out of date, writes _build/site.
"""

import shutil
import sys

import nbformat
from pages import broken, for_reading, tags, without_badges
from run_course import BUILD, ROOT, executed
from sphinx.cmd.build import main as sphinx

SITE = BUILD / "site"
PAGES = BUILD / "site-source"
TOC = """
```{{toctree}}
:hidden:
:caption: {}

{}
```
"""
# Files that pages link to
LINKED = "LICENSE LICENSE-text CITATION.cff data/result.png".split()
TEXTS = "README.md INSTRUCTORS.md CONTRIBUTING.md data/README.md benchmarks/README.md".split()
TEXTS += ["docs/glossary.md", "docs/api.md"]


def folded(book):
    """A notebook as a page of the site, its solutions folded as MyST-NB does it."""
    book = for_reading(book)
    for cell in book.cells:
        if "solution" in tags(cell) and cell.cell_type == "code":
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-cell"]
    return book


def lay_out(notebooks):
    """Write the pages that Sphinx reads into _build/site-source, in the folders of the repository."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for name in LINKED + TEXTS:
        (PAGES / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, PAGES / name)
    (PAGES / "notebooks").mkdir()
    for path in notebooks:
        nbformat.write(folded(nbformat.read(path, as_version=4)), PAGES / "notebooks" / path.name)
    start = without_badges((PAGES / "README.md").read_text(encoding="utf-8"))
    (PAGES / "README.md").unlink()
    lessons = "\n".join(f"notebooks/{path.stem}" for path in notebooks)
    rest = "\n".join(name.removesuffix(".md") for name in TEXTS[1:])
    contents = TOC.format("The lessons", lessons) + TOC.format("Beside them", rest)
    (PAGES / "index.md").write_text(start + contents, encoding="utf-8")


def main(profile="laptop"):
    """Build and check; the exit status is 1 if Sphinx warned of anything or a link is broken."""
    lay_out(executed(profile))
    shutil.rmtree(SITE, ignore_errors=True)
    options = ["-q", "-W", "--keep-going", "-b", "html", "-c", ROOT / "docs", "-d", BUILD / "site-cache"]
    if status := sphinx([str(option) for option in [*options, PAGES, SITE]]):
        return status
    wrong = sorted(set(broken(SITE)))
    print("\n".join(wrong) or f"{len(list(SITE.rglob('*.html')))} pages, no broken link: {SITE / 'index.html'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
