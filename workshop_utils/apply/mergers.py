"""Search records of any length for mergers of black holes: when, how loud, how heavy."""

import functools
from typing import Any

import numpy as np
import pandas as pd
import torch
from tqdm import tqdm

from ..networks.matched_filter import FILTER_RATE, SEARCH, filtered, whitened_templates
from ..shapes import ArrayLike
from ..strain import DETECTORS, N_SAMPLES, SAMPLE_RATE, StrainError, chirp_mass, measure_asd, waveform_bank, whiten
from ..strain.records import read_record
from ..training import predict
from .waves import BATCH, SUREST, waves_network

THRESHOLD = 4.0  # ln odds above which a window is a candidate
STRETCH, OVERLAP = 64, 4  # s that are searched with one measured noise, and their overlap
STEP = 0.25  # s between windows of 2 s: mergers are looked for in 0.7 s of each
APART = 0.5  # s within which candidates are one
SURE, LONGEST = 29.9, 1.5  # ln odds of a merger so loud that a part of it is found as another, within a template's s
SPACING = 0.04  # of ln(chirp mass) around a template; with it 90 % intervals hold 90 % of simulated masses
EDGE = 1.0  # s beside a gap over which strain rises from 0: a step would ring in what is whitened
LEAST = 8  # s of good data in a stretch without which its noise cannot be measured
COLUMNS = ["gps", "log_odds", "snr_h1", "snr_l1", "snr_v1", "chirp_mass", "chirp_mass_low", "chirp_mass_high"]


def find_mergers(files: Any, threshold: float = THRESHOLD):
    """Find mergers of black holes in records of strain, and weigh them.

    Parameters
    ----------
    files : path or list of paths
        Records of one stretch of time, one file for each detector that ran: HDF5 of GWOSC or gwpy, or GWOSC's text
        (see `strain.records.read_record`). Gaps, seconds of bad quality and what is within 1.3 s after them or the
        beginning are skipped.
    threshold : float
        Logarithm of the odds that a candidate must exceed, where half of all windows hold a merger, as in training.

    Returns
    -------
    pandas.DataFrame
        A row for each candidate, the strongest first: gps (s, of the merger at H1, to about 20 ms; 50 ms or more where
        H1 was off), log_odds, snr_h1, snr_l1, snr_v1 (NaN if off; of the last two the highest within the light's travel
        time, so above 0 in noise, too), chirp_mass, chirp_mass_low and chirp_mass_high (median and 90 % interval; solar
        masses in the detectors' frame, which is 1 + z times the source's). The bank's binaries have 14 to 170 solar
        masses in all: what is heavier or lighter gets the masses of what resembles it most.

    Raises
    ------
    StrainError
        For files that cannot be read, of different times, two of one detector, or with too few good data.

    >>> from workshop_utils.sources import real_strain
    >>> table = find_mergers(real_strain("GW150914")[0])
    >>> len(table), round(float(table.gps[0]), 1)
    (1, 1126259462.4)
    """
    strain, good, start = aligned(files)
    found, searched = [], 0
    last = max(strain.shape[1] - STRETCH * SAMPLE_RATE, 0)  # a stretch ends where the records do
    firsts = sorted({min(first, last) for first in range(0, strain.shape[1], (STRETCH - OVERLAP) * SAMPLE_RATE)})
    for first in tqdm(firsts, unit="stretch", disable=len(firsts) < 2):
        part = slice(first, first + STRETCH * SAMPLE_RATE)
        white = white_stretch(strain[:, part], good[:, part])
        if white is not None:
            searched += 1
            found += candidates(white, good[:, part], start + first / SAMPLE_RATE, threshold)
    if not searched:
        raise StrainError(
            f"{files}: nothing can be searched, as noise is measured in {LEAST} s of good data (within {EDGE:g} s of a "
            "gap they are not); pass longer records."
        )
    found.sort(key=lambda row: -row["log_odds"])
    kept = []
    for row in found:  # stretches overlap: of neighbours the loudest stays
        if all(abs(row["gps"] - other["gps"]) > APART for other in kept):
            kept.append(row)
    return pd.DataFrame(kept, columns=COLUMNS)


def aligned(files):
    """Strain (3, n), which of it is good (3, n), and the GPS time of the first sample, from one file per detector."""
    files = [files] if isinstance(files, str) or not np.iterable(files) else list(files)
    if not files:
        raise StrainError("No files were given; pass the paths of records, one for each detector.")
    records = {}
    for file in files:
        record = read_record(file)
        if record.detector in records:
            raise StrainError(f"{file}: a second record of {record.detector}; pass one file for each detector.")
        records[record.detector] = record
    starts = [record.start for record in records.values()]
    stops = [record.start + len(record.strain) / SAMPLE_RATE for record in records.values()]
    if max(starts) >= min(stops):
        times = ", ".join(f"{name} from {record.start:.0f}" for name, record in records.items())
        raise StrainError(f"records of different times ({times}); pass files of one stretch of time.")
    start = min(starts)
    n = round((max(stops) - start) * SAMPLE_RATE)
    strain, good = np.zeros((len(DETECTORS), n)), np.zeros((len(DETECTORS), n), bool)
    for name, record in records.items():
        row, first = DETECTORS.index(name), round((record.start - start) * SAMPLE_RATE)
        part = slice(first, first + len(record.strain))
        good[row, part] = record.good
        far = distance_to_gap(good[row]) / (EDGE * SAMPLE_RATE)  # where others go on, the end of a record is a gap
        strain[row, part] = record.strain * np.sin(np.pi / 2 * far[part].clip(0, 1)) ** 2
        good[row] = far > 1
    return torch.from_numpy(strain), torch.from_numpy(good), start


def distance_to_gap(good):
    """Samples (n,) from each to the nearest that is not good; very many where there is none.

    >>> distance_to_gap(np.array([True, True, False, True])).tolist()
    [2, 1, 0, 1]
    """
    place = np.arange(len(good))
    before = np.maximum.accumulate(np.where(good, -(10**9), place))
    after = np.minimum.accumulate(np.where(good, 10**9, place)[::-1])[::-1]
    return np.minimum(place - before, after - place)


def white_stretch(strain, good):
    """Whiten a stretch (3, n) by the noise measured in its good parts; None where they are too short.

    The whole stretch is whitened before windows are cut from it: in 2 s alone the lines of a real detector leak.
    """
    if strain.shape[1] < N_SAMPLES:
        return None
    white = torch.zeros(strain.shape)
    for row in range(len(DETECTORS)):
        whole = good[row].unfold(0, N_SAMPLES, N_SAMPLES // 2).all(1)
        pieces = strain[row].unfold(0, N_SAMPLES, N_SAMPLES // 2)[whole]
        if (len(pieces) + 1) * N_SAMPLES // 2 < LEAST * SAMPLE_RATE:
            continue
        asd = measure_asd(pieces[:, None])
        white[row] = whiten(strain[row][None], asd, alpha=0.5 * SAMPLE_RATE / strain.shape[1])[0]
        white[row, ~good[row]] = 0
    return white if white.any() else None


def candidates(white, good, start, threshold):
    """Windows of a whitened stretch (3, n) above the threshold: a dict for each, with `COLUMNS`."""
    samples = round(STEP * SAMPLE_RATE)
    windows = white.unfold(1, N_SAMPLES, samples).movedim(1, 0)
    whole = good.unfold(1, N_SAMPLES, samples).all(2).T  # (window, 3)
    windows = windows * whole[..., None]  # a detector with a gap in the window is off there
    some = whole.any(1)
    log_odds = torch.full((len(windows),), -torch.inf, dtype=torch.float64)
    if some.any():
        log_odds[some] = predict(waves_network(), windows[some], BATCH)[:, 0].double()
    log_odds = SUREST * torch.tanh(log_odds / SUREST)
    found = []
    while len(log_odds) and float(log_odds.max()) > threshold:
        best = int(log_odds.argmax())
        row = weigh(windows[best])
        row["gps"] += start + best * STEP
        found.append({"log_odds": float(log_odds[best]), **row})
        reach = APART + SEARCH[1] - SEARCH[0]
        if log_odds[best] > SURE:
            reach += LONGEST
        log_odds[(torch.arange(len(log_odds)) - best).abs() * STEP <= reach] = -torch.inf
    return found


def weigh(white):
    """Time (s into the window), S/N in each detector and chirp mass of the loudest merger in a window (3, 4096).

    The likelihood of a template is exp(S/N^2 / 2) at its best time, amplitude and phase. Templates are even in the
    logarithm of the mass, and all as probable beforehand. They stand apart, and no waveform in the sky is exactly one
    of them: so each stands for masses around its own (`SPACING`).
    """
    templates, mass = weighing_templates()
    power = filtered(white[None], templates)[0]  # (template, step, 3)
    total = power.sum(-1)
    template, step = divmod(int(total.argmax()), total.shape[1])
    near = slice(max(step - 3, 0), step + 4)
    p = torch.softmax(total[:, near].amax(1).double() / 2, 0).numpy()
    low, middle, high = np.exp(blurred_quantiles(np.log(mass), p, SPACING, (0.05, 0.5, 0.95)))
    snr = power[template, step].sqrt().tolist()
    snr = [value if float(white[d].abs().max()) > 0 else np.nan for d, value in enumerate(snr)]
    found = dict(zip(("snr_h1", "snr_l1", "snr_v1"), snr, strict=True))
    time = SEARCH[0] + 2 * step / FILTER_RATE
    return {"gps": time, **found, "chirp_mass": middle, "chirp_mass_low": low, "chirp_mass_high": high}


def blurred_quantiles(values: np.ndarray, p: ArrayLike, spacing: float, levels: ArrayLike):
    """Quantiles of values (k,) with probabilities p (k,), each blurred by a Gaussian of `spacing`.

    >>> blurred_quantiles(np.array([0.0, 1.0]), np.array([1.0, 0.0]), 0.1, (0.05, 0.5)).round(2).tolist()
    [-0.16, 0.0]
    """
    grid = np.linspace(values.min() - 4 * spacing, values.max() + 4 * spacing, 2000)
    density = np.exp(-0.5 * ((grid[:, None] - values) / spacing) ** 2) @ p
    cumulative = np.cumsum(density) - density / 2
    return np.interp(levels, cumulative / density.sum(), grid)


@functools.cache
def weighing_templates():
    """Templates (k, 3, 960) and their chirp masses (k,), in solar masses."""
    total, ratio = waveform_bank("mass_bank")["parameters"][:, :2].T
    return whitened_templates(len(total), "mass_bank"), chirp_mass(total, ratio)
