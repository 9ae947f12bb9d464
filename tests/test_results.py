"""The table of results, in the terminal and in README.md."""

import json
import math
import re

import pytest
import readme_results
from pages import between
from results_table import HEAD, ROWS, live_and_shipped, markdown, measured, plain, rows

from workshop_utils.scores import binomial_error

README = (readme_results.ROOT / "README.md").read_text(encoding="utf-8")
CARDS = {path.stem: json.loads(path.read_text()) for path in (readme_results.ROOT / "data/checkpoints").glob("*.json")}


def test_scores_carry_their_error_and_their_number():
    assert measured({"accuracy": 0.9, "n": 100}, "accuracy") == "90.0 ± 3.0 % of 100"
    assert measured({"accuracy": 0.9, "accuracy_error": 0.01, "n": 5000}, "accuracy") == "90.0 ± 1.0 % of 5,000"
    assert measured({"auc": 0.85, "auc_error": 0.01, "n": 20}, "auc") == "0.850 ± 0.010 of 20"
    assert measured({"auc": 1.0, "auc_error": 0.0, "n": 20}, "auc") == "1.000 of 20"
    assert measured({}, "auc") == "-"


def test_live_and_shipped_networks_are_told_apart():
    one, other = {"accuracy": 0.5}, {"accuracy": 0.9}
    assert live_and_shipped(one | {"checkpoint": other})[1] == other
    assert live_and_shipped(one | {"live": other})[0] == other
    assert live_and_shipped(one) == (one, {})
    ships = one | {"real": {"network": "checkpoint"}}
    assert live_and_shipped(ships) == ({}, ships)


def test_a_row_for_each_score_that_was_recorded():
    real = {"accuracy": 0.75, "n": 4, "network": "checkpoint"}
    results = {"quasar_or_galaxy": {"accuracy": 0.5, "n": 4, "checkpoint": {"accuracy": 0.25, "n": 4}, "real": real}}
    (row,) = rows(results)
    assert row == ["quasar or galaxy", "> 80 %", "50.0 ± 25.0 % of 4", "25.0 ± 21.7 % of 4", "75.0 ± 21.7 % of 4"]
    assert plain(results).count("\n") == 1 and "of 4" in plain(results)
    assert f"| {' | '.join(row)} |" in markdown(results)


def test_the_block_of_the_readme_is_replaced_and_nothing_else():
    marked = f"a\n{readme_results.BEGIN}\nold\n{readme_results.END}\nb\n"
    assert between(marked, readme_results.BEGIN, readme_results.END, "new") == marked.replace("old", "new")


SHOWN = [row for row in ROWS if row[0] in CARDS]


@pytest.mark.parametrize(("section", "key", "title", "paper"), SHOWN, ids=[row[2] for row in SHOWN])
def test_readme_shows_what_the_cards_of_the_networks_say(section, key, title, paper):
    """Not the same test set, so not the same digits: they may differ as two measurements may."""
    (line,) = re.findall(rf"^\| {re.escape(title)} \|.*$", README, flags=re.MULTILINE)
    shown = line.strip("| ").split(" | ")[HEAD.index("simulated, shipped")]
    number, error, n = re.match(r"([\d.]+) ± ([\d.]+)(?: %)? of ([\d,]+)$", shown).groups()
    number, n, scale = float(number), int(n.replace(",", "")), 1 if key == "auc" else 100
    card = CARDS[section]["test"]
    one = float(error) if key == "auc" else 100 * binomial_error(number / 100, n)
    assert abs(number - scale * card[key]) < 3 * one * math.sqrt(1 + n / card["n"])
