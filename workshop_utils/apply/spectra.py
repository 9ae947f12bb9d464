"""Classes and redshifts of an astronomer's own spectra, with the networks that ship with the course."""

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from tqdm import tqdm

from ..networks import OBJECTS, OUTPUT_BINS, OUTPUT_CLASS, ShiftNetwork, classifier, object_cnn
from ..sources import shipped
from ..spectra import N_PIXELS, WAVELENGTH, SpectrumError, prepare, read_spectra, standardise
from ..training import CLASSES, load_checkpoint
from .probability import summarise_probability

OBJECT_CHECKPOINT = "checkpoints/any_object.safetensors"
REDSHIFT_CHECKPOINT = "checkpoints/redshift_shift.safetensors"
CLASS_CHECKPOINT = "checkpoints/quasar_or_galaxy.safetensors"
BATCH = 64
MANY = 50  # spectra from which on a progress bar is shown
COVERAGE = 1200  # pixels of the grid without which the network has nothing to go by: it was trained with 1,500 or more
P_COLUMNS = [f"p_{name}" for name in OBJECTS]
Z_COLUMNS = ["z", "z_low", "z_high", "confidence"]
NO_REDSHIFT = {
    "star": "a star of our Galaxy, which has no redshift to measure",
    "nothing": "nothing to be seen but noise: an empty fibre, or a source too faint for this spectrum",
}


def identify_spectra(files: Any, air: bool | None = None):
    """Tell quasars, galaxies, stars and empty fibres from each other, and measure the redshifts of the first two.

    Parameters
    ----------
    files : path, (wavelength, flux, ivar), object with `spectral_axis`, `flux` and `uncertainty`, or a list of these
        FITS files of SDSS, LAMOST or DESI as downloaded, FITS images, tables (see `spectra.read_spectra`).
    air : bool, optional
        Whether wavelengths are in air, for files that do not say.

    Returns
    -------
    pandas.DataFrame
        Index `file`; a file of many targets has a row for each, `file#TARGETID`. Columns p_quasar, p_galaxy, p_star
        and p_nothing (probabilities, which sum to 1); z (most probable redshift of the most probable class), z_low and
        z_high (the shortest interval that holds 68 % of its probability), confidence (0-1: the probability that the
        class is right, and z within 6,000 km/s) and problem: empty, or one sentence on why there is no redshift. For a
        star or nothing only z, z_low and z_high are NaN; for a file that cannot be used all numbers are.

    Raises
    ------
    ValueError
        If none of the files can be used; the message gives the first reasons.

    >>> from workshop_utils.sources import real_spectra
    >>> table = identify_spectra(real_spectra().file[:2])
    >>> table.z.round(2).tolist(), table.problem.tolist()
    ([1.9, 0.3], ['', ''])
    """
    network, shares = object_network()

    def answer(flux):
        return summarise_objects(network(flux).softmax(1), shares)

    table = tabulate(files, answer, P_COLUMNS + Z_COLUMNS, air)
    best = table[P_COLUMNS].fillna(-1).to_numpy().argmax(1)
    for k, name in enumerate(OBJECTS):
        rows = (best == k) & (table.problem == "").to_numpy()
        if name in NO_REDSHIFT:
            table.loc[rows, Z_COLUMNS[:3]] = np.nan
            table.loc[rows, "problem"] = NO_REDSHIFT[name]
    return table


def measure_redshift(files: Any, air: bool | None = None):
    """Measure the redshifts of quasars and galaxies: five of the columns of `identify_spectra`, which see.

    >>> from workshop_utils.sources import real_spectra
    >>> measure_redshift(real_spectra().file[:2]).columns.tolist()
    ['z', 'z_low', 'z_high', 'confidence', 'problem']
    """
    return identify_spectra(files, air)[[*Z_COLUMNS, "problem"]]


def classify_spectra(files: Any, air: bool | None = None):
    """Tell quasars, galaxies, stars and empty fibres apart: five of the columns of `identify_spectra`, which see.

    >>> from workshop_utils.sources import real_spectra
    >>> classify_spectra(real_spectra().file[:2]).columns.tolist()
    ['p_quasar', 'p_galaxy', 'p_star', 'p_nothing', 'problem']
    """
    return identify_spectra(files, air)[[*P_COLUMNS, "problem"]]


def summarise_objects(probability: Tensor, shares: Sequence[float] = (0.68, 0.68)):
    """Probability of each class, redshift, its interval and a confidence, from P(class, z).

    Parameters
    ----------
    probability : Tensor, shape (n, output)
        Each row with the sum 1, in the order of `networks.OUTPUT_Z`.
    shares : 2 float
        Of the probability, that the intervals of quasars and of galaxies hold, as in `summarise_probability`.

    Returns
    -------
    Tensor, shape (n, 8)
        The four probabilities in the order of `networks.OBJECTS`, then redshift, lower and upper end of its interval,
        of the more probable of quasar and galaxy, then the confidence in class and redshift.

    >>> p = torch.zeros(1, len(OUTPUT_CLASS))
    >>> p[0, 500], p[0, -1] = 0.75, 0.25  # a quasar, or nothing
    >>> summarise_objects(p)[0, [0, 3, 7]].tolist()
    [0.75, 0.25, 0.75]
    """
    classes = torch.stack([probability[:, OUTPUT_CLASS == k].sum(1) for k in range(len(OBJECTS))], 1)
    found = []
    for k, (bins, share) in enumerate(zip(OUTPUT_BINS, shares, strict=True)):  # quasar, galaxy
        given = probability[:, OUTPUT_CLASS == k] / classes[:, k : k + 1].clamp_min(1e-30)
        summary = summarise_probability(given.nan_to_num(), bins, share=share)
        found.append(torch.cat([summary[:, :3], summary[:, 3:] * classes[:, k : k + 1]], 1))
    summary = torch.where(classes[:, :1] >= classes[:, 1:2], *found)
    without = classes[:, 2:].amax(1)  # star or nothing
    summary[:, 3] = torch.where(without > classes[:, :2].amax(1), without, summary[:, 3])
    summary[:, 3].clamp_(max=1)  # rounded, it may be 1.0000001
    return torch.cat([classes, summary], 1)


def tabulate(files: Any, answer: Callable, columns: Sequence[str], air: bool | None = None):
    """Ask a network about files: a table with `columns` and problem, NaN in the rows of files that cannot be used.

    `answer` takes standardised spectra (n, 1, 4618) and returns numbers (n, column). Spectra are read and answered
    batch by batch, so that any number of them fits in memory.
    """
    names, problems, rows, waiting = [], [], [], []

    def ask():
        flux = standardise(torch.from_numpy(np.array([flux for _, flux in waiting])))[:, None]
        with torch.no_grad():
            for (row, _), numbers in zip(waiting, np.asarray(answer(flux)), strict=True):
                rows[row] = numbers.astype(float)
        waiting.clear()

    for name, spectrum, problem in prepared(files, air, least=MANY):
        names.append(name)
        problems.append(problem)
        rows.append(np.full(len(columns), np.nan))
        if spectrum is not None:
            waiting.append((len(rows) - 1, spectrum.flux))
        if len(waiting) == BATCH:
            ask()
    if waiting:
        ask()
    refuse_all(problems)
    table = pd.DataFrame(np.array(rows), index=pd.Index(names, name="file"), columns=columns)
    return table.assign(problem=np.array(problems, object))


def refuse_all(problems):
    """Raise ValueError with the first reasons where every file has a problem."""
    if all(problems):
        raise ValueError(f"None of the {len(problems)} files can be used. " + " ".join(problems[:3]))


def prepared(files, air=None, least=np.inf):
    """Read spectra one after the other: yields (name, Spectrum or None, problem); none stops the others.

    From `least` files on a progress bar is shown.
    """
    sources = as_list(files)
    for k, source in enumerate(tqdm(sources, unit="file", disable=len(sources) < least)):
        name = os.fspath(source) if isinstance(source, str | os.PathLike) else f"spectrum {k}"
        try:
            recorded = read_spectra(source, name, air)
        except (ValueError, OSError) as error:
            yield name, None, " ".join(str(error).split())
            continue
        for each in recorded:
            try:
                spectrum = prepare(each)
                check_coverage(each.name, spectrum.ivar)
                yield each.name, spectrum, ""
            except SpectrumError as error:
                yield each.name, None, " ".join(str(error).split())


def as_list(files):
    """One path, one spectrum in memory, or a list of them, as a list."""
    if isinstance(files, str | os.PathLike) or hasattr(files, "spectral_axis"):
        return [files]
    files = list(files)
    if not files:
        raise ValueError("No files were given; pass the path of a spectrum, or a list of paths.")
    alone = len(files) == 3 and all(np.ndim(part) == 1 and np.asarray(part).dtype.kind in "fiu" for part in files)
    return [tuple(files)] if alone else files


def check_coverage(name, ivar):
    """Raise SpectrumError where too little of the grid was recorded to say what the source is."""
    seen = np.flatnonzero(ivar > 0)
    if not len(seen):
        raise SpectrumError(f"{name}: no pixel with an error that is a number; give flux and ivar of order 1.")
    if len(seen) < COVERAGE:
        low, high = WAVELENGTH[seen[[0, -1]]]
        raise SpectrumError(
            f"{name}: only {len(seen)} of {N_PIXELS:,} pixels were recorded, {low:.0f} to {high:.0f} A; that is too "
            "little coverage to tell what the source is; give the whole spectrum."
        )


def read_files(files: Any):
    """Read spectra; a file that cannot be used does not stop the others.

    Returns
    -------
    spectra : list of Spectrum
        The good ones, in order.
    problems : pandas.Series of str, index `file`
        Empty for good files, else the reason.

    Raises
    ------
    ValueError
        If `files` is empty or none of them can be used.

    >>> from workshop_utils.sources import real_spectra
    >>> spectra, problems = read_files([real_spectra().file[0], 'no_such_file.fits'])
    >>> len(spectra), (problems == '').tolist()
    (1, [True, False])
    """
    names, spectra, problems = zip(*prepared(files), strict=True)
    refuse_all(problems)
    problems = pd.Series(problems, index=pd.Index(names, name="file"), name="problem", dtype=object)
    return [spectrum for spectrum in spectra if spectrum is not None], problems


@functools.cache
def object_network():
    """The network for quasars, galaxies, stars and nothing that ships, on the CPU; and shares for 68 % intervals."""
    network = object_cnn()
    card = load_checkpoint(network, shipped(OBJECT_CHECKPOINT))
    return network.eval(), card["interval_shares"]


@functools.cache
def redshift_network():
    """The shift network with the weights that ship with the course, on the CPU."""
    network = ShiftNetwork()
    load_checkpoint(network, shipped(REDSHIFT_CHECKPOINT))
    return network


@functools.cache
def class_network():
    """The classifier that ships with the course, on the CPU, and the temperature that makes it honest."""
    network = classifier(len(CLASSES))
    card = load_checkpoint(network, shipped(CLASS_CHECKPOINT))
    return network, card["temperature"]
