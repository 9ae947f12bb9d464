#!/usr/bin/env python3
"""How many minutes a learner needs for each notebook, section and exercise, estimated the same way for all.

    python tools/minutes.py            print them
    python tools/minutes.py --write    write the table of notebooks into INSTRUCTORS.md

Words that are not folded away: 200 a minute. Code that is shown: 20 lines a minute. A question: 1 minute. A prediction:
half a minute. An exercise: by its level, on top of its words. Computing is not counted (see INSTRUCTORS.md).
"""

import argparse
import pathlib
import re

import nbformat
import pandas as pd
from launch_cell import notebooks
from pages import between, tags

from workshop_utils.sources import write_text

WORDS, LINES = 200, 20  # a minute
QUESTION, PREDICTION = 1, 0.5  # minutes
LEVELS = {"easy": 5, "medium": 9, "open-ended": 13}  # minutes for an exercise
HEADING = r"^##? .*|^### Exercise .*"
OUT_OF_SIGHT = {"solution", "speaker-notes", "check"}
PAGE = pathlib.Path(__file__).resolve().parents[1] / "INSTRUCTORS.md"
BEGIN, END = "<!-- written by tools/minutes.py -->", "<!-- until here -->"
FOLDED = re.compile(r"<details>(?:(?!<details>).)*?</details>", re.DOTALL)  # the innermost


def minutes(book):
    """A row for each section and exercise of a notebook: name, and minutes to read, for code, to think and write."""
    rows, section = [], 0
    for cell in book.cells:
        if tags(cell) & OUT_OF_SIGHT or "Open in Binder" in cell.source or cell.get("id") == "launch":
            continue
        heading = cell.cell_type == "markdown" and re.search(HEADING, cell.source, re.MULTILINE)
        if heading:
            rows.append({"section": heading[0].lstrip("# "), "reading": 0.0, "code": 0.0, "work": 0.0})
            level = re.search(r"^### .*\((.*)\)$", heading[0])
            rows[-1]["work"] = LEVELS[level[1]] if level else 0
            section = section if level else len(rows) - 1
        row = rows[-1 if "exercise" in tags(cell) else section]
        if cell.cell_type == "markdown":
            row["reading"] += len(unfolded(cell.source).split()) / WORDS
            row["work"] += QUESTION * ("question" in tags(cell)) + PREDICTION * cell.source.count("**Predict first")
        else:
            row["code"] += sum(bool(line.strip()) for line in cell.source.splitlines()) / LINES
    table = pd.DataFrame(rows)
    return table.assign(minutes=table.reading + table.code + table.work)


def unfolded(text):
    """A text without what stands folded in <details>.

    >>> unfolded("a <details>b <details>c</details> d</details> e")
    'a  e'
    """
    while FOLDED.search(text):
        text = FOLDED.sub("", text)
    return text


def summary():
    """A row for each notebook: minutes to read, for code, for questions and exercises, and in all, rounded."""
    rows = {path.stem: minutes(nbformat.read(path, 4)).sum(numeric_only=True) for path in notebooks()}
    return pd.DataFrame(rows).T.round().astype(int)


def markdown(table):
    """The table for INSTRUCTORS.md."""
    lines = ["| Notebook | Reading | Code | Questions and exercises | In all |", "|---|---|---|---|---|"]
    for name, row in table.iterrows():
        cells = " | ".join(f"{value} min" for value in (row.reading, row.code, row.work, row.minutes))
        lines.append(f"| {name[:2]} {name[3:].replace('_', ' ')} | {cells} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="write the table of notebooks into INSTRUCTORS.md")
    if parser.parse_args().write:
        write_text(PAGE, between(PAGE.read_text(encoding="utf-8"), BEGIN, END, markdown(summary())))
        return
    for path in notebooks():
        table = minutes(nbformat.read(path, 4)).set_index("section")
        print(f"\n{path.stem}: {table.minutes.sum():.0f} minutes\n{table.round(1).to_string()}")


if __name__ == "__main__":
    main()
