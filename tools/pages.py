"""A notebook with its outputs as a page that stands alone: one file, no network, no kernel.

Formulas become MathML, which browsers draw by themselves; solutions and hints are folded.
"""

import copy
import pathlib
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import nbformat
from latex2mathml.converter import convert
from launch_cell import repository
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

WIDGETS = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def tags(cell):
    """Tags of a cell, as a set."""
    return set(cell.metadata.get("tags", []))


def between(text, begin, end, block):
    """A text with a block put between two marks, in place of what stood there."""
    return f"{text.split(begin)[0]}{begin}\n{block}\n{end}{text.split(end)[1]}"


# What a reader meets -------------------------------------------------------------------------------------


def for_reading(book):
    """A notebook as a page: no speaker notes nor launch cell, still figures, no pictures from elsewhere."""
    book = still_widgets(book)
    book.cells = [cell for cell in book.cells if "speaker-notes" not in tags(cell) and cell.get("id") != "launch"]
    for cell in book.cells:
        if cell.cell_type == "markdown":
            cell.source = without_badges(cell.source)
    return book


def without_badges(text):
    """Put a badge's words in its place: [![Colab](https://...svg)](link) becomes [Colab](link)."""
    return re.sub(r"!\[([^]]*)\]\(https?://[^)]*\)", r"\1", text)


def link_to_repository(text):
    """Lead links out of the folder of the notebooks to the repository."""
    return text.replace("](../", f"]({repository()}/blob/main/")


def still_widgets(book):
    """Put the figure that each widget showed last in the widget's place: no kernel is there to move it."""
    models = book.metadata.pop("widgets", {}).get(WIDGETS, {}).get("state", {})
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [still for output in cell.outputs for still in shown(output, models)]
    return book


def shown(output, models):
    """Outputs that stand in for one output: itself, or what its widget showed with a line that says so."""
    if VIEW not in output.get("data", {}):
        return [output]
    figures = drawn(output["data"][VIEW]["model_id"], models)
    note = {"text/markdown": "*In the running notebook, sliders move this figure.*"}
    return figures and [*figures, nbformat.v4.new_output("display_data", note)]


def drawn(model, models):
    """Outputs inside a widget and its children."""
    state = models.get(model, {}).get("state", {})
    inside = [child.removeprefix("IPY_MODEL_") for child in state.get("children", [])]
    outputs = [nbformat.from_dict(output) for output in state.get("outputs", [])]
    return outputs + [output for child in inside for output in drawn(child, models)]


# The page ------------------------------------------------------------------------------------------------


class Renderer(IPythonRenderer):
    """Markdown to HTML, formulas as MathML."""

    def inline_math(self, body):
        """Convert a formula that stands in a line."""
        return convert(body)

    def block_math(self, body):
        """Convert a formula that stands by itself."""
        return convert(body, display="block")


def to_html(text):
    """Convert Markdown to HTML as a browser without a network can draw it."""
    return MarkdownWithMath(renderer=Renderer(escape=False, exclude_anchor_links=True)).render(text)


def page(book, name):
    """HTML of a notebook, which is left as it is."""
    book = for_reading(copy.deepcopy(book))
    for cell in book.cells:
        if cell.cell_type == "markdown":  # the pages of the other notebooks lie beside this one
            cell.source = link_to_repository(re.sub(r"\]\((\d\d_\w+)\.ipynb", r"](\1.html", cell.source))
    exporter = HTMLExporter(
        template_name="page",
        extra_template_basedirs=[str(pathlib.Path(__file__).parent)],
        filters={"markdown2html": to_html},
    )
    return exporter.from_notebook_node(book, {"metadata": {"name": name}})[0]


# What is wrong with pages --------------------------------------------------------------------------------


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
    """Links of a folder of pages that lead nowhere inside it, and what its pages load from elsewhere."""
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
