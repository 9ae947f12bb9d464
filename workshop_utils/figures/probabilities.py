"""Figures of notebook 06: templates, a probability for every redshift, and whether it can be trusted."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ..scores import LINES
from ..shapes import ArrayLike
from ..spectra import LIGHT_SPEED, LOGLAM
from .style import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    MARKED,
    VERMILION,
    WAVELENGTH_LABEL,
    WHITE,
    _draw_spectrum,
    _mark_lines,
    running_mean,
    with_alt_text,
)


@with_alt_text
def plot_moved(one: ArrayLike, other: ArrayLike, shift: int, labels: Sequence[str], bin_width: float = 4e-4):
    """Draw two spectra as they are, and again with the second moved onto the first.

    Parameters
    ----------
    one, other : array (bin,)
        Spectra without continuum, in bins of equal log wavelength.
    shift : int
        Bins by which the second lies further to the red.
    labels : (str, str)
    bin_width : float
        In log10 of wavelength.
    """
    figure, axes = plt.subplots(2, 1, figsize=(10.5, 6.0), sharex=True)
    x = LOGLAM[0] + bin_width * (np.arange(len(one)) + 0.5)
    titles = "as observed", f"the second moved by {shift} bins to the left"
    for ax, back, title in zip(axes, (0, shift), titles, strict=True):
        ax.plot(x, one, color=BLUE, lw=1.5, label=labels[0])
        ax.plot(x - back * bin_width, other, color=VERMILION, lw=1.5, alpha=0.85, label=labels[1])
        ax.set_title(title, loc="left")
        ax.set(xlim=(x[0], x[-1]), ylabel="flux without\ncontinuum")
    axes[0].legend(loc="upper right", ncols=2)
    axes[1].set_xlabel("log₁₀ of observed wavelength in Å")
    return figure


@with_alt_text
def plot_curves(x: ArrayLike, curves: Mapping, xlabel: str, marks: Mapping | None = None):
    """Draw curves one below the other, with the same places marked in all.

    Parameters
    ----------
    x : array (n,)
    curves : dict of str to array (n,)
        Label of the y axis to values.
    xlabel : str
    marks : dict of str to float, optional
        Label to place on the x axis.
    """
    size = (10.5, 1.0 + 2.5 * len(curves))
    figure, axes = plt.subplots(len(curves), 1, figsize=size, sharex=True, squeeze=False)
    for ax, (label, y) in zip(axes[:, 0], curves.items(), strict=True):
        ax.plot(x, y, color=BLACK, lw=1.2)
        _mark_above(ax, marks or {})
        ax.set(ylabel=label, xlim=(x[0], x[-1]))
    if marks:
        axes[0, 0].legend(loc="upper right")
    axes[-1, 0].set_xlabel(xlabel)
    return figure


def _mark_above(ax, marks):
    """Mark places (label: x) by strokes above the curves, a row for each: a line would hide a narrow peak."""
    low, high = ax.get_ylim()
    ax.set_ylim(low, low + (high - low) / (1 - 0.12 * len(marks)))
    for row, ((name, place), colour) in enumerate(zip(marks.items(), (VERMILION, BLUE), strict=False)):
        top = 1 - 0.12 * row
        ax.axvline(place, top - 0.1, top, color=colour, lw=4, label=name)


@with_alt_text
def plot_templates(
    wavelength: ArrayLike,
    templates: ArrayLike,
    titles: Sequence[str] | None = None,
    limits: Sequence[float] = (900, 8000),
):
    """Draw templates against rest wavelength, with the names of the lines.

    Parameters
    ----------
    wavelength : array (bin,)
        Rest wavelength, A.
    templates : array (n, bin)
    titles : sequence of str, optional
    limits : (float, float)
        A.
    """
    rows = len(templates)
    figure, axes = plt.subplots(rows, 1, figsize=(11.0, 1.6 + 1.75 * rows), sharex=True, squeeze=False)
    inside = (wavelength > limits[0]) & (wavelength < limits[1])
    for i, ax in enumerate(axes[:, 0]):
        values = np.asarray(templates[i])[inside]
        if titles is not None:
            ax.plot(wavelength[inside], values, color="0.75", lw=0.8)
            values = running_mean(values, 7)
        ax.plot(wavelength[inside], values, color=BLUE, lw=1.6)
        ax.axhline(0, color="0.8", lw=1, zorder=0)
        for name, label in {**MARKED, "[OII]": "[O II]"}.items():
            ax.axvline(LINES[name], color=VERMILION, lw=1.2, ls=":", zorder=0)
            if i == 0:
                above = {"transform": ax.get_xaxis_transform(), "ha": "center", "va": "bottom"}
                ax.text(LINES[name], 1.01, label, color=VERMILION, fontsize=13, **above)
        ax.set_ylabel(titles[i] if titles is not None else "template")
    ax.set_xscale("log")
    ticks = [t for t in (1000, 1500, 2000, 3000, 4000, 5000, 6000, 8000) if limits[0] <= t <= limits[1]]
    ax.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.set(xlabel="rest wavelength (Å, logarithmic)", xlim=limits)
    return figure


@with_alt_text
def plot_stages(
    binned: ArrayLike, features: ArrayLike, z: ArrayLike, scores: ArrayLike, probability: ArrayLike, z_true: ArrayLike
):
    """Draw what the shift network computes on the way from a spectrum to the probability of each redshift.

    Parameters
    ----------
    binned : array (bin,)
        Spectrum.
    features : array (filter, bin)
        What the filters make of it.
    z : array (shift,)
    scores, probability : array (shift,)
    z_true : float
    """
    figure, axes = plt.subplots(4, 1, figsize=(10.5, 10.0), height_ratios=[1, 1.3, 1, 1])
    bins = np.arange(len(binned))
    axes[0].plot(bins, binned, color=BLACK, lw=1)
    axes[0].set(xlim=(0, len(binned)), ylabel="spectrum", xlabel="bin of observed wavelength")
    ceiling = np.quantile(features, 0.995)
    axes[1].imshow(features, aspect="auto", cmap="Blues", vmin=0, vmax=ceiling, interpolation="nearest")
    axes[1].set(ylabel="filter", xlabel="bin of observed wavelength")
    for ax, values, label in ((axes[2], scores, "score"), (axes[3], probability, "probability\nper shift")):
        ax.plot(z, values, color=BLACK, lw=1.2)
        _mark_above(ax, {"true redshift": z_true})
        ax.set(ylabel=label, xlabel="redshift", xlim=(0, z[-1]))
    axes[2].legend(loc="upper right")
    titles = (
        "1  averaged in bins of 4 pixels",
        f"2  filtered: {len(features)} answers",
        "3  correlated with the templates",
        "4  softmax",
    )
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")
    return figure


@with_alt_text
def plot_probabilities(
    flux: ArrayLike,
    z: ArrayLike,
    probability: ArrayLike,
    z_marked: ArrayLike,
    titles: Sequence[str],
    mark: str = "true redshift",
    zoom: bool = False,
):
    """Draw spectra and, beside each, the probability of its redshift.

    Parameters
    ----------
    flux : array (n, 4618)
    z : array (shift,)
    probability : array (n, shift)
    z_marked : array (n,)
        Redshift marked in P(z), and that at which the lines of the spectrum are marked.
    titles : sequence of str
    mark : str
        What `z_marked` is.
    zoom : bool
        Show only the redshifts with more than a hundredth of the highest probability, and what lies beside them.
    """
    size = (13.0, 1.0 + 2.7 * len(flux))
    figure, axes = plt.subplots(len(flux), 2, figsize=size, width_ratios=[1.7, 1], squeeze=False)
    step = LIGHT_SPEED * np.log((1 + z[1]) / (1 + z[0]))
    together = max(1, round(1400 / step))  # fine bins are summed, to be seen at all
    for i, (left, right) in enumerate(axes):
        _draw_spectrum(left, np.asarray(flux[i]), 15)
        _mark_lines(left, float(z_marked[i]))
        left.set_title(titles[i], loc="left", pad=22, fontsize=14)
        left.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
        peak = np.convolve(probability[i], np.ones(together), "same")
        right.axvline(float(z_marked[i]), color=VERMILION, ls="--", lw=2, zorder=0, label=mark)
        right.plot(z, peak, color=BLUE, lw=1.8)
        right.set(xlim=(0, z[-1]), ylim=(0, 1.15 * max(peak.max(), 1e-3)))
        if zoom:
            near = z[peak > 0.01 * peak.max()]
            right.set_xlim(near[0] - 0.1, near[-1] + 0.1)
        right.set_ylabel(f"probability\nper {together * step:,.0f} km/s")
    axes[0, 1].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))  # above: inside, it would touch the mark
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    axes[-1, 1].set_xlabel("redshift")
    return figure


@with_alt_text
def plot_reliability(
    table: pd.DataFrame, xlabel: str = "confidence of the network", ylabel: str = "share right within 6,000 km/s"
):
    """Draw the share that is right against the confidence that was claimed.

    Parameters
    ----------
    table : pandas.DataFrame
        A row per bin of confidence: confidence (its mean), share, error, n.
    xlabel, ylabel : str
    """
    figure, ax = plt.subplots(figsize=(7.5, 5.6))
    ax.plot([0, 1], [0, 1], color="0.7", lw=2, label="honest")
    style = {"fmt": "o", "color": BLUE, "ms": 9, "capsize": 5, "label": "measured"}
    error = np.array([np.minimum(table.error, table.share), np.minimum(table.error, 1 - table.share)])
    ax.errorbar(table.confidence, table.share, error, **style)  # a share lies between 0 and 1
    gaps = np.append(np.diff(table.confidence), 1.0)
    for row, gap in zip(table.itertuples(), gaps, strict=True):
        offset, ha = ((0, 10), "center") if gap < 0.06 else ((10, -18), "left")
        place = row.confidence, row.share
        ax.annotate(f"{row.n:,}", place, offset, textcoords="offset points", ha=ha, fontsize=12, bbox=WHITE)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    ax.set(xlim=(0, 1.12), ylim=(-0.13, 1.2), yticks=np.linspace(0, 1, 6))
    ax.legend(loc="upper left", ncols=2)
    return figure


@with_alt_text
def plot_confidences(groups: Mapping, xlabel: str = "confidence of the network"):
    """Draw how the confidence is distributed in several groups of spectra.

    Parameters
    ----------
    groups : dict of str to array (n,)
        Name to confidences; empty groups are named but draw nothing.
    xlabel : str
    """
    size = (9.0, 1.0 + 1.9 * len(groups))
    figure, axes = plt.subplots(len(groups), 1, figsize=size, sharex=True, squeeze=False)
    for ax, (name, confidence), colour in zip(axes[:, 0], groups.items(), CYCLE, strict=False):
        share = np.ones(len(confidence)) / max(len(confidence), 1)
        ax.hist(confidence, np.linspace(0, 1, 21), weights=share, color=colour)
        ax.set_title(f"{name} ({len(confidence):,})", loc="left")
        ax.set(ylabel="share", xlim=(0, 1))
    axes[-1, 0].set_xlabel(xlabel)
    return figure


@with_alt_text
def plot_equivariance(moved: ArrayLike, shares: Mapping):
    """Draw how often the answer moves as the spectrum was moved.

    Parameters
    ----------
    moved : array (n,)
        Bins by which the spectra were moved to the red.
    shares : dict of str to array (n,)
        Network to the share of spectra whose answer followed.
    """
    figure, ax = plt.subplots(figsize=(9.0, 4.4))
    for (name, share), colour, dash, mark in zip(shares.items(), CYCLE, DASHES, "os^D", strict=False):
        ax.plot(moved, share, ls=dash, marker=mark, color=colour, lw=2.5, ms=8, label=name)
    ax.set(xlabel="spectrum moved to the red by (bins)", ylabel="share of answers\nthat moved with it")
    lowest = min(0.9, *(min(share) for share in shares.values()))
    ax.set_ylim(lowest - 0.03 * (1 - lowest), 1 + 0.05 * (1 - lowest))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@with_alt_text
def plot_pit(positions: Mapping, bins: int = 10, of: str = "spectra"):
    """Draw how often the truth lies where in its own P(z): the probability integral transform (PIT).

    Parameters
    ----------
    positions : dict of str to array (n,)
        Label to the probability below the truth, 0 to 1, of each object. Honest probabilities are spread evenly.
    bins : int
    of : str
        What the objects are.
    """
    figure, axes = plt.subplots(
        1, len(positions), figsize=(5.2 * len(positions) + 0.8, 4.4), sharey=True, squeeze=False
    )
    for ax, (label, values) in zip(axes[0], positions.items(), strict=True):
        n, expected = len(values), 1 / bins
        share, edges = np.histogram(values, np.linspace(0, 1, bins + 1))
        ax.bar(edges[:-1], share / n, 1 / bins, align="edge", color=BLUE, alpha=0.55, edgecolor=BLUE)
        error = 2 * np.sqrt(expected * (1 - expected) / n)
        ax.axhspan(expected - error, expected + error, color="0.8", zorder=0, label="honest, 95 % of the time")
        ax.set(title=label, xlabel="probability below the truth", xlim=(0, 1))
    axes[0, 0].set_ylabel(f"share of {of}")
    axes[0, -1].legend(loc="upper right")
    return figure
