"""The estimates of a learner's minutes, the timetables cut from them, and the questions on the way."""

import re
from pathlib import Path

import minutes
import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "INSTRUCTORS.md").read_text(encoding="utf-8")
BOOKS = {path.stem: nbformat.read(path, 4) for path in minutes.notebooks()}
QUESTION = re.compile(
    r"<details><summary><b>Check yourself\.</b> [^`*]+?</summary>\n\n"
    r"\* \*\*A\*\* .+?\n\* \*\*B\*\* .+?\n\* \*\*C\*\* .+?\n\* \*\*D\*\* .+?\n\n"
    r"<details><summary>Answer</summary>\n\n\*\*([A-D])\*\*: \S.*?\n\n(.+)\n\n</details>\n\n</details>",
    re.DOTALL,
)


def questions(book):
    return [cell.source for cell in book.cells if "question" in cell.metadata.get("tags", [])]


def test_every_kind_of_cell_is_counted_in_its_place():
    """Words, lines, a prediction, a question, and an exercise with what belongs to it; a solution is not."""
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("# Title\n\n" + "word " * 198),
        new.new_markdown_cell("## 1. First\n\n<details>" + "folded " * 100 + "</details>"),
        new.new_code_cell("a = 1\n\nb = 2"),
        new.new_markdown_cell("### Exercise 1: Try (easy)", metadata={"tags": ["exercise"]}),
        new.new_code_cell("x = None", metadata={"tags": ["exercise"]}),
        new.new_code_cell("x = 1", metadata={"tags": ["solution"]}),
        new.new_markdown_cell("**Predict first.** Why?"),
        new.new_markdown_cell("**Check yourself.** Which?", metadata={"tags": ["question"]}),
    ]
    table = minutes.minutes(new.new_notebook(cells=cells)).set_index("section")
    assert table.reading["Title"] == pytest.approx(200 / 200)
    assert table.loc["1. First", ["reading", "code", "work"]].tolist() == pytest.approx([9 / 200, 2 / 20, 1.5])
    assert table.loc["Exercise 1: Try (easy)", ["code", "work"]].tolist() == pytest.approx([1 / 20, 5])


def test_table_of_instructors_is_what_the_tool_counts():
    written = PAGE.split(minutes.BEGIN)[1].split(minutes.END)[0].strip()
    assert written == minutes.markdown(minutes.summary()), "run: python tools/minutes.py --write"


def test_no_block_of_the_timetables_is_longer_than_90_minutes():
    """From one line in italics (a break, lunch, the end) to the next."""
    for table in (part.split("\n\n**")[0] for part in PAGE.split("| Start | What |")[1:]):
        rows = re.findall(r"^\| (\d+):(\d\d) \| (.*?) \|", table, re.MULTILINE)
        assert len(rows) > 5 and rows[-1][2].startswith("*end")
        since = None
        for hour, minute, what in rows:
            now = 60 * int(hour) + int(minute)
            since = now if since is None else since
            if what.startswith("*"):
                assert 0 < now - since <= 90, f"{what}: {now - since} minutes"
                since = None


@pytest.mark.parametrize("name", [name for name in BOOKS if name[:2] not in ("00", "09")])
def test_questions_have_four_options_and_a_reason_for_each(name):
    asked = questions(BOOKS[name])
    assert 4 <= len(asked) <= 6
    right = []
    for question in asked:
        found = QUESTION.fullmatch(question)
        assert found, question
        right.append(found[1])
        wrong = re.findall(r"^\* \*\*([A-D])\*\*: \S", found[2], re.MULTILINE)
        assert wrong == [letter for letter in "ABCD" if letter != found[1]], question
    assert len(set(right)) >= 3, f"the right letters are {right}: one could guess"


@pytest.mark.parametrize("name", BOOKS)
def test_less_to_read(name):
    """At most 4,200 words are in view at first."""
    assert minutes.minutes(BOOKS[name]).reading.sum() * minutes.WORDS <= 4200
