"""Scores against cases worked out by hand."""

import json

import numpy as np
import pytest

from workshop_utils.scores import (
    accuracy_by,
    area_under_curve,
    auc_difference,
    auc_with_error,
    binomial_error,
    confused_lines,
    interval_coverage,
    record_results,
    redshift_scores,
    share_within,
    velocity_error,
)

C = 299792.458


def test_velocity_error():
    assert velocity_error(2.03, 2.0) == pytest.approx(C * 0.01)
    assert velocity_error([1.98], [2.0]) == pytest.approx([-C * 0.02 / 3])


def test_share_within_counts_nan_as_wrong():
    share, error = share_within([0, 5999, -6001, np.nan])
    assert share == 0.5 and error == pytest.approx(0.25)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_binomial_error_is_never_zero(share):
    assert binomial_error(share, 100) == pytest.approx(np.sqrt(0.005 * 0.995 / 100))


def test_redshift_scores():
    z = np.array([1.0, 1.0, 1.0, 1.0])
    scores = redshift_scores(z + 2 * np.array([0, 3000, 9000, 1e9]) / C, z)
    assert scores["accuracy_6000"] == 0.5 and scores["accuracy_12000"] == 0.75 and scores["n"] == 4
    assert scores["median_dv"] == pytest.approx(6000)
    assert redshift_scores([np.nan, 1.0], [1.0, 1.0])["accuracy_6000"] == 0.5


def test_accuracy_by_bins():
    table = accuracy_by([1, 1, 5, 20], [0, 9000, 0, 0], edges=[0, 2, 8, 10])
    assert table[["low", "high", "n"]].to_numpy().tolist() == [[0, 2, 2], [2, 8, 1]]
    assert table.share.tolist() == [0.5, 1.0]


def test_confused_lines_are_named():
    z_true = 2.0
    as_mgii = 1549.06 * (1 + z_true) / 2798.75 - 1  # C IV seen, believed to be Mg II
    assert confused_lines([as_mgii, 2.7182], [z_true, 1.0]) == ["CIV taken for MgII", ""]


def test_interval_coverage():
    share, error = interval_coverage([0, 0, 0, 0], [1, 1, 1, 1], [0.5, 1.0, 1.5, -1])
    assert share == 0.5 and error == pytest.approx(0.25)


def test_auc_error_is_the_scatter_from_sample_to_sample():
    """Also of the difference of two answers to the same objects, whose noise is mostly in common."""
    rng = np.random.default_rng(0)
    truth = np.arange(300) < 100
    first, second = [], []
    for _ in range(400):
        common = 1.2 * truth + rng.normal(size=300)
        p, q = (common + 0.5 * rng.normal(size=300) for _ in range(2))
        first.append((*auc_with_error(p, truth), area_under_curve(p, truth)))
        second.append(auc_difference(p, q, truth))
    for results in (first, second):
        value, error, *_ = np.transpose(results)
        assert error.mean() == pytest.approx(value.std(), rel=0.1)
    assert np.allclose(*np.transpose(first)[[0, 2]])
    assert np.transpose(second)[1].mean() < np.transpose(first)[1].mean()


def test_auc_counts_equal_answers_half():
    assert auc_with_error([0, 0, 1, 1], [0, 1, 0, 1])[0] == 0.5
    assert auc_with_error([0, 1, 1, 1], [0, 1, 0, 1])[0] == 0.75
    assert auc_with_error([3, 4, 0, 1], [1, 1, 0, 0]) == (1.0, 0.0)


def test_results_are_merged_into_the_file_named(tmp_path, monkeypatch):
    monkeypatch.delenv("WORKSHOP_RESULTS", raising=False)
    record_results("a", {"x": 1})  # nowhere to write: does nothing
    monkeypatch.setenv("WORKSHOP_RESULTS", str(tmp_path / "results.json"))
    record_results("a", {"x": 1})
    record_results("b", {"y": 0.5})
    record_results("a", {"x": 2})
    assert json.loads((tmp_path / "results.json").read_text()) == {"a": {"x": 2}, "b": {"y": 0.5}}
    assert len(list(tmp_path.iterdir())) == 1
