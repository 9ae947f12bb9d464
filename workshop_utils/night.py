"""A night at the telescope (notebook 09): spectra, records of strain, and a judge who has no answers in clear.

`tools/make_night.py` makes both from a seed that is written down nowhere. What is right lies in data/night as hashes,
with a salt, of each answer that counts as right. So an answer can be judged, but not read.
"""

import hashlib
import json
import math
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from .networks import OBJECTS
from .sources import shipped

TASKS = ("class", "z", "time", "chirp mass")
# Width of the cells into which an answer is put, and how far from the truth it may be: ln(1 + z), s, ln(mass).
CELL = {"z": 0.002, "time": 0.005, "chirp mass": 0.01}
ALLOWED = {"z": 0.02, "time": 0.05, "chirp mass": 0.12}


class Night(NamedTuple):
    """What the telescope saw.

    Attributes
    ----------
    flux, ivar : (40, 4618) float32 arrays, on the grid of `spectra.LOGLAM`
    level : (40,) int array, 1 to 4: how hard each spectrum is meant to be
    records : list of 6 lists of paths, the files of H1 and L1 of each record, to be read by `find_mergers`
    """

    flux: np.ndarray
    ivar: np.ndarray
    level: np.ndarray
    records: list


def tonight():
    """The spectra and records of the night.

    >>> night = tonight()
    >>> night.flux.shape, len(night.records)
    ((40, 4618), 6)
    """
    arrays = load_file(shipped("night/spectra.safetensors"))
    records = [[shipped(f"night/record-{k}-{d}.hdf5") for d in ("H1", "L1")] for k in range(6)]
    return Night(arrays["flux"].astype("f4"), arrays["ivar"].astype("f4"), arrays["level"], records)


def cell(task: str, answer: Any):
    """The cell of an answer: a word itself, or the number of a small step of ln(1 + z), time or ln(mass).

    >>> cell("class", "star"), cell("z", 1.0)
    ('star', 347)
    """
    if isinstance(answer, str):
        return answer
    return round({"z": math.log1p, "time": float, "chirp mass": math.log}[task](answer) / CELL[task])


def cells(task: str, answer: Any):
    """Cells of all answers that are right where this one is true.

    >>> len(cells("z", 1.0)), cells("time", "none")
    (21, ['none'])
    """
    middle = cell(task, answer)
    if isinstance(middle, str):
        return [middle]
    reach = round(ALLOWED[task] / CELL[task])
    return list(range(middle - reach, middle + reach + 1))


def seal(salt: str, task: str, number: int, cell: int | str):
    """Hash of an answer in a cell, for the spectrum or record of this number."""
    return hashlib.sha256(f"{salt} {task} {number} {cell}".encode()).hexdigest()[:24]


def judge(spectra: dict, records: dict):
    """Judge the answers of a night: a point for what is right, one less for what is wrong, none for "I cannot tell".

    Parameters
    ----------
    spectra : dict
        Number of a spectrum (0 to 39) -> (class, z): "quasar", "galaxy", "star" or "nothing", and a redshift for
        quasars and galaxies; None for what you cannot tell. Numbers may be left out.
    records : dict
        Number of a record (0 to 5) -> (time, chirp mass): seconds from its start and solar masses in the detector's
        frame; ("none", None) if there is no merger; None for what you cannot tell.

    Returns
    -------
    pandas.DataFrame
        A row for each level and task: right and wrong answers, points, and `of`: how many points there were.

    Raises
    ------
    ValueError
        For a number that does not exist, or an answer that is none.

    >>> bool(judge({0: ("quasar", None)}, {}).points.abs().sum() == 1)
    True
    """
    sealed = json.loads(shipped("night/sealed.json").read_text(encoding="utf-8"))
    rows = []
    for numbers, answers, tasks in ((sealed["levels"], spectra, TASKS[:2]), (["strain"] * 6, records, TASKS[2:])):
        if not hasattr(answers, "items"):
            raise ValueError(f"give a dictionary, number -> ({tasks[0]}, {tasks[1]}), not {type(answers).__name__}.")
        checked = {number: _checked(number, pair, tasks, len(numbers)) for number, pair in answers.items()}
        for number, level in enumerate(numbers):
            for task, answer in zip(tasks, checked.get(number, (None, None)), strict=True):
                right = sealed["right"][f"{task} {number}"]
                told = answer is not None
                hit = told and seal(sealed["salt"], task, number, cell(task, answer)) in right
                rows.append(
                    {"level": str(level), "task": task, "right": hit, "wrong": told and not hit, "of": bool(right)}
                )
    table = pd.DataFrame(rows).groupby(["level", "task"], sort=False).sum()
    return table.assign(points=table.right - table.wrong)[["right", "wrong", "points", "of"]]


def _checked(number, pair, tasks, n):
    """An answer as (first, second), or an error that says what is wrong with it."""
    if number not in range(n):
        raise ValueError(f"number {number!r}: there are 0 to {n - 1}.")
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise ValueError(f"number {number}: give a pair ({tasks[0]}, {tasks[1]}), with None for what you cannot tell.")
    first, second = pair
    if tasks[0] == "class" and not (first is None or isinstance(first, str) and first in OBJECTS):
        raise ValueError(f"number {number}: {first!r} is no class; there are {', '.join(OBJECTS)} and None.")
    for task, value in zip(tasks, pair, strict=True):
        if value is None or isinstance(value, str) and (task == "class" or (task == "time" and value == "none")):
            continue
        no_number = isinstance(value, str) or np.ndim(value) or not np.isfinite(value)
        if no_number or value < 0 or (task == "chirp mass" and value == 0):
            word = ' "none" if there is no merger,' if task == "time" else ""
            raise ValueError(f"number {number}: {value!r} is no {task}; give a number,{word} or None.")
    return first, second


def leaderboard(table: pd.DataFrame, name: str):
    """One line to paste: name, points of spectra and strain, and how many answers were wrong.

    >>> leaderboard(judge({}, {}), "nobody").startswith("nobody: spectra 0 of ")
    True
    """
    strain = table.loc["strain"].sum()
    rest = table.sum() - strain
    return (
        f"{name}: spectra {rest.points} of {rest.of}, strain {strain.points} of {strain.of}, "
        f"{table.wrong.sum()} wrong (version {version('workshop_utils')})"
    )
