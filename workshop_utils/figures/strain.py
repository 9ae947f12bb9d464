"""Figures of notebook 05: strain, its noise, and what was found in it."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from .style import BLACK, CYCLE, DASHES, with_alt_text


@with_alt_text
def plot_series(
    panels: Mapping,
    ylabels: str | Sequence[str],
    xlabel: str = "time (s)",
    marks: Mapping | None = None,
    xlim: Sequence[float] | None = None,
):
    """Draw series in time, in panels one below the other, with the same times marked in all.

    Parameters
    ----------
    panels : dict of str to dict of str to (array, array)
        Title of each panel to its curves: label ("" for none) to time and values.
    ylabels : str or sequence of str
        Of all panels, or of each.
    xlabel : str
    marks : dict of str to float, optional
        Label to time.
    xlim : (float, float), optional
    """
    ylabels = [ylabels] * len(panels) if isinstance(ylabels, str) else ylabels
    size = (10.5, 1.2 + (2.2 if len(panels) < 4 else 1.7) * len(panels))
    figure, axes = plt.subplots(len(panels), 1, figsize=size, sharex=True, squeeze=False)
    for ax, (title, curves), ylabel in zip(axes[:, 0], panels.items(), ylabels, strict=True):
        for (label, (x, y)), colour, dash in zip(curves.items(), CYCLE, DASHES, strict=False):
            ax.plot(x, y, color=colour, ls=dash if len(x) < 1000 else "-", lw=1.4, label=label or None)
        for (label, place), dash in zip((marks or {}).items(), DASHES[1:], strict=False):
            ax.axvline(place, color=BLACK, ls=dash, lw=1.5, zorder=0, label=label if ax is axes[0, 0] else None)
        ax.set_title(title, loc="left")
        ax.margins(x=0)
        ax.set(ylabel=ylabel, xlim=xlim)
        if ax.get_legend_handles_labels()[1]:
            ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    axes[-1, 0].set_xlabel(xlabel)
    return figure


@with_alt_text
def plot_asd(curves: Mapping, band: Sequence[float] = (20, 500), ylim: Sequence[float] = (2e-24, 1e-20)):
    """Draw the noise of detectors against frequency, and the band that is looked at.

    Parameters
    ----------
    curves : dict of str to (array, array)
        Label to frequency (Hz) and amplitude spectral density (strain/sqrt(Hz)).
    band : (float, float)
        Hz.
    ylim : (float, float)
    """
    figure, ax = plt.subplots(figsize=(10.5, 5.0))
    ax.axvspan(*band, color="0.93", lw=0, zorder=0, label=f"band, {band[0]}-{band[1]} Hz")
    for (label, (frequency, asd)), colour, dash in zip(curves.items(), CYCLE, DASHES, strict=False):
        ax.plot(frequency, asd, color=colour, ls=dash, lw=2, label=label)
    ax.set(xscale="log", yscale="log", xlabel="frequency (Hz)", ylabel="noise (strain / √Hz)")
    ax.set(xlim=(10, 1024), ylim=ylim)
    ax.set_xticks([10, 20, 50, 100, 200, 500, 1000], ["10", "20", "50", "100", "200", "500", "1,000"])
    ax.xaxis.set_minor_locator(mpl.ticker.NullLocator())
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@with_alt_text
def plot_spectrogram(panels: Mapping, xlim: Sequence[float] | None = None):
    """Draw how much of each pitch there is at each time.

    Parameters
    ----------
    panels : dict of str to (array, array, array)
        Title to time (s), frequency (Hz), and S/N of shape (frequency, time).
    xlim : (float, float), optional
        s.
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(12.5, 5.0), sharey=True, squeeze=False)
    top = max(float(np.max(snr)) for *_, snr in panels.values())
    for ax, (title, (time, frequency, snr)) in zip(axes[0], panels.items(), strict=True):
        shade = ax.pcolormesh(time, frequency, snr, vmin=0, vmax=top, cmap="viridis", shading="nearest")
        ax.set(title=title, xlabel="time (s)", xlim=xlim, yscale="log")
    axes[0, 0].set_ylabel("frequency (Hz)")
    axes[0, 0].set_yticks([30, 50, 100, 200, 400], ["30", "50", "100", "200", "400"])
    axes[0, 0].yaxis.set_minor_locator(mpl.ticker.NullLocator())
    figure.colorbar(shade, ax=axes, label="S/N of a burst", pad=0.02)
    return figure


@with_alt_text
def plot_loudness(groups: Mapping, xlabel: str):
    """Draw how often each loudness occurs, in several groups of samples.

    Parameters
    ----------
    groups : dict of str to array (n,)
    xlabel : str
    """
    figure, ax = plt.subplots(figsize=(10.5, 4.4))
    highest = np.quantile(np.concatenate(list(groups.values())), 0.98)
    lowest = min(np.min(values) for values in groups.values())
    for (label, values), colour, hatch in zip(groups.items(), CYCLE, ("//", "", ".."), strict=False):
        share = np.full(len(values), 1 / len(values))
        style = {"facecolor": colour, "alpha": 0.45, "hatch": hatch, "edgecolor": colour}
        ax.hist(np.minimum(values, highest), np.linspace(lowest, highest, 41), weights=share, label=label, **style)
    ax.set(xlabel=f"{xlabel} (the last bin holds all above)", ylabel="share of samples")
    ax.legend(loc="upper right")
    return figure


@with_alt_text
def plot_detection(curves: Mapping, n_noise: int):
    """Draw the share of signals found against the share of false alarms, plain (ROC) and logarithmic.

    Parameters
    ----------
    curves : dict of str to (array, array)
        Label to share of noise samples taken for signals, and of signals found.
    n_noise : int
        Noise samples: fewer than one false alarm among them cannot be measured.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 5.6), sharey=True)
    x = np.geomspace(1 / n_noise, 1, 200)
    for ax in axes:
        for (label, (false, true)), colour, dash in zip(curves.items(), CYCLE, DASHES, strict=False):
            ax.plot(false, true, color=colour, ls=dash, lw=2.5, label=label)
        ax.plot(x, x, color="0.7", lw=1.5, label="guessing")
        ax.set(xlabel="false alarms (share of noise samples)", ylim=(0, 1.02))
    axes[0].set(xlim=(-0.02, 1.02), ylabel="signals found (share)", title="ROC curve")
    axes[1].set(xscale="log", xlim=(1 / n_noise, 1), title="the same, rare false alarms enlarged")
    axes[1].xaxis.set_major_formatter("{x:g}")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


@with_alt_text
def plot_found(panels: Mapping, xlim: Sequence[float] | None = None):
    """Draw the share of signals found against their S/N.

    Parameters
    ----------
    panels : dict of str to dict of str to pandas.DataFrame
        Title to curves: label to a table with a row per bin of S/N: middle, share, error.
    xlim : (float, float), optional
    """
    figure, axes = plt.subplots(1, len(panels), figsize=(5.6 * len(panels) + 0.8, 5.6), sharey=True, squeeze=False)
    for ax, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for (label, table), colour, dash, mark in zip(curves.items(), CYCLE, DASHES, "os^Dv", strict=False):
            style = {"color": colour, "ls": dash, "marker": mark, "ms": 7, "capsize": 4, "lw": 2, "label": label}
            ax.errorbar(table.middle, table.share, table.error, **style)
        ax.set(title=title, xlabel="S/N of the signal", ylim=(-0.02, 1.05), xlim=xlim)
        ax.grid(color="0.9")
    axes[0, 0].set_ylabel("signals found (share)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure
