"""Redshifts and classes of an astronomer's own spectra, with the networks that ship with the course."""

import functools
import os

import numpy as np
import pandas as pd
import torch

from ..networks import ShiftNetwork, classifier
from ..scores import temper
from ..sources import shipped
from ..spectra import read_sdss, standardise
from ..training import CLASSES, load_checkpoint
from .probability import summarise_probability

REDSHIFT_CHECKPOINT = "checkpoints/redshift_shift.safetensors"
CLASS_CHECKPOINT = "checkpoints/quasar_or_galaxy.safetensors"
BATCH = 64


def measure_redshift(files):
    """Measure the redshifts of quasar spectra.

    Parameters
    ----------
    files : path or list of paths
        SDSS FITS files of any vintage, as downloaded.

    Returns
    -------
    pandas.DataFrame
        Index `file`. Columns z (most probable redshift), z_low and z_high (the shortest interval that holds 68 % of the
        probability), confidence (0-1: the probability that z is right within 6,000 km/s) and problem (empty, or one
        sentence on why the file could not be used, the numbers then being NaN).

    Raises
    ------
    ValueError
        If none of the files can be used; the message gives the first reasons.

    >>> from workshop_utils.sources import real_spectra
    >>> table = measure_redshift(real_spectra().file[:2])
    >>> table.z.round(2).tolist()
    [1.9, 0.3]
    """
    network = redshift_network()

    def answer(flux):
        return summarise_probability(network(flux).softmax(1), network.z)

    return tabulate(files, answer, ["z", "z_low", "z_high", "confidence"])


def classify_spectra(files):
    """Tell quasars from galaxies.

    Parameters
    ----------
    files : path or list of paths
        SDSS FITS files of any vintage, as downloaded.

    Returns
    -------
    pandas.DataFrame
        Index `file`. Columns p_quasar and p_galaxy (probabilities; they sum to 1, because the network knows no third
        class: whatever a star or an empty fibre is called, it is wrong) and problem (empty, or one sentence on why the
        file could not be used, the numbers then being NaN). They take both classes for equally frequent.

    Raises
    ------
    ValueError
        If none of the files can be used; the message gives the first reasons.

    >>> from workshop_utils.sources import real_spectra
    >>> table = classify_spectra(real_spectra().file[:2])
    >>> table.columns.tolist()
    ['p_quasar', 'p_galaxy', 'problem']
    """
    network, temperature = class_network()

    def answer(flux):
        return temper(network(flux), temperature)

    return tabulate(files, answer, [f"p_{name}" for name in CLASSES])


def tabulate(files, answer, columns):
    """Ask a network about files: a table with `columns` and problem, NaN in the rows of files that cannot be used.

    `answer` takes standardised spectra (n, 1, 4618) and returns numbers (n, column).
    """
    spectra, problems = read_files(files)
    rows = []
    with torch.no_grad():
        for start in range(0, len(spectra), BATCH):
            flux = np.array([spectrum.flux for spectrum in spectra[start : start + BATCH]])
            rows.append(np.asarray(answer(standardise(torch.from_numpy(flux))[:, None])))
    table = pd.DataFrame(np.nan, index=problems.index, columns=columns)
    table.loc[(problems == "").to_numpy()] = np.concatenate(rows)
    return table.assign(problem=problems)


def read_files(files):
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
    if isinstance(files, str | os.PathLike):
        files = [files]
    names = [os.fspath(file) for file in files]
    if not names:
        raise ValueError("No files were given; pass the path of an SDSS spectrum, or a list of paths.")
    spectra, problems = [], []
    for name in names:
        try:
            spectra.append(read_sdss(name))
            problems.append("")
        except (ValueError, OSError) as error:
            problems.append(" ".join(str(error).split()))
    if not spectra:
        raise ValueError(f"None of the {len(names)} files can be used. " + " ".join(problems[:3]))
    return spectra, pd.Series(problems, index=pd.Index(names, name="file"), name="problem", dtype=object)


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
