"""Write the notebooks for those who take the course, who teach it, and who watch.

    python tools/publish.py student             without solutions and speaker notes, into _build/student
    python tools/publish.py instructor          with both in view, into _build/instructor
    python tools/publish.py slides [ci|laptop|gpu]   reveal.js pages that need no network, into _build/slides

All come from the one source, notebooks/, by the tags of its cells (CONTRIBUTING.md lists them).
"""

import importlib.util
import math
import pathlib
import re
import shutil
import sys

import nbformat
from fold_solutions import FOLDED
from launch_cell import notebooks
from nbconvert import SlidesExporter
from pages import link_to_repository, still_widgets, tags
from run_course import BUILD, PROFILES, ROOT, executed

from workshop_utils.sources import write_text

# For learners and instructors ------------------------------------------------------------------------


def student(book):
    """Leave out solutions and speaker notes."""
    book.cells = [cell for cell in book.cells if not tags(cell) & {"solution", "speaker-notes"}]
    return book


def instructor(book):
    """Open every solution, check and speaker note."""
    for cell in book.cells:
        if tags(cell) & {"solution", "check", "speaker-notes"}:
            for key in FOLDED:
                cell.metadata.pop(key, None)
            cell.source = opened(cell.source)
    return book


def opened(text, most=-1):
    """Unfold what is folded in a text, or the first so many parts."""
    return text.replace("<details>", "<details open>", most)


def write_notebooks(name, edit):
    """Write every notebook, edited, into the folder `name` of _build; return the paths."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for path in notebooks():
        book = edit(nbformat.read(path, as_version=4))
        for cell in book.cells:
            if cell.cell_type == "markdown":
                cell.source = link_to_repository(cell.source)
        write_text(folder / path.name, nbformat.writes(book) + "\n")
    return sorted(folder.glob("*.ipynb"))


# Slides -------------------------------------------------------------------------------------------------

ROOM = 19  # lines of text that fit on a slide
FIGURE = 12  # lines that a figure takes
SETTINGS = """
window.MathJax = {tex: {inlineMath: [["$", "$"], ["\\\\(", "\\\\)"]]}, svg: {fontCache: "global"}};
const fit = ({currentSlide: slide}) => {
  const zoom = Math.max(0.7, Math.min(1, 720 / slide.scrollHeight));
  slide.style.zoom = zoom;
  slide.style.maxHeight = `${720 / zoom}px`;  // what is still too long, scrolls
};
Reveal.on("ready", fit);
Reveal.on("slidechanged", fit);
Reveal.initialize({width: 1280, height: 720, margin: 0.04, center: false, hash: true, slideNumber: "c/t",
                   transition: "none", navigationMode: "linear", plugins: [RevealNotes]});
"""


def has_figure(cell):
    """Whether a cell drew a picture."""
    pages = [output.get("data", {}) for output in cell.get("outputs", [])]
    return any("image/png" in page or "<img" in page.get("text/html", "") for page in pages)


def lines(cell):
    """Lines that a cell takes on a slide, about."""
    if has_figure(cell):
        return FIGURE
    if cell.cell_type == "markdown":
        paragraphs = re.split(r"\n(?=\n|[*#] |\d\.)", cell.source)
        return 1 + sum(math.ceil(max(len(paragraph), 1) / 90) for paragraph in paragraphs)
    text = cell.source.splitlines()
    for output in cell.get("outputs", []):
        text += str(output.get("text", output.get("data", {}).get("text/plain", ""))).splitlines()
    return 1 + len(text)


def split_at_headings(cell):
    """Cut a text that runs on into the next section in two."""
    if cell.cell_type != "markdown":
        return [cell]
    parts = re.split(r"\n(?=##+ )", cell.source)
    return [nbformat.v4.new_markdown_cell(part.strip(), metadata=dict(cell.metadata)) for part in parts]


def slides(book):
    """Give each cell its place in the slides: what its metadata say, else as headings and room suggest."""
    book = still_widgets(book)
    out = {"solution", "check"}
    cells = [cell for cell in book.cells if cell.get("id") not in ("links", "launch") and not tags(cell) & out]
    book.cells = [part for cell in cells for part in split_at_headings(cell)]
    used, after_figure = 0, False
    for cell in book.cells:
        kind = cell.metadata.get("slideshow", {}).get("slide_type") or "-"
        if "speaker-notes" in tags(cell):
            kind, cell.source = "notes", opened(cell.source)
        elif "question" in tags(cell):  # a vote: the options in view, the answer after a click
            kind, cell.source = "subslide", opened(cell.source, 1)
        elif "exercise" in tags(cell) and cell.cell_type == "code":
            kind = "skip"
        elif kind == "-" and cell.cell_type == "markdown" and cell.source.startswith("#"):
            kind = "subslide" if cell.source.startswith("###") else "slide"
        elif kind == "-" and (has_figure(cell) or used + lines(cell) > ROOM + 3 * after_figure):
            kind = "subslide"
        if kind in ("slide", "subslide"):
            used = 0
        if kind not in ("notes", "skip"):
            used += lines(cell)
            after_figure = has_figure(cell)  # what to see in it may be a little long and stays beside it
        cell.metadata["slideshow"] = {"slide_type": kind}
        if cell.get("outputs") and "show-code" not in tags(cell):
            cell.metadata["transient"] = {"remove_source": True}  # what it shows says enough
    return book


def package_file(package, path):
    """Text of a file that a package brings, without importing the package."""
    folder = pathlib.Path(importlib.util.find_spec(package).submodule_search_locations[0])
    return (folder / path).read_text(encoding="utf-8")


def bundle():
    """Styles and scripts that every page of slides carries inside it."""
    reveal = "_static/revealjs/"
    scripts = [package_file("sphinx_revealjs", reveal + name) for name in ("dist/reveal.js", "plugin/notes/notes.js")]
    scripts += [SETTINGS, package_file("sphinx-mathjax-offline", "static/mathjax/tex-svg.js")]
    styles = [package_file("sphinx_revealjs", reveal + "dist/reveal.css")]
    styles += [(ROOT / "tools" / "slides" / "slides.css").read_text(encoding="utf-8")]
    return {"css": styles, "js": [script.replace("</script", "<\\/script") for script in scripts]}


def write_slides(profile):
    """Write a page of slides for every notebook, with the outputs of its last run; return the paths."""
    folder = BUILD / "slides"
    folder.mkdir(parents=True, exist_ok=True)
    exporter = SlidesExporter(template_name="slides", extra_template_basedirs=[str(ROOT / "tools")])
    for path in executed(profile):
        resources = {"metadata": {"name": path.stem}, "bundle": bundle()}
        page, _ = exporter.from_notebook_node(slides(nbformat.read(path, as_version=4)), resources)
        write_text(folder / f"{path.stem}.html", page)
    return sorted(folder.glob("*.html"))


def main(what="", profile="laptop"):
    """Write one kind of pages and say where they are."""
    if what == "slides" and profile in PROFILES:
        paths = write_slides(profile)
    elif what in ("student", "instructor"):
        paths = write_notebooks(what, {"student": student, "instructor": instructor}[what])
    else:
        sys.exit(__doc__)
    print("\n".join(str(path.relative_to(ROOT)) for path in paths))


if __name__ == "__main__":
    main(*sys.argv[1:])
