"""Scores: how good a redshift is, with the uncertainty of the score itself."""

import json
import os
from pathlib import Path

import numpy as np
import pandas as pd

from .shapes import ArrayLike
from .sources import write_text
from .spectra import LIGHT_SPEED

LINES = {
    "Lya": 1215.67,
    "CIV": 1549.06,
    "CIII]": 1908.73,
    "MgII": 2798.75,
    "[OII]": 3728.48,
    "Hb": 4862.68,
    "[OIII]": 5008.24,
    "Ha": 6564.61,
}  # vacuum, A


def velocity_error(z_found: ArrayLike, z_true: ArrayLike):
    """Redshift error as a velocity, c (z_found - z_true) / (1 + z_true), km/s (Rastegarnia et al. 2022).

    >>> round(float(velocity_error(2.02, 2.0)))
    1999
    """
    z_found, z_true = np.asarray(z_found, float), np.asarray(z_true, float)
    return LIGHT_SPEED * (z_found - z_true) / (1 + z_true)


def binomial_error(share: ArrayLike, n: ArrayLike):
    """Standard error of a share measured on n objects; at 0 and 1 that of half an object, not 0.

    >>> round(float(binomial_error(0.9, 100)), 3)
    0.03
    """
    share = np.clip(share, 0.5 / np.maximum(n, 1), 1 - 0.5 / np.maximum(n, 1))
    return np.sqrt(share * (1 - share) / np.maximum(n, 1))


def share_within(velocity: ArrayLike, limit: float = 6000.0):
    """Share of velocity errors smaller than `limit` (km/s), and its binomial error. NaN counts as wrong.

    >>> [round(float(x), 2) for x in share_within([100.0, -200.0, 9000.0, float('nan')])]
    [0.5, 0.25]
    """
    right = np.abs(np.asarray(velocity, float)) < limit
    share = float(right.mean())
    return share, float(binomial_error(share, right.size))


def redshift_scores(z_found: ArrayLike, z_true: ArrayLike):
    """The scores of the course, as a dict: accuracy_6000, accuracy_12000 (shares), median_dv, bias (km/s), n.

    >>> redshift_scores([2.0, 1.5], [2.01, 1.0])['accuracy_6000']
    0.5
    """
    dv = velocity_error(z_found, z_true)
    good = dv[np.isfinite(dv)]
    accuracy, error = share_within(dv)
    return {
        "accuracy_6000": accuracy,
        "accuracy_6000_error": error,
        "accuracy_12000": share_within(dv, 12000.0)[0],
        "median_dv": float(np.median(np.abs(good))),
        "bias": float(np.median(good)),
        "n": int(dv.size),
    }


def object_scores(p: ArrayLike, z_found: ArrayLike, interval: ArrayLike, kind: ArrayLike, z_true: ArrayLike):
    """Scores of class and redshift together.

    Parameters
    ----------
    p : (n, 4) array
        Probabilities of quasar, galaxy, star, nothing.
    z_found : (n,) array
    interval : (n, 2) array
        68 % intervals of the redshift.
    kind : (n,) int array
        True class, 0 to 3.
    z_true : (n,) array

    Returns
    -------
    dict
        `accuracy`, the share whose class is right and, of quasars and galaxies, whose redshift is too (within 6,000
        and 3,000 km/s); the same for each class, and `coverage` of the intervals of the quasars and galaxies.

    >>> p = np.eye(4)
    >>> scores = object_scores(p, [2.0, 0.5, 0, 0], [[1.9, 2.1]] + [[0, 0]] * 3, [0, 1, 2, 3], [2.0, 0.6, 0, 0])
    >>> scores["accuracy"], scores["quasar"], scores["galaxy"], scores["coverage"]
    (0.75, 1.0, 0.0, 0.5)
    """
    kind, called, interval = np.asarray(kind), np.asarray(p).argmax(1), np.asarray(interval, float)
    limit = np.array([6000.0, 3000.0, np.inf, np.inf])[kind]
    known = kind < 2
    right = (called == kind) & (~known | (np.abs(velocity_error(z_found, z_true)) <= limit))  # NaN counts as wrong
    coverage = interval_coverage(*interval[known].T, np.asarray(z_true)[known])[0]
    each = {name: float(right[kind == k].mean()) for k, name in enumerate(("quasar", "galaxy", "star", "nothing"))}
    return {"accuracy": float(right.mean()), **each, "coverage": coverage, "n": len(kind)}


def accuracy_by(values: ArrayLike, velocity: ArrayLike, edges: ArrayLike, limit: float = 6000.0):
    """Share within `limit` in bins of another quantity (S/N, redshift).

    Returns
    -------
    pandas.DataFrame
        low, high (the bin's edges), n, share, error; empty bins are left out.

    >>> accuracy_by([1, 1, 5], [100.0, 9000.0, 100.0], [0, 2, 10])[['n', 'share']].values.tolist()
    [[2.0, 0.5], [1.0, 1.0]]
    """
    values, velocity = np.asarray(values, float), np.asarray(velocity, float)
    rows = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (values >= low) & (values < high)
        if inside.any():
            rows.append((low, high, int(inside.sum()), *share_within(velocity[inside], limit)))
    return pd.DataFrame(rows, columns=["low", "high", "n", "share", "error"])


def confused_lines(z_found: ArrayLike, z_true: ArrayLike, tolerance: float = 0.02):
    """Name the pair of lines that explains each wrong redshift: one line taken for another.

    Line a at z_true is seen where line b would be at z_found if lambda_a (1 + z_true) = lambda_b (1 + z_found).

    Returns
    -------
    list of str
        "MgII taken for CIII]", or "" where no pair explains the redshift to within `tolerance` (a fraction).

    >>> confused_lines([1.93], [1.0])  # Mg II of z = 1 was taken for C III] of z = 1.93
    ['MgII taken for CIII]']
    """
    names, rest = list(LINES), np.array(list(LINES.values()))
    answers = []
    for found, true in zip(np.atleast_1d(z_found), np.atleast_1d(z_true), strict=True):
        mismatch = np.abs(np.log(rest[:, None] / rest * (1 + true) / (1 + found)))
        np.fill_diagonal(mismatch, np.inf)
        a, b = np.unravel_index(mismatch.argmin(), mismatch.shape)
        answers.append(f"{names[a]} taken for {names[b]}" if mismatch[a, b] < tolerance else "")
    return answers


def interval_coverage(z_low: ArrayLike, z_high: ArrayLike, z_true: ArrayLike):
    """Share of true redshifts inside their intervals, and its binomial error: 0.68 for honest 68 % intervals.

    >>> round(float(interval_coverage([1.0, 1.0], [2.0, 2.0], [1.5, 2.5])[0]), 2)
    0.5
    """
    z_true = np.asarray(z_true, float)
    inside = (np.asarray(z_low, float) <= z_true) & (z_true <= np.asarray(z_high, float))
    return float(inside.mean()), float(binomial_error(inside.mean(), inside.size))


def purity_completeness(p: ArrayLike, truth: ArrayLike, threshold: float = 0.5):
    """Purity and completeness of the sample with p above a threshold.

    Parameters
    ----------
    p : (n,) array
        Probability of the class looked for.
    truth : (n,) bool array
        Whether an object is of that class.

    Returns
    -------
    purity : float
        Share of the sample that is of the class; NaN for an empty sample.
    completeness : float
        Share of the class that is in the sample; NaN where there is none of the class.

    >>> [round(float(x), 2) for x in purity_completeness([0.9, 0.8, 0.3], [True, False, True])]
    [0.5, 0.5]
    """
    chosen, truth = np.asarray(p, float) > threshold, np.asarray(truth, bool)
    found = np.sum(chosen & truth)
    return tuple(float(found / n) if n else float("nan") for n in (chosen.sum(), truth.sum()))


def roc_curve(p: ArrayLike, truth: ArrayLike):
    """Receiver operating characteristic: what a lower threshold gains and what it costs.

    Returns
    -------
    false_positives, true_positives : arrays
        Share of the other class, and of the class looked for, above each threshold, from (0, 0) to (1, 1).
    threshold : array
        Falling, one for each different value of `p`, with infinity before them.

    >>> [x.tolist() for x in roc_curve([0.9, 0.1], [True, False])[:2]]
    [[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]
    """
    p, truth = np.asarray(p, float), np.asarray(truth, bool)
    order = np.argsort(-p, kind="stable")
    last = np.append(np.flatnonzero(np.diff(p[order])), len(p) - 1)  # objects of equal p come together
    true, false = (np.append(0, np.cumsum(kind[order])[last]) / kind.sum() for kind in (truth, ~truth))
    return false, true, np.append(np.inf, p[order][last])


def area_under_curve(p: ArrayLike, truth: ArrayLike):
    """Area under the ROC curve: how often an object of the class has a higher `p` than one that is not of it.

    >>> area_under_curve([0.9, 0.4, 0.6, 0.1], [True, True, False, False])
    0.75
    """
    false, true, _ = roc_curve(p, truth)
    return float(np.sum(np.diff(false) * (true[1:] + true[:-1]) / 2))


def auc_with_error(p: ArrayLike, truth: ArrayLike):
    """Area under the ROC curve and its standard error (DeLong et al. 1988, 10.2307/2531595).

    >>> auc_with_error([0.9, 0.4, 0.6, 0.1], [True, True, False, False])[0]
    0.75
    """
    difference, error = auc_difference(p, np.zeros(len(truth)), truth)
    return 0.5 + difference, error  # answering 0 to everything has the area 0.5


def auc_difference(p: ArrayLike, other: ArrayLike, truth: ArrayLike):
    """By how much one area under the ROC curve exceeds another, on the same objects, and the error of that.

    Two methods that see the same objects find the same ones hard, so their difference is surer than either area.

    Parameters
    ----------
    p, other : (n,) arrays
        Two answers to the same objects: probabilities or any other number that grows with them.
    truth : (n,) bool array

    Returns
    -------
    difference, error : floats
        The error after DeLong et al. (1988), 10.2307/2531595: from the scatter of each object's own share in the area.

    >>> auc_difference([0.9, 0.4, 0.6, 0.1], [0.9, 0.8, 0.6, 0.1], [True, True, False, False])[0]
    -0.25
    """
    truth = np.asarray(truth, bool)
    found, refused = (a - b for a, b in zip(_placements(p, truth), _placements(other, truth), strict=True))
    error = np.sqrt(found.var(ddof=1) / len(found) + refused.var(ddof=1) / len(refused))
    return float(found.mean()), float(error)


def _placements(p, truth):
    """For each object of the class the share of the others below it, and for each other the share of the class above.

    The mean of either is the area under the ROC curve; equal values count half.
    """
    p = np.asarray(p, float)
    above, below = np.sort(p[truth]), np.sort(p[~truth])
    found = (np.searchsorted(below, p[truth], "left") + np.searchsorted(below, p[truth], "right")) / 2 / len(below)
    passed = (np.searchsorted(above, p[~truth], "left") + np.searchsorted(above, p[~truth], "right")) / 2 / len(above)
    return found, 1 - passed


def calibration_table(p: ArrayLike, truth: ArrayLike, bins: int = 10):
    """What a probability promises and what came true, in bins of equal width.

    Returns
    -------
    pandas.DataFrame
        A row per bin that is not empty: confidence (mean p), share (that is of the class), error, n.

    >>> calibration_table([0.1, 0.9, 0.9], [False, True, True], bins=2).n.tolist()
    [1, 2]
    """
    p, truth = np.asarray(p, float), np.asarray(truth, bool)
    bin_number = np.minimum((p * bins).astype(int), bins - 1)
    table = pd.DataFrame({"bin": bin_number, "p": p, "truth": truth}).groupby("bin")
    table = table.agg(confidence=("p", "mean"), share=("truth", "mean"), n=("p", "size")).reset_index(drop=True)
    return table.assign(error=binomial_error(table.share, table.n))


def expected_calibration_error(p: ArrayLike, truth: ArrayLike, bins: int = 10):
    """Mean distance between promise and outcome over the bins of `calibration_table`, weighted by their objects.

    Guo et al. (2017), Eq. 3, for the probability of one class.

    >>> round(float(expected_calibration_error([0.9, 0.9], [True, False])), 2)
    0.4
    """
    table = calibration_table(p, truth, bins)
    return float(np.average(np.abs(table.confidence - table.share), weights=table.n))


def temper(log_p: ArrayLike, temperature: float):
    """Probabilities (n, class) from their logarithms divided by a temperature: above 1 they become less sure.

    >>> temper([[-0.1, -2.35]], 2.0).round(2).tolist()
    [[0.75, 0.25]]
    """
    scaled = np.asarray(log_p, float) / temperature
    scaled = np.exp(scaled - scaled.max(1, keepdims=True))
    return scaled / scaled.sum(1, keepdims=True)


def fit_temperature(log_p: ArrayLike, label: ArrayLike):
    """Temperature at which the probabilities fit the labels best (Guo et al. 2017): the least cross entropy.

    Parameters
    ----------
    log_p : (n, class) array
        Logarithms of probabilities, of spectra that the network was not trained on.
    label : (n,) int array

    >>> import torch
    >>> log_p = torch.log_softmax(torch.tensor([[2.0, 0.0], [2.0, 0.0], [0.0, 2.0]]), 1)
    >>> fit_temperature(log_p, torch.tensor([0, 1, 1])) > 1  # one of three wrong: it was too sure
    True
    """
    rows = np.arange(len(label))

    def loss(ln_temperature):
        return -np.log(temper(log_p, np.exp(ln_temperature))[rows, label].clip(1e-12)).mean()

    low, high = np.log(0.1), np.log(10)
    while high - low > 1e-3:  # it has one minimum, being convex in 1 / temperature: keep the thirds that hold it
        third = (high - low) / 3
        low, high = (low, high - third) if loss(low + third) < loss(high - third) else (low + third, high)
    return float(np.exp((low + high) / 2))


def class_scores(p: ArrayLike, truth: ArrayLike):
    """The scores of a classifier, as a dict, from probabilities (n,) of a class and the truth (n,).

    accuracy (with its error), balanced_accuracy (mean over the two classes), auc, purity, completeness,
    calibration_error, n.

    >>> round(class_scores([0.9, 0.2, 0.6], [True, False, False])['accuracy'], 2)
    0.67
    """
    p, truth = np.asarray(p, float), np.asarray(truth, bool)
    right = (p > 0.5) == truth
    purity, completeness = purity_completeness(p, truth)
    return {
        "accuracy": float(right.mean()),
        "accuracy_error": float(binomial_error(right.mean(), right.size)),
        "balanced_accuracy": float((right[truth].mean() + right[~truth].mean()) / 2),
        "auc": area_under_curve(p, truth),
        "purity": purity,
        "completeness": completeness,
        "calibration_error": expected_calibration_error(p, truth),
        "n": int(right.size),
    }


def record_results(section: str, values: dict):
    """Merge one section into the JSON file named by WORKSHOP_RESULTS (`make course` sets it); else do nothing.

    Parameters
    ----------
    section : str
        Such as "redshift_cnn".
    values : dict
        Numbers and strings.

    >>> record_results('example', {'n': 1})  # without WORKSHOP_RESULTS nothing is written
    """
    if not os.environ.get("WORKSHOP_RESULTS"):
        return
    path = Path(os.environ["WORKSHOP_RESULTS"])
    results = json.loads(path.read_text()) if path.exists() else {}
    results[section] = values
    write_text(path, json.dumps(results, indent=2) + "\n")
