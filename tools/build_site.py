"""Build the course's site, a static one that needs no network, and check that no link inside it is broken.

    python tools/build_site.py [ci|laptop|gpu]

Takes the notebooks as `make course` ran them, runs those that are absent or out of date, writes _build/site.
"""

import re
import shutil
import sys
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
from publish import still_widgets, tags
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


def for_reading(book):
    """A notebook as a page: no speaker notes, solutions folded, links without pictures from elsewhere."""
    book = still_widgets(book)
    book.cells = [cell for cell in book.cells if "speaker-notes" not in tags(cell) and cell.get("id") != "launch"]
    for cell in book.cells:
        if "solution" in tags(cell) and cell.cell_type == "code":
            cell.metadata["mystnb"] = {"code_prompt_show": "Show the solution", "code_prompt_hide": "Hide the solution"}
            cell.metadata["tags"] = [*cell.metadata["tags"], "hide-cell"]
        if cell.cell_type == "markdown":
            cell.source = without_badges(cell.source)
    return book


def without_badges(text):
    """Put a badge's words in its place: [![Colab](https://...svg)](link) becomes [Colab](link)."""
    return re.sub(r"!\[([^]]*)\]\(https?://[^)]*\)", r"\1", text)


def lay_out(notebooks):
    """Write the pages that Sphinx reads into _build/site-source, in the folders of the repository."""
    shutil.rmtree(PAGES, ignore_errors=True)
    for name in LINKED + TEXTS:
        (PAGES / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, PAGES / name)
    (PAGES / "notebooks").mkdir()
    for path in notebooks:
        nbformat.write(for_reading(nbformat.read(path, as_version=4)), PAGES / "notebooks" / path.name)
    start = without_badges((PAGES / "README.md").read_text(encoding="utf-8"))
    (PAGES / "README.md").unlink()
    lessons = "\n".join(f"notebooks/{path.stem}" for path in notebooks)
    rest = "\n".join(name.removesuffix(".md") for name in TEXTS[1:])
    contents = TOC.format("The lessons", lessons) + TOC.format("Beside them", rest)
    (PAGES / "index.md").write_text(start + contents, encoding="utf-8")


class Page(HTMLParser):
    """Anchors and targets of one page."""

    def __init__(self, path):
        super().__init__()
        self.anchors, self.links, self.loads = {""}, [], []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        """Note what the tag names, links to and loads."""
        attributes = dict(attributes)
        self.anchors |= {attributes.get("id"), attributes.get("name") if tag == "a" else None}
        if tag == "a":
            self.links.append(attributes.get("href") or "")
        elif tag in ("script", "img", "link", "source", "iframe"):
            self.loads.append(attributes.get("src") or attributes.get("href") or "")


def broken(folder):
    """Links of a static site that lead nowhere inside it, and what its pages load from elsewhere."""
    pages = {path: Page(path) for path in folder.rglob("*.html") if "_static" not in path.parts}
    for path, page in pages.items():
        for target in page.loads:
            if urlsplit(target).scheme in ("http", "https") or target.startswith("//"):
                yield f"{path.relative_to(folder)} loads {target}"
        for target in page.links + page.loads:
            url = urlsplit(target)
            if url.scheme or url.netloc:
                continue
            file = (path.parent / unquote(url.path)).resolve() if url.path else path
            file = file / "index.html" if file.is_dir() else file
            if not file.exists() or (file in pages and unquote(url.fragment) not in pages[file].anchors):
                yield f"{path.relative_to(folder)} links to {target}"


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
