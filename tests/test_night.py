"""The night at the telescope: what is judged right, what wrong, and that no answer can be read."""

import json

import numpy as np
import pytest
import torch

from workshop_utils import night
from workshop_utils.sources import shipped

from make_night import SECONDS, record, write_record  # isort: skip


def test_night_is_complete():
    tonight = night.tonight()
    assert tonight.flux.shape == tonight.ivar.shape == (40, 4618)
    assert np.isfinite(tonight.flux).all() and (tonight.ivar >= 0).all()
    assert np.bincount(tonight.level).tolist() == [0, 10, 10, 10, 10]
    assert all(path.is_file() for files in tonight.records for path in files)


@pytest.mark.parametrize(
    "task, truth, near, far",
    [
        ("z", 1.0, (0.965, 1.037), (0.95, 1.05)),
        ("time", 12.0, (11.955, 12.045), (11.93, 12.07)),
        ("chirp mass", 30.0, (26.9, 33.5), (26.0, 34.5)),
    ],
)
def test_answers_are_right_within_what_is_allowed(task, truth, near, far):
    right = set(night.cells(task, truth))
    assert all(night.cell(task, value) in right for value in (truth, *near))
    assert not any(night.cell(task, value) in right for value in far)


def test_words_are_answers_too():
    assert night.cells("class", "star") == ["star"] and night.cells("time", "none") == ["none"]


def test_points():
    """Right, wrong, untold: with an answer key of our own, made like the one that ships."""
    sealed = json.loads(shipped("night/sealed.json").read_text())
    salt, right = sealed["salt"], sealed["right"]
    kinds = {
        k: next(n for n in night.OBJECTS if night.seal(salt, "class", k, n) in right[f"class {k}"]) for k in range(40)
    }
    table = night.judge({k: (kind, None) for k, kind in kinds.items()}, {})
    assert table.right.sum() == table.points.sum() == 40 and table.wrong.sum() == 0
    wrong = {k: ("star" if kind != "star" else "quasar", None) for k, kind in kinds.items()}
    assert night.judge(wrong, {}).points.sum() == -40
    assert night.judge({}, {}).points.sum() == 0
    with_redshift = sum(kind in ("quasar", "galaxy") for kind in kinds.values())
    assert table["of"].drop("strain").sum() == 40 + with_redshift
    assert "spectra 40 of" in night.leaderboard(table, "me")


def test_no_answer_is_in_clear():
    """Neither words nor numbers: only hashes, a salt and the levels."""
    sealed = json.loads(shipped("night/sealed.json").read_text())
    assert set(sealed) == {"salt", "levels", "right"}
    for hashes in sealed["right"].values():
        assert all(len(each) == 24 and set(each) <= set("0123456789abcdef") for each in hashes)
        assert hashes == sorted(hashes), "their order would tell where the middle is"


@pytest.mark.parametrize(
    "spectra, records, says",
    [
        ({40: ("star", None)}, {}, "there are 0 to 39"),
        ({0: "star"}, {}, "give a pair"),
        ({0: ("QSO", 1.0)}, {}, "is no class"),
        ({0: ("quasar", "high")}, {}, "is no z"),
        ({0: ("quasar", -0.5)}, {}, "is no z"),
        ({}, {0: ("never", None)}, "is no time"),
        ({}, {0: (3.0, 0)}, "is no chirp mass"),
    ],
)
def test_what_is_no_answer_is_named(spectra, records, says):
    with pytest.raises(ValueError, match=says):
        night.judge(spectra, records)


def test_a_simulated_record_is_found_and_weighed(tmp_path):
    """As the tool makes them: time and mass that find_mergers finds."""
    from workshop_utils import find_mergers

    rng, chance = torch.Generator().manual_seed(3), np.random.default_rng(3)
    strain, time, mass = record(20.0, rng, chance, [])
    files = [tmp_path / f"{detector}.hdf5" for detector in ("H1", "L1")]
    for detector, file, row in zip(("H1", "L1"), files, strain, strict=True):
        write_record(file, detector, row, 1000)
    assert strain.shape == (2, SECONDS * 2048)
    found = find_mergers(files).iloc[0]
    assert abs(found.gps - 1000 - time) < 0.05 and abs(np.log(found.chirp_mass / mass)) < 0.12
