"""Figures of notebook 02: spectra, what is done to them, and what may be guessed from them."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from ..scores import LINES, velocity_error
from ..shapes import ArrayLike
from ..spectra import LIGHT_SPEED, LOGLAM, WAVELENGTH
from .style import (
    BLACK,
    BLUE,
    CYCLE,
    DASHES,
    GREEN,
    MARKED,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    WAVELENGTH_LABEL,
    WHITE,
    _draw_spectrum,
    _mark_lines,
    running_mean,
    with_alt_text,
)


@with_alt_text
def plot_spectra(
    flux: ArrayLike,
    z: ArrayLike,
    titles: Sequence[str],
    sigma: ArrayLike | None = None,
    pixels: int = 9,
    lines: Mapping | None = None,
):
    """Draw spectra one below the other, with lines marked.

    Parameters
    ----------
    flux : array (n, 4618)
        1e-17 erg/s/cm2/A.
    z : array (n,)
        Redshifts at which the lines are marked; NaN marks none.
    titles : sequence of str
    sigma : array (n, 4618), optional
        Noise of each pixel, drawn below; 0 or infinite where there are no data.
    pixels : int
        Width of the running mean that is drawn over the measured flux; 1 draws the flux alone.
    lines : dict of str to float, optional
        Name to rest wavelength (A) of the lines to mark; else those of the paper's Fig. 4.
    """
    rows = len(flux)
    figure, axes = plt.subplots(rows, 1, figsize=(10.5, 1.3 + 2.5 * rows), sharex=True, squeeze=False)
    for i, ax in enumerate(axes[:, 0]):
        _draw_spectrum(ax, flux[i], pixels)
        if sigma is not None:
            recorded = np.isfinite(sigma[i]) & (np.asarray(sigma[i]) > 0)
            ax.plot(WAVELENGTH, np.where(recorded, sigma[i], np.nan), color=BLUE, lw=1.2, label="noise σ")
        _mark_lines(ax, z[i], lines=lines)
        ax.set_title(titles[i], loc="left", pad=22 if np.isfinite(z[i]) else 6)
        ax.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
    if sigma is not None:
        axes[0, 0].legend(loc="upper right")
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_gallery(flux: ArrayLike, titles: Sequence[str], pixels: int = 25):
    """Draw spectra small, two in a row, without marks.

    Parameters
    ----------
    flux : array (n, 4618)
        1e-17 erg/s/cm2/A.
    titles : sequence of str
    pixels : int
        Width of the running mean that is drawn; the measured flux itself is left out.
    """
    rows = -(-len(flux) // 2)
    figure, axes = plt.subplots(rows, 2, figsize=(13.0, 0.8 + 1.9 * rows), sharex=True, squeeze=False)
    for ax, one, title in zip(axes.flat, flux, titles, strict=False):
        shown = running_mean(np.asarray(one), pixels)
        _draw_spectrum(ax, shown, 1)
        ax.set_title(title, loc="left", fontsize=14)
        ax.set_ylabel("flux\n(10⁻¹⁷ cgs)")
    for ax in axes.flat[len(flux) :]:
        ax.set_axis_off()
    for ax in axes[-1]:
        ax.set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_stretch_and_shift(flux: ArrayLike, z: ArrayLike):
    """Draw the same quasar at two redshifts against wavelength and against its logarithm.

    Parameters
    ----------
    flux : array (2, 4618)
        Without noise.
    z : array (2,)
    """
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 4.6), sharey=True)
    for ax, scale in zip(axes, (np.asarray, np.log10), strict=True):
        for i, (colour, dash) in enumerate(zip((BLUE, VERMILION), DASHES, strict=False)):
            shape = flux[i] / np.median(flux[i])
            ax.plot(scale(WAVELENGTH), shape, color=colour, ls=dash, lw=1.6, label=f"z = {z[i]:g}")
            ends = scale((1 + z[i]) * np.array([LINES["CIV"], LINES["CIII]"]]))
            height = (0.1 - 0.3 * i, 0.1 - 0.3 * i)
            ax.plot(ends, height, "|-", color=colour, lw=2, ms=12, mew=2)
        ax.set(xlim=scale(WAVELENGTH[[0, -1]]))
    axes[0].set(xlabel=WAVELENGTH_LABEL, ylabel="flux / its median", title="against wavelength: it stretches")
    axes[1].set(xlabel="log₁₀ of wavelength in Å", title="against its logarithm: it shifts")
    axes[0].legend(loc="upper right")
    return figure


@with_alt_text
def plot_moving_lines(flux: ArrayLike, z: ArrayLike):
    """Draw spectra at the height of their redshift, with the tracks along which their lines move.

    Parameters
    ----------
    flux : array (n, 4618)
    z : array (n,)
        Ascending.
    """
    figure, ax = plt.subplots(figsize=(10.5, 7.5))
    step = np.diff(z).min() if len(z) > 1 else 1.0
    z = np.asarray(z, float)
    track = np.linspace(z[0] - 0.2 * step, z[-1] + 0.6 * step, 300)
    for name, label in MARKED.items():
        place = np.log10(LINES[name] * (1 + track))
        seen = (place > LOGLAM[0]) & (place < LOGLAM[-1])
        if seen.any():
            path, up = place[seen], track[seen]
            ax.plot(path, up, color=VERMILION, lw=1.2, ls=":", zorder=1)
            if seen[-1]:  # free above the uppermost spectrum; else beside the end of the track
                ax.text(path[-1], up[-1] + 0.08 * step, label, color=VERMILION, va="bottom", ha="center")
            else:
                ax.text(path[-1] + 0.003, up[-1], label, color=VERMILION, va="center")
    for one, height in zip(flux, z, strict=True):
        shape = np.log10(np.maximum(one, 1e-3 * np.max(one)))
        ax.plot(LOGLAM, height + 0.55 * step * (shape - np.median(shape)), color=BLACK, lw=1.5)
        ax.axhline(height, color="0.85", lw=0.8, zorder=0)
    ticks = np.array([4000, 5000, 6000, 7000, 8000, 9000, 10000])
    ax.set_xticks(np.log10(ticks), [f"{tick:,}" for tick in ticks])
    ax.set(xlim=(LOGLAM[0], LOGLAM[-1]), ylim=(z[0] - 0.2 * step, z[-1] + 1.4 * step), yticks=z)
    ax.set(xlabel="observed wavelength (Å, logarithmic)", ylabel="redshift; around it, log flux")
    return figure


@with_alt_text
def plot_layers(layers: Mapping, z: float):
    """Draw a spectrum being built, layer upon layer.

    Parameters
    ----------
    layers : dict of str to array (4618,)
        Title to the spectrum after that layer, in one unit; the spectrum before is drawn in grey.
    z : float
        Redshift at which the lines are marked.
    """
    figure, axes = plt.subplots(len(layers), 1, figsize=(10.5, 1.75 * len(layers) + 1), sharex=True)
    before = None
    for ax, (title, flux) in zip(axes, layers.items(), strict=True):
        if before is not None:
            ax.plot(WAVELENGTH, before, color="0.7", lw=1.2)
        ax.plot(WAVELENGTH, flux, color=BLUE, lw=1.2)
        low, high = np.quantile(running_mean(flux), [0, 0.999])
        ax.set(xlim=(WAVELENGTH[0], WAVELENGTH[-1]), ylim=(min(0, low), 1.35 * high))
        ax.set_ylabel("flux\n(relative)")
        ax.text(0.99, 0.95, title, transform=ax.transAxes, ha="right", va="top", bbox=WHITE)
        _mark_lines(ax, z, labels=ax is axes[0])
        before = flux
    axes[-1].set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_sample(z: ArrayLike, sn: ArrayLike, counts: ArrayLike, sn_percentiles: Mapping):
    """Draw the redshifts and the S/N of a simulated sample beside those of the survey.

    Parameters
    ----------
    z, sn : array (n,)
    counts : array (m,)
        Quasars of the survey per 0.25 in redshift, from 0.
    sn_percentiles : dict of float to float
        Percentile to S/N of the survey.
    """
    figure, (left, right) = plt.subplots(1, 2, figsize=(12.0, 4.4))
    edges = 0.25 * np.arange(len(counts) + 1)
    left.hist(z, edges, color=SKY, label="simulated")
    left.plot(edges[:-1] + 0.125, np.array(counts) * len(z) / np.sum(counts), "o", color=BLACK, label="DR16Q")
    left.set(xlabel="redshift", ylabel="quasars per 0.25")
    right.hist(np.log10(sn), 40, color=SKY, cumulative=True, density=True)
    shares = np.array(list(sn_percentiles)) / 100
    right.plot(np.log10(list(sn_percentiles.values())), shares, "o", color=BLACK)
    ticks = [0.3, 1, 3, 10, 30]
    right.set_xticks(np.log10(ticks), ticks)
    right.set(xlabel="median S/N per pixel", ylabel="share with a lower S/N", xlim=np.log10([0.2, 60]))
    left.legend()
    return figure


@with_alt_text
def plot_noise(curves: Mapping, sky_lines: Sequence = ()):
    """Draw the noise of a pixel against wavelength.

    Parameters
    ----------
    curves : dict of str to array (4618,)
        Label to sigma in 1e-17 erg/s/cm2/A; NaN where there are no data.
    sky_lines : sequence of (float, str)
        Wavelength (A) and name of features to point out.
    """
    figure, ax = plt.subplots(figsize=(10.5, 4.6))
    for i, (label, sigma) in enumerate(curves.items()):
        ax.plot(WAVELENGTH, sigma, color=CYCLE[i], lw=1.2, label=label, zorder=3 - i)
    for place, name in sky_lines:
        ax.text(place, 1.01, name, transform=ax.get_xaxis_transform(), ha="center", va="bottom", fontsize=12)
        ax.axvline(place, color="0.8", lw=1, zorder=0)
    ax.set_yscale("log")
    ax.set_yticks([0.2, 0.5, 1, 2, 5], ["0.2", "0.5", "1", "2", "5"])
    ax.minorticks_off()
    ax.set(xlabel=WAVELENGTH_LABEL, ylabel="noise σ of one pixel\n(10⁻¹⁷ erg s⁻¹ cm⁻² Å⁻¹)")
    ax.set_xlim(WAVELENGTH[0], WAVELENGTH[-1])
    ax.legend(loc="upper center")
    return figure


@with_alt_text
def plot_steps(steps: Mapping, ylabels: Sequence[str] | None = None, ylim: Sequence[float] | None = None):
    """Draw a spectrum after each step of its preparation, with its mean and standard deviation.

    Parameters
    ----------
    steps : dict of str to array (4618,)
        Title to values.
    ylabels : sequence of str, optional
        Label of each panel; else "flux".
    ylim : (float, float), optional
        The same scale for all.
    """
    size = (10.5, 2.1 * len(steps) + 0.8)
    figure, axes = plt.subplots(len(steps), 1, figsize=size, sharex=True)
    for i, (ax, (title, values)) in enumerate(zip(np.atleast_1d(axes), steps.items(), strict=True)):
        mean, deviation = round(float(np.mean(values)), 2) + 0.0, np.std(values)  # + 0 makes -0 a 0
        ax.plot(WAVELENGTH, values, color=BLACK, lw=0.8)
        ax.axhspan(mean - deviation, mean + deviation, color=SKY, alpha=0.35, lw=0)
        ax.axhline(mean, color=BLUE, lw=2)
        ax.set_title(f"{title}: mean {mean:.2f}, standard deviation {deviation:.2f}", loc="left")
        ax.set(xlim=(WAVELENGTH[0], WAVELENGTH[-1]), ylabel=ylabels[i] if ylabels else "flux", ylim=ylim)
    ax.set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_guess(samples: Mapping, limit: float = 6000.0):
    """Draw redshifts, and the band in which guessing their mean counts as right.

    Parameters
    ----------
    samples : dict of str to array (n,)
        Title to true redshifts.
    limit : float
        km/s.
    """
    figure, axes = plt.subplots(1, len(samples), figsize=(6.0 * len(samples), 4.4), squeeze=False)
    for ax, (title, z) in zip(axes[0], samples.items(), strict=True):
        guess = float(np.mean(z))
        reach = limit / LIGHT_SPEED  # |guess - z| / (1 + z) below this counts as right
        ax.hist(z, 40, color="0.75")
        band = (guess - reach) / (1 + reach), (guess + reach) / (1 - reach)
        ax.axvspan(*band, color=ORANGE, alpha=0.5, lw=0)
        ax.axvline(guess, color=VERMILION, lw=2)
        ax.set(title=title, xlabel="true redshift", ylabel="quasars", xlim=(np.min(z), np.max(z)))
        ax.xaxis.set_major_locator(mpl.ticker.MaxNLocator(5, steps=[1, 2, 5, 10]))
    return figure


@with_alt_text
def plot_redshifts(found: Mapping, z_true: ArrayLike, limit: float = 6000.0, confusions: Sequence = ()):
    """Draw redshifts found against true ones.

    Parameters
    ----------
    found : dict of str to array (n,)
        Title to redshifts found.
    z_true : array (n,)
    limit : float
        km/s; within it a redshift counts as right.
    confusions : sequence of (str, str)
        At most four pairs of the lines of the paper's Fig. 4: where the first is taken for the second, a line is drawn.
    """
    size = (min(4.4 * len(found) + 1.9, 13.0), 4.6)
    figure, axes = plt.subplots(1, len(found), figsize=size, sharey=True, squeeze=False)
    z_true, end = np.asarray(z_true), 1.05 * float(np.max(z_true))
    top = max(end, *(1.03 * float(np.nanmax(z)) for z in found.values()))
    for ax, (title, z) in zip(axes[0], found.items(), strict=True):
        z, right = np.asarray(z), np.abs(velocity_error(z, z_true)) < limit
        ax.plot([0, end], [0, end], color="0.7", lw=1)
        style = {"ms": 4 if len(z) < 2000 else 3, "alpha": 0.7}  # right ones on top: a thin line hides little
        ax.plot(z_true[right], z[right], "o", color=BLUE, zorder=3, label="right", **style)
        ax.plot(z_true[~right], z[~right], "s", color=ORANGE, zorder=2, label="wrong", **style)
        colours = (VERMILION, GREEN, BLACK, PURPLE)  # none of those of the points
        for (seen, taken_for), colour, dash in zip(confusions, colours, DASHES[1:] * 2, strict=False):
            ratio, x = LINES[seen] / LINES[taken_for], np.array([0, end])
            label = f"{MARKED[seen]} taken for {MARKED[taken_for]}"
            ax.plot(x, ratio * (1 + x) - 1, color=colour, ls=dash, lw=1.8, label=label)
        ax.set(title=title, xlabel="true redshift", xlim=(0, end), ylim=(0, top), aspect="equal")
    axes[0, 0].set_ylabel("redshift found")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2)
    return figure


@with_alt_text
def plot_matches(spectra: ArrayLike, matches: ArrayLike, titles: Sequence[str]):
    """Draw spectra, each with the one taken to be its like.

    Parameters
    ----------
    spectra, matches : array (n, bins)
        Standardised, in equal bins of the grid.
    titles : sequence of str
    """
    size, bins = (10.5, 2.6 * len(spectra) + 0.8), len(spectra[0])
    figure, axes = plt.subplots(len(spectra), 1, figsize=size, sharex=True, squeeze=False)
    centres = 10 ** (LOGLAM[0] + np.ptp(LOGLAM) * (np.arange(bins) + 0.5) / bins)
    for ax, one, other, title in zip(axes[:, 0], spectra, matches, titles, strict=True):
        ax.plot(centres, one, color=BLACK, lw=1.3, label="test spectrum")
        ax.plot(centres, other, color=VERMILION, lw=1.3, alpha=0.8, label="its nearest neighbour")
        ax.set_title(title, loc="left")
        ax.set(ylabel="standardised flux", xlim=(WAVELENGTH[0], WAVELENGTH[-1]))
    axes[0, 0].legend(loc="upper right", ncols=2)
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_line_strengths(populations: Mapping):
    """Draw percentiles of the heights of emission lines in several populations, side by side.

    Parameters
    ----------
    populations : dict of str to pandas.DataFrame
        Label to a table as `populations.percentiles` makes it: a row for each line; columns 16, 50, 84 and n.
    """
    figure, ax = plt.subplots(figsize=(10.5, 4.8))
    lines = list(next(iter(populations.values())).index)
    for i, ((label, table), colour, mark) in enumerate(zip(populations.items(), CYCLE, "osD^", strict=False)):
        x = np.arange(len(lines)) + 0.16 * (i - (len(populations) - 1) / 2)
        middle = table[50].to_numpy()
        spread = np.abs(table[[16, 84]].to_numpy().T - middle)
        ax.errorbar(x, middle, spread, fmt=mark, color=colour, ms=9, lw=3, capsize=6, label=label)
        if i == 0:
            for place, n in zip(x, table.n, strict=True):
                ax.text(place, 1.01, f"n = {n:.0f}", transform=ax.get_xaxis_transform(), ha="center", va="bottom")
    ax.set_xticks(range(len(lines)), [MARKED.get(line, "[O III]") for line in lines])
    ax.set(yscale="log", xlabel="emission line", ylabel="height of the line\n(times the continuum)")
    ax.set_yticks([1, 2, 5, 10], ["1", "2", "5", "10"])
    ax.minorticks_off()
    ax.axhline(1, color="0.7", lw=1, zorder=0)
    ax.legend(loc="upper center")
    return figure
