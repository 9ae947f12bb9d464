"""Figures of notebook 03: convolutions, learning curves, redshifts found and missed."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ..shapes import ArrayLike
from ..spectra import LOGLAM, WAVELENGTH
from .style import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    GREY,
    SKY,
    VERMILION,
    WAVELENGTH_LABEL,
    _draw_spectrum,
    _mark_lines,
    _use_plain_log_axis,
    _use_plain_log_ticks,
    running_mean,
    with_alt_text,
)


@with_alt_text
def plot_convolutions(examples: Mapping):
    """Draw signals, the kernel slid along each, and the answer at every place.

    Parameters
    ----------
    examples : dict of str to (array (n,), array (k,), array (n - k + 1,))
        Title to signal, kernel and answer; the kernel is drawn where the answer is greatest.
    """
    size = (6.2 * len(examples), 6.2)
    figure, axes = plt.subplots(2, len(examples), figsize=size, sharex="col", squeeze=False)
    for (top, below), (title, (signal, kernel, answer)) in zip(axes.T, examples.items(), strict=True):
        best = int(np.argmax(answer))
        top.step(np.arange(len(signal)), signal, where="mid", color=GREY, lw=1.5, label="signal")
        place = best + np.arange(len(kernel))
        top.step(place, kernel, where="mid", color=VERMILION, lw=2.5, label="kernel, at its best place")
        below.plot(np.arange(len(answer)), answer, ".-", color=BLUE, lw=1.5, ms=4)
        below.plot(best, answer[best], "o", color=VERMILION, ms=10)
        top.set(title=title, ylabel="value")
        top.set_ylim(top=top.get_ylim()[1] + 0.35 * np.ptp(top.get_ylim()))
        below.set(xlabel="pixel at which the kernel begins", ylabel="sum of products")
        top.legend(loc="upper left")
    return figure


@with_alt_text
def plot_reach(flux: ArrayLike, reach: Mapping, z: float):
    """Draw a spectrum and, below it, what pieces of it the answers of a layer can see.

    Parameters
    ----------
    flux : array (4618,)
    reach : dict of str to int
        Label to pixels of the spectrum.
    z : float
        Redshift at which the lines are marked.
    """
    figure, (ax, bars) = plt.subplots(2, 1, figsize=(10.5, 5.6), sharex=True, height_ratios=(3, 2))
    _draw_spectrum(ax, flux, 9)
    _mark_lines(ax, z)
    ax.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
    for row, (label, pixels) in enumerate(reach.items()):
        first = max(0, (len(LOGLAM) - pixels) // 2)
        ends = WAVELENGTH[[first, min(first + pixels, len(LOGLAM)) - 1]]
        bars.plot(ends, (row, row), "-", color=CYCLE[row], lw=10, solid_capstyle="butt")
        bars.text(WAVELENGTH[0] + 80, row - 0.45, label, ha="left", va="center", color=CYCLE[row])
    bars.set(xlabel=WAVELENGTH_LABEL, ylabel="seen at once", ylim=(len(reach) - 0.4, -0.9), yticks=[])
    return figure


@with_alt_text
def plot_learning_curve(
    histories: Mapping, ylabel: str = "loss", levels: Mapping | None = None, xlabel: str = "batches"
):
    """Draw the loss on the training data (thin) and on validation data (points) while networks train.

    Parameters
    ----------
    histories : dict of str to pandas.DataFrame
        Label to what `training.train` returned.
    ylabel, xlabel : str
        What was validated; what a step is.
    levels : dict of str to float, optional
        Label to a loss to compare with, drawn across.
    """
    figure, ax = plt.subplots(figsize=(10.5, 5.0))
    for (label, history), colour, mark in zip(histories.items(), CYCLE, "os^Dv", strict=False):
        style = {"color": colour, "lw": 2}
        ax.plot(history["step"], history["loss"], alpha=0.5, **style, label=f"{label}: training")
        ax.plot(history["step"], history["validation"], f"{mark}-", **style, label=f"{label}: validation")
    for (label, level), dash in zip((levels or {}).items(), DASHES[1:], strict=False):
        ax.axhline(level, color=BLACK, ls=dash, lw=1.5, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    _use_plain_log_axis(ax)
    ax.grid(color="0.9")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@with_alt_text
def plot_residuals(
    velocity: ArrayLike,
    z: ArrayLike,
    sn: ArrayLike,
    limit: float = 6000.0,
    beyond: float = 20000.0,
    redshift: str = "true redshift",
):
    """Draw redshift errors against redshift and against S/N.

    Parameters
    ----------
    velocity : array (n,)
        Errors, km/s. What lies beyond `beyond` is drawn as a triangle at the edge.
    z, sn : array (n,)
        Redshift; median S/N per pixel.
    limit : float
        km/s; the band that counts as right.
    redshift : str
        What z is.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 4.8), sharey=True)
    velocity, edge = np.asarray(velocity) / 1000, beyond / 1000
    far = np.abs(velocity) > edge
    for ax, x, xlabel in zip(axes, (z, sn), (redshift, "median S/N per pixel"), strict=True):
        x = np.asarray(x)
        ax.axhspan(-limit / 1000, limit / 1000, color=SKY, alpha=0.3, lw=0)
        ax.axhline(0, color=GREY, lw=1)
        ax.plot(x[~far], velocity[~far], ".", color=BLUE, ms=4, alpha=0.6)
        for side, mark in ((velocity > edge, "^"), (velocity < -edge, "v")):
            if side.any():  # markers that are not clipped, and none of them, would upset the layout
                ax.plot(x[side], np.clip(velocity[side], -edge, edge), mark, color=VERMILION, ms=7, clip_on=False)
        ax.set(xlabel=xlabel, ylim=(-edge, edge))
    axes[0].set_ylabel("redshift error (1,000 km/s)")
    _use_plain_log_ticks(axes[1])
    return figure


@with_alt_text
def plot_accuracy(tables: Mapping, ylabel: str = "right within 6,000 km/s (%)", lowest: float = 0):
    """Draw the share of right redshifts in bins of other quantities, with binomial errors.

    Parameters
    ----------
    tables : dict of str to dict of str to pandas.DataFrame
        Axis label ("median S/N per pixel") to label of a network to what `scores.accuracy_by` returned.
    ylabel : str
        What counts as right.
    lowest : float
        Per cent at the foot of the axis, or less where a point lies lower.
    """
    size = (6.0 * len(tables) + 0.8, 5.2)
    figure, axes = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
    for ax, (xlabel, networks) in zip(axes[0], tables.items(), strict=True):
        for i, ((label, table), colour, mark) in enumerate(zip(networks.items(), CYCLE, "os^Dv", strict=False)):
            part = 0.5 + 0.08 * (i - (len(networks) - 1) / 2)  # of a bin: markers side by side
            low, high = np.array(table.low), np.array(table.high)
            middle = low ** (1 - part) * high**part if low.min() > 0 else low + part * (high - low)
            reach = np.abs(np.array([low, high]) - middle)
            style = {"fmt": mark, "color": colour, "ms": 7, "lw": 2, "label": label}
            possible = np.minimum([table.error] * 2, [table.share, 1 - table.share])  # no share lies outside 0 to 1
            ax.errorbar(middle, 100 * table.share, 100 * possible, reach, **style)
            lowest = min(lowest, max(0, 100 * (table.share - table.error).min() - 2))
        if networks and all(table.low.min() > 0 for table in networks.values()):
            _use_plain_log_ticks(ax)
        ax.set(xlabel=xlabel)
        ax.grid(color="0.9")
    margin = 0.05 * (100 - lowest)
    axes[0, 0].set(ylabel=ylabel, ylim=(lowest - margin, 100 + margin))  # of both panels
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@with_alt_text
def plot_failures(
    flux: ArrayLike, z_true: ArrayLike, z_found: ArrayLike, titles: Sequence[str], lines: Mapping | None = None
):
    """Draw spectra with the lines at the true redshift (above, solid) and at the one found (below, dashed).

    What rises above eight times the median flux is cut off, so that lines elsewhere are seen.

    Parameters
    ----------
    flux : array (n, 4618)
    z_true, z_found : array (n,)
    titles : sequence of str
    lines : dict of str to float, optional
        Name to rest wavelength (A) of the lines to mark at the true redshift; else those of the paper's Fig. 4.
    """
    rows = len(flux)
    figure, axes = plt.subplots(rows, 1, figsize=(10.5, 1.2 + 3.0 * rows), sharex=True, squeeze=False)
    for i, ax in enumerate(axes[:, 0]):
        _draw_spectrum(ax, flux[i], 9)
        low, high = ax.get_ylim()
        most = min(high, 8 * np.median(np.abs(running_mean(flux[i]))))
        low, high = low * most / high, most
        ax.set_ylim(low - 0.2 * (high - low), high)
        _mark_lines(ax, z_true[i], colour=BLUE, dash="-", lines=lines)
        _mark_lines(ax, z_found[i], colour=VERMILION, dash="--", height=0.03)
        ax.set_title(titles[i], loc="left", pad=22)
        ax.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_filters(before: ArrayLike, after: ArrayLike, smooth: int = 25):
    """Draw kernels before and after training and, below each, what training added, as a running mean.

    Parameters
    ----------
    before, after : array (n, pixel)
    smooth : int
        Taps of the running mean.
    """
    n = len(before)
    figure, axes = plt.subplots(2, n, figsize=(min(3.1 * n + 0.6, 12.5), 5.4), sharex=True, sharey="row", squeeze=False)
    for i, (top, below) in enumerate(axes.T):
        top.plot(after[i], color=BLUE, lw=0.8, label="after")
        top.plot(before[i], color="0.75", lw=0.8, alpha=0.8, label="before")
        below.axhline(0, color=GREY, lw=1)
        below.plot(running_mean(after[i] - before[i], smooth), color=BLUE, lw=2.5)
        below.set_xlabel("pixel of the kernel")
    axes[0, 0].set_ylabel("weight")
    axes[1, 0].set_ylabel("what training added\n(running mean)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


@with_alt_text
def plot_data_needed(
    table: pd.DataFrame,
    levels: Sequence[float] = (0.03, 0.1, 0.3, 0.5, 0.7, 0.9, 0.97, 0.99),
    form: str = "{:.0%}",
    of: str = "right within 6,000 km/s",
    what: str = "spectra",
):
    """Draw a score against the number of examples that a method saw in training, one curve for each.

    Parameters
    ----------
    table : pandas.DataFrame
        A row for each run: method, seen (examples), seed, score (0 to 1), n (test examples). Points are means over
        seeds, error bars the scatter between them or the binomial error, whichever is larger.
    levels : sequence of float
        Ticks of the vertical axis, which enlarges what is near 1.
    form : str
        How they are written.
    of, what : str
        What the score is, and what the examples are.
    """
    figure, ax = plt.subplots(figsize=(10.5, 5.8))
    for (method, rows), colour, dash, mark in zip(
        table.groupby("method", sort=False), CYCLE, DASHES, "os^D", strict=False
    ):
        share = rows.groupby("seen").score
        mean, scatter = share.mean(), share.std().fillna(0)
        error = np.maximum(scatter, np.sqrt(mean * (1 - mean) / rows.n.iloc[0]))
        low, high = np.clip(mean - error, 1e-3, 1), np.clip(mean + error, 0, 0.9995)
        y = _odds(mean.clip(1e-3, 0.9995))
        bars = np.maximum([y - _odds(low), _odds(high) - y], 0)
        style = {"color": colour, "ls": dash, "marker": mark, "ms": 8, "lw": 2.5, "capsize": 4, "label": method}
        ax.errorbar(mean.index, y, bars, **style)
    ax.set_yticks(_odds(np.array(levels)), [form.format(level) for level in levels])
    ax.set(xscale="log", xlabel=f"{what} seen in training", ylabel=of)
    ax.set_xticks(np.unique(table.seen), [f"{n:,}" for n in np.unique(table.seen)])
    ax.minorticks_off()
    ax.grid(color="0.9")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _odds(share):
    """Logarithm of the odds: it enlarges what is near 0 and 1."""
    return np.log(share / (1 - share))
