"""Build the course's site, a static one that needs no network, and check that no link inside it is broken.

    python tools/build_site.py [ci|laptop|gpu]
    python tools/build_site.py --links      ask every link that leads elsewhere (needs the network), build no site

Takes the notebooks as `make course` ran them, runs those that are absent or out of date, writes _build/site. There the
first mention of a term of the glossary, in bold, leads to the glossary.
"""

import re
import shutil
import sys

import nbformat
from launch_cell import notebooks as sources
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
TEXTS += ["docs/trouble.md", "docs/next.md", "docs/glossary.md", "docs/api.md", "CODE_OF_CONDUCT.md"]
# Cells of a tag: what of them is folded, and how MyST-NB calls that
FOLDS = {"solution": ("the solution", "hide-cell"), "check": ("the code of the check", "hide-input")}
TERM = re.compile(r"^\*\*(.+?)\*\* \(", re.MULTILINE)  # in the glossary


def folded(book):
    """A notebook as a page of the site, its solutions and the code of its checks folded as MyST-NB does it."""
    book = for_reading(book)
    for cell in book.cells:
        for tag, (what, fold) in FOLDS.items():
            if tag in tags(cell) and cell.cell_type == "code":
                cell.metadata["mystnb"] = {f"code_prompt_{verb.lower()}": f"{verb} {what}" for verb in ("Show", "Hide")}
                cell.metadata["tags"] = [*cell.metadata["tags"], fold]
    return book


def anchor(term):
    """Name of a term's place in the glossary."""
    return "term-" + re.sub(r"\W+", "-", term.lower()).strip("-")


def with_anchors(glossary):
    """The glossary with a place to link to before each term; and {name: place}, for each of a term's names."""
    names = {name.strip().lower(): anchor(term) for term in TERM.findall(glossary) for name in term.split(",")}
    return TERM.sub(lambda found: f'<span id="{anchor(found[1])}"></span>{found[0]}', glossary), names


def with_terms(book, names):
    """A notebook in which the first mention of each term in bold leads to the glossary."""
    left = dict(names)

    def link(found):
        place = left.pop(found[1].lower(), None) or left.pop(found[1].lower().removesuffix("s"), None)
        return f'<a class="term" href="../docs/glossary.html#{place}">{found[0]}</a>' if place else found[0]

    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\*\*([^*\n]+?)\*\*", link, cell.source)
    return book


def lay_out(notebooks):
    """Write the pages that Sphinx reads into _build/site-source, in the folders of the repository."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for name in LINKED + TEXTS:
        (PAGES / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, PAGES / name)
    (PAGES / "notebooks").mkdir()
    glossary, names = with_anchors((ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
    (PAGES / "docs" / "glossary.md").write_text(glossary, encoding="utf-8")
    for path in notebooks:
        book = with_terms(folded(nbformat.read(path, as_version=4)), names)
        nbformat.write(book, PAGES / "notebooks" / path.name)
    start = without_badges((PAGES / "README.md").read_text(encoding="utf-8"))
    (PAGES / "README.md").unlink()
    lessons = "\n".join(f"notebooks/{path.stem}" for path in notebooks)
    rest = "\n".join(name.removesuffix(".md") for name in TEXTS[1:])
    contents = TOC.format("The lessons", lessons) + TOC.format("Beside them", rest)
    (PAGES / "index.md").write_text(start + contents, encoding="utf-8")


def main(profile="laptop"):
    """Build and check; the exit status is 1 if Sphinx warned of anything or a link is broken."""
    options = ["-q", "-W", "--keep-going", "-c", ROOT / "docs", "-d", BUILD / "site-cache", "-b"]
    if profile == "--links":
        lay_out(sources())
        return sphinx([str(option) for option in [*options, "linkcheck", PAGES, BUILD / "links"]])
    lay_out(executed(profile))
    shutil.rmtree(SITE, ignore_errors=True)
    options.append("html")
    if status := sphinx([str(option) for option in [*options, PAGES, SITE]]):
        return status
    wrong = sorted(set(broken(SITE)))
    print("\n".join(wrong) or f"{len(list(SITE.rglob('*.html')))} pages, no broken link: {SITE / 'index.html'}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
