"""Notebooks for learners and instructors, slides and site, made from the one source."""

import dis
import importlib.util
import re
import types

import nbformat
import pages
import publish
import pytest
from bs4 import BeautifulSoup
from fold_solutions import FOLDED, fold
from launch_cell import notebooks
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

each_notebook = pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
needs_site = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("sphinx_revealjs", "sphinx-mathjax-offline"))),
    reason="needs the extra 'site': pip install -e '.[site]'",
)


def read(path):
    return nbformat.read(path, as_version=4)


def names(cells, *operations):
    """Global names that code cells load, or store, by the operations of Python's byte code."""
    codes = [compile(cell.source, "cell", "exec") for cell in cells if cell.cell_type == "code"]
    for code in codes:  # grows on the way
        codes += [inside for inside in code.co_consts if isinstance(inside, types.CodeType)]
    return {step.argval for code in codes for step in dis.get_instructions(code) if step.opname in operations}


@each_notebook
def test_learners_get_all_but_solutions_and_speaker_notes(path):
    source, student = read(path), publish.student(read(path))
    assert not [cell for cell in student.cells if pages.tags(cell) & {"solution", "speaker-notes"}]
    kept = [cell.source for cell in source.cells if not pages.tags(cell) & {"solution", "speaker-notes"}]
    assert [cell.source for cell in student.cells] == kept
    nbformat.validate(student)


@each_notebook
def test_no_cell_leans_on_a_solution(path):
    cells = read(path).cells
    solutions = [cell for cell in cells if "solution" in pages.tags(cell)]
    others = [cell for cell in cells if "solution" not in pages.tags(cell)]
    only_there = names(solutions, "STORE_NAME") - names(others, "STORE_NAME")
    assert not only_there & names(others, "LOAD_NAME", "LOAD_GLOBAL"), "the notebook without solutions would stop"


@each_notebook
def test_instructors_see_everything_open(path):
    book = publish.instructor(read(path))
    assert len(book.cells) == len(read(path).cells)
    shown = [cell for cell in book.cells if pages.tags(cell) & {"solution", "check", "speaker-notes"}]
    assert not [cell for cell in shown if set(FOLDED) & set(cell.metadata) or "<details>" in cell.source]


@each_notebook
def test_solutions_are_folded_for_jupyterlab_colab_and_kaggle(path):
    assert fold(read(path)) == read(path), "run python tools/fold_solutions.py"


def test_a_check_shows_what_it_says_but_not_its_code():
    check = [cell for cell in fold(example()).cells if "check" in pages.tags(cell)][0]
    assert check.metadata.jupyter == {"source_hidden": True}
    assert check.metadata["_kg_hide-input"] and "_kg_hide-output" not in check.metadata
    page = BeautifulSoup(pages.page(example(), "01_try"), "html.parser")
    code, output = page.select_one("details.check"), page.find("pre", string=re.compile("Not yet"))
    assert "42" in code.get_text() and "Not yet" not in code.get_text()
    assert not output.find_parent("details")


def test_a_widget_gives_way_to_the_figure_it_showed():
    figure = new_output("display_data", {"image/png": "iVBO", "text/plain": "<Figure>"})
    view = new_output("display_data", {pages.VIEW: {"model_id": "box"}, "text/plain": "interactive()"})
    states = {
        "box": {"state": {"children": ["IPY_MODEL_slider", "IPY_MODEL_output"]}},
        "slider": {"state": {"value": 1}},
        "output": {"state": {"outputs": [figure]}},
    }
    book = new_notebook(cells=[new_code_cell("interact(f)", outputs=[view]), new_code_cell("1", outputs=[figure])])
    book.metadata["widgets"] = {pages.WIDGETS: {"state": states}}
    pages.still_widgets(book)
    assert "widgets" not in book.metadata
    shown, plain = (cell.outputs for cell in book.cells)
    assert shown[0].data == figure.data and "sliders" in shown[1].data["text/markdown"]
    assert plain == [figure]


def example():
    """A small executed notebook with one cell of each kind."""
    figure = new_output("display_data", {"text/html": '<img src="data:image/png;base64,iVBO" alt="A line.">'})
    skip = {"slideshow": {"slide_type": "skip"}}
    cells = [
        new_markdown_cell("# Title\n\nText with $x$."),
        new_markdown_cell("said nowhere", metadata=skip),
        new_code_cell("code_of_a_figure()", outputs=[figure]),
        new_markdown_cell("What to see."),
        new_markdown_cell("whisper this", metadata={"tags": ["speaker-notes"]}),
        new_code_cell(
            "check(answer == 42)", metadata={"tags": ["check"]}, outputs=[new_output("stream", text="Not yet: why?")]
        ),
        new_code_cell(
            "the_answer = 42", metadata={"tags": ["solution"]}, outputs=[new_output("stream", text="42 it is")]
        ),
    ]
    return new_notebook(cells=cells)


@pytest.fixture(scope="module")
def course_pages(tmp_path_factory):
    """A page of every notebook as it is stored, in one folder."""
    folder = tmp_path_factory.mktemp("course")
    for path in notebooks():
        (folder / f"{path.stem}.html").write_text(pages.page(read(path), path.stem), encoding="utf-8")
    return folder


def test_pages_need_nothing_from_elsewhere(course_pages):
    assert not list(pages.broken(course_pages))


@each_notebook
def test_pages_draw_formulas_and_fold_solutions(course_pages, path):
    source = read(path)
    page = BeautifulSoup((course_pages / f"{path.stem}.html").read_text(encoding="utf-8"), "html.parser")
    code = [cell for cell in source.cells if cell.cell_type == "code" and "solution" in pages.tags(cell)]
    assert len(page.select(".celltag_solution.jp-CodeCell")) == len(code)
    assert not [cell for cell in page.select(".celltag_solution.jp-CodeCell") if not cell.find_parent("details")]
    assert not page.select("details[open]")
    checks = [cell for cell in source.cells if "check" in pages.tags(cell)]
    assert len(page.select(".celltag_check.jp-CodeCell > details.check")) == len(checks)
    shown = [cell.source for cell in source.cells if "speaker-notes" not in pages.tags(cell)]
    assert len(page.select("details")) == len(code + checks) + sum(text.count("<details>") for text in shown)
    for unread in page.select("pre, code, style"):
        unread.decompose()
    assert "$" not in page.get_text()


def test_a_page_keeps_outputs_and_their_words():
    text = pages.page(example(), "01_try")
    page = BeautifulSoup(text, "html.parser")
    assert [figure["alt"] for figure in page.select("img")] == ["A line."]
    assert page.select_one("math").get_text() == "x" and "whisper this" not in text
    assert "42" in page.select_one("details.solution .jp-OutputArea").get_text()


def test_slides_follow_headings_figures_and_tags():
    kinds = {cell.source: cell.metadata.slideshow.slide_type for cell in publish.slides(example()).cells}
    assert list(kinds.values()) == ["slide", "skip", "subslide", "-", "notes"]
    assert "the_answer = 42" not in kinds


@needs_site
def test_slides_need_nothing_from_elsewhere(tmp_path, monkeypatch):
    path = tmp_path / "01_try.ipynb"
    nbformat.write(example(), path)
    monkeypatch.setattr(publish, "executed", lambda profile: [path])
    monkeypatch.setattr(publish, "BUILD", tmp_path)
    (deck,) = publish.write_slides("ci")
    text = deck.read_text(encoding="utf-8")
    slides = text[text.index('<div class="slides">') : text.index("<script>", text.index('<div class="slides">'))]
    assert "whisper this" in slides and "What to see" in slides and 'alt="A line."' in slides
    assert not {"the_answer", "said nowhere", "code_of_a_figure"} & set(slides.replace("(", " ").split())
    page = pages.Page(deck)
    assert not [target for target in page.loads if target and not target.startswith("data:")]


def test_link_check_finds_what_is_broken(tmp_path):
    (tmp_path / "a.html").write_text('<h1 id="top">A</h1><a href="b.html#here">b</a><a href="https://x.org">out</a>')
    (tmp_path / "b.html").write_text('<p id="here">B</p><a href="a.html">a</a><img src="p.png"><a href="#here">up</a>')
    (tmp_path / "p.png").write_bytes(b"")
    assert not list(pages.broken(tmp_path))
    (tmp_path / "a.html").write_text('<a href="b.html#gone">b</a><script src="https://x.org/x.js"></script>')
    (tmp_path / "p.png").unlink()
    assert sorted(pages.broken(tmp_path)) == [
        "a.html links to b.html#gone",
        "a.html loads https://x.org/x.js",
        "b.html links to p.png",
    ]


@needs_site
def test_api_page_names_every_module():
    page = (publish.ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    package = publish.ROOT / "workshop_utils"
    modules = [".".join(path.relative_to(package).with_suffix("").parts) for path in package.rglob("[!_]*.py")]
    modules = [module for module in modules if not module.startswith("apply.")]  # those of the package itself
    assert not [module for module in modules if f"workshop_utils.{module}\n" not in page]
