"""The table of results: what the paper reports, what networks reach on the simulated sky, and on the real one.

Networks are there twice: as trained live in a notebook, within minutes, and as they ship. (For waves the live CNN has
the paper's full layers, the shipped one is `StrainCNN`: the same convolutions, begun as templates.)
"""

from workshop_utils.scores import binomial_error

HEAD = ["", "the paper", "simulated, live", "simulated, shipped", "real sky, shipped"]
# section of results.json, its key, what the learner reads, what the paper reports
ROWS = [
    ("redshift_cnn_mse", "accuracy_6000", "redshift within 6,000 km/s: the paper's CNN", "> 97 %"),
    ("redshift_cnn", "accuracy_6000", "redshift within 6,000 km/s: CNN with P(z)", "-"),
    ("redshift_shift", "accuracy_6000", "redshift within 6,000 km/s: shift network", "-"),
    ("quasar_or_galaxy", "accuracy", "quasar or galaxy", "> 80 %"),
    ("any_object", "accuracy", "quasar, galaxy, star or nothing", "-"),
    ("gravitational_waves_cnn", "accuracy", "gravitational waves: CNN (ships as StrainCNN)", "> 80 %"),
    ("gravitational_waves_cnn", "auc", "area under ROC curve: CNN (ships as StrainCNN)", "-"),
    ("gravitational_waves", "accuracy", "gravitational waves: matched-filter network", "-"),
    ("gravitational_waves", "auc", "area under ROC curve: matched-filter network", "-"),
    ("black_holes", "coverage_90", "black holes: mass inside its 90 % interval", "-"),
]


def live_and_shipped(section):
    """Scores of the network that the notebook trained, and of the one that ships; {} for the one that is not there.

    A section holds the scores of one of the two, and the other's under its name.
    """
    if "checkpoint" in section:
        return section, section["checkpoint"]
    if "live" in section:
        return section["live"], section
    ships = section.get("real", {}).get("network") == "checkpoint"
    return ({}, section) if ships else (section, {})


def measured(values, key):
    """A score as text, with its error and the number of objects: "98.1 ± 0.9 % of 216"; "-" if there is none."""
    if key not in values:
        return "-"
    value, n = values[key], values.get("n")
    error = values.get(f"{key}_error")
    if key == "auc":
        text = f"{value:.3f}" + (f" ± {error:.3f}" if error else "")  # no scatter among a few is no certainty
    else:
        error = error or (binomial_error(value, n) if n else None)
        text = f"{100 * value:.1f}" + (f" ± {100 * error:.1f} %" if error else " %")
    return text + (f" of {n:,}" if n else "")


def rows(results):
    """The table, a list of texts for each row of a section in `results`."""
    table = []
    for section, key, title, paper in ROWS:
        if values := results.get(section):
            live, shipped = live_and_shipped(values)
            found = [measured(scores, key) for scores in (live, shipped, values.get("real", {}))]
            table.append([title, paper, *found])
    return table


def plain(results):
    """The table for a terminal."""
    form = "{:<46} {:>9}   {:>21}   {:>21}   {:>19}".format
    return "\n".join(form(*row) for row in [HEAD, *rows(results)])


def markdown(results):
    """The table for a page."""
    lines = [HEAD, ["---"] * len(HEAD), *rows(results)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
