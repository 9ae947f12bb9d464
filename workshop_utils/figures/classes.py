"""Figures of notebook 04: galaxies beside quasars, and how well they are told apart."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np

from ..shapes import ArrayLike
from ..spectra import WAVELENGTH
from .style import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    GREY,
    PURPLE,
    VERMILION,
    WAVELENGTH_LABEL,
    _draw_spectrum,
    _mark_lines,
    with_alt_text,
)

# Features of galaxies (vacuum A): emission above, absorption below the spectrum
GALAXY_EMISSION = {"[O II]": 3728.5, "[O III]": 5008.24, "Hα": 6564.61}
GALAXY_ABSORPTION = {"H K": 3952.0, "G": 4305.61, "Mg b": 5176.7, "Na D": 5895.6, "Ca II": 8600.0}


@with_alt_text
def plot_galaxies(flux: ArrayLike, z: ArrayLike, titles: Sequence[str], pixels: int = 9):
    """Draw galaxy spectra one below the other: emission lines marked above (orange), absorption lines below (blue).

    Parameters
    ----------
    flux : array (n, 4618)
        1e-17 erg/s/cm2/A.
    z : array (n,)
    titles : sequence of str
    pixels : int
        Width of the running mean that is drawn over the measured flux.
    """
    rows = len(flux)
    figure, axes = plt.subplots(rows, 1, figsize=(10.5, 1.3 + 2.7 * rows), sharex=True, squeeze=False)
    for i, ax in enumerate(axes[:, 0]):
        _draw_spectrum(ax, flux[i], pixels)
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.2 * (high - low), high)
        _mark_galaxy_lines(ax, z[i])
        ax.set_title(titles[i], loc="left", pad=22)
        ax.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    return figure


def _mark_galaxy_lines(ax, z):
    """Mark the features of galaxies at redshift z, with their names."""
    _mark_lines(ax, z, lines=GALAXY_EMISSION)
    _mark_lines(ax, z, colour=BLUE, height=0.03, lines=GALAXY_ABSORPTION)


@with_alt_text
def plot_stacks(rest_wavelength: ArrayLike, stacks: Mapping, ylim: Sequence[float] = (0, 2)):
    """Draw median spectra in the rest frame, with the band that holds 68 % of the objects.

    Parameters
    ----------
    rest_wavelength : array (m,)
        A.
    stacks : dict of str to array (n, m)
        Label to normalised rest-frame spectra; NaN where one has no data.
    ylim : (float, float)
    """
    figure, ax = plt.subplots(figsize=(10.5, 5.2))
    for (label, flux), colour, dash in zip(stacks.items(), (BLACK, VERMILION, BLUE), DASHES, strict=False):
        low, middle, high = np.nanpercentile(flux, [16, 50, 84], axis=0)
        ax.fill_between(rest_wavelength, low, high, color=colour, alpha=0.15, lw=0)
        ax.plot(rest_wavelength, middle, color=colour, ls=dash, lw=1.8, label=label)
    ax.set(xlabel="rest wavelength (Å)", ylabel="flux / flux near 5,500 Å", ylim=ylim)
    ax.set_xlim(rest_wavelength[0], rest_wavelength[-1])
    ax.legend(loc="lower right")
    return figure


@with_alt_text
def plot_confusion(tables: Mapping, names: Sequence[str] = ("quasar", "galaxy")):
    """Draw confusion matrices: the shares of each true class that get each answer, and the counts.

    Parameters
    ----------
    tables : dict of str to int array (true class, answer)
        Title to counts.
    names : sequence of str
    """
    size = (min(4.9 * len(tables) + 0.6, 12.5), 4.7)
    figure, axes = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
    for ax, (title, counts) in zip(axes[0], tables.items(), strict=True):
        counts = np.asarray(counts)
        share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
        ax.imshow(share, cmap="Blues", vmin=0, vmax=1, origin="upper")
        for (i, j), n in np.ndenumerate(counts):
            colour = "white" if share[i, j] > 0.5 else BLACK
            ax.text(j, i, f"{n:,}\n{share[i, j]:.1%}", ha="center", va="center", fontsize=15, color=colour)
        ax.set_title(title)
        ax.set_xticks(range(len(names)), names)
        ax.set_yticks(range(len(names)), names)
        ax.set_xlabel("answer of the network")
    axes[0, 0].set_ylabel("truth")
    return figure


@with_alt_text
def plot_roc(curves: Mapping):
    """Draw ROC curves, and their upper left corner enlarged.

    Parameters
    ----------
    curves : dict of str to (array, array)
        Label to share of false positives and of true positives.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12.0, 5.2))
    for ax in axes:
        for (label, (false, true)), colour, dash in zip(curves.items(), CYCLE, DASHES, strict=False):
            ax.plot(false, true, color=colour, ls=dash, lw=2.5, label=label)
        ax.plot([0, 1], [0, 1], color="0.7", lw=1.5, label="guessing")
        ax.set(xlabel="galaxies taken for quasars (share)", ylabel="quasars found (share)")
    axes[0].set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
    axes[1].set(xlim=(-0.002, 0.1), ylim=(0.9, 1.002), title="the corner, enlarged")
    axes[0].legend(loc="lower right")
    return figure


@with_alt_text
def plot_thresholds(threshold: ArrayLike, curves: Mapping):
    """Draw purity and completeness of a sample against the threshold that p must exceed.

    Parameters
    ----------
    threshold : array (m,)
    curves : dict of str to array (m,)
    """
    figure, ax = plt.subplots(figsize=(10.0, 4.8))
    for (label, values), colour, dash in zip(curves.items(), CYCLE, DASHES, strict=False):
        ax.plot(threshold, values, color=colour, ls=dash, lw=2.5, label=label)
    lowest = min(np.nanmin(values) for values in curves.values())
    ax.set(xlabel="limit that p(galaxy) must exceed", ylabel="share", ylim=(lowest - 0.03, 1.06))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@with_alt_text
def plot_occlusion(flux: ArrayLike, z: ArrayLike, effect: ArrayLike, titles: Sequence[str], is_quasar: ArrayLike):
    """Draw spectra and, below each, how much hiding a piece of it changes the answer.

    Parameters
    ----------
    flux : array (n, 4618)
    z : array (n,)
    effect : array (n, 4618)
        Fall of the log odds of the true class when the surroundings of a pixel are hidden.
    titles : sequence of str
    is_quasar : bool array (n,)
        Which lines to mark.
    """
    rows = len(flux)
    ratios = [2, 1.2] * rows
    figure, axes = plt.subplots(2 * rows, 1, figsize=(10.5, 1.0 + 4.0 * rows), sharex=True, height_ratios=ratios)
    for i, (top, below) in enumerate(zip(axes[::2], axes[1::2], strict=True)):
        _draw_spectrum(top, flux[i], 9)
        (_mark_lines if is_quasar[i] else _mark_galaxy_lines)(top, z[i])
        top.set_title(titles[i], loc="left", pad=22)
        top.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
        below.axhline(0, color=GREY, lw=1)
        below.fill_between(WAVELENGTH, effect[i], color=PURPLE, alpha=0.7, lw=0)
        below.set_ylabel("log odds\nlost")
    axes[-1].set_xlabel(WAVELENGTH_LABEL)
    return figure
