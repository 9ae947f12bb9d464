"""Every plot of the course, in one style.

Call `use_style` once at the top of a notebook; then every ``plot_xxx`` function takes numbers and returns a
matplotlib `Figure` that can be read from the last row, and that a notebook shows with a text for those who cannot see
it (`alt_text`). The functions stand in the order of the notebooks.
"""

import functools
import html
import textwrap

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import print_figure

from .scores import LINES, velocity_error
from .spectra import LIGHT_SPEED, LOGLAM, WAVELENGTH

# The palette of Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: eight colours that stay apart for every
# kind of colour vision. Use them by name. YELLOW is too pale for thin lines on white.
BLACK = "#000000"
ORANGE = "#E69F00"
SKY = "#56B4E9"
GREEN = "#009E73"
YELLOW = "#F0E442"
BLUE = "#0072B2"
VERMILION = "#D55E00"
PURPLE = "#CC79A7"
GREY = "#767676"
CYCLE = [BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 3)), (0, (8, 3))]
HEIGHTS = "RdYlBu_r"  # a loss: red heights, blue valleys; colour-blind safe (ColorBrewer)
CLASSES = mpl.colors.LinearSegmentedColormap.from_list("star_quasar", ["#FBE3B0", "white", "#B5D8F0"])


def use_style():
    """Set the one matplotlib style of the course: white, colour-blind safe, legible on a projector, with alt text."""
    mpl.rcParams.update({
        "figure.facecolor": "white", "axes.facecolor": "white", "savefig.facecolor": "white",
        "savefig.transparent": False, "figure.dpi": 100, "savefig.dpi": 100, "figure.figsize": (9.0, 5.0),
        "figure.constrained_layout.use": True,
        "font.size": 14, "axes.labelsize": 14, "axes.titlesize": 15, "figure.titlesize": 16,
        "xtick.labelsize": 13, "ytick.labelsize": 13, "legend.fontsize": 13, "legend.frameon": False,
        "lines.linewidth": 2.0, "axes.grid": False, "image.cmap": "viridis", "image.origin": "lower",
        "axes.spines.top": False, "axes.spines.right": False,
        "axes.prop_cycle": mpl.cycler(color=CYCLE),
    })  # fmt: skip
    if shell := get_ipython():
        plt.switch_backend(mpl.get_backend())  # loads it now; its way to show a figure, without words, is replaced:
        shell.display_formatter.formatters["image/png"].pop(plt.Figure, None)
        shell.display_formatter.formatters["text/html"].for_type(plt.Figure, as_html)


# ---- A figure in words -------------------------------------------------------------------------------------


def with_alt_text(plot):
    """Decorate a plot function: the first line of its docstring says what its figures show."""
    kind = plot.__doc__.splitlines()[0].removeprefix("Draw ").split(" (label to")[0].replace("`", "").rstrip(".") + "."

    @functools.wraps(plot)
    def described(*args, **options):
        figure = plot(*args, **options)
        figure.set_label(kind[0].upper() + kind[1:])
        return figure

    return described


def alt_text(figure):
    """What a figure shows, in words: its kind, then its titles, axes and named curves (str)."""
    axes = [ax for ax in figure.axes if ax.axison]
    parts = {
        "Titles": [figure.get_suptitle(), *(ax.get_title(loc) for ax in axes for loc in ("left", "center"))],
        "Horizontally": [ax.get_xlabel() for ax in axes],
        "Vertically": [ax.get_ylabel() for ax in axes],
        "Drawn": [label for ax in axes for label in ax.get_legend_handles_labels()[1]],
    }
    text = figure.get_label()
    for name, words in parts.items():
        words = dict.fromkeys(" ".join(word.split()) for word in words if word.strip())
        text += f" {name}: {'; '.join(words)}." if words else ""
    return textwrap.shorten(text.strip(), 600, placeholder=" ...")


def as_html(figure):
    """Show a figure as an HTML image with its alt text, which neither JupyterLab nor nbconvert gives to a plain PNG."""
    png = print_figure(figure, base64=True)
    return f'<img src="data:image/png;base64,{png}" alt="{html.escape(alt_text(figure))}">' if png else None


# ---- Notebook 01: neurons, loss surfaces, a first network --------------------------------------------------


@with_alt_text
def plot_activations(x, curves):
    """Draw what a neuron answers for each activation.

    Parameters
    ----------
    x : array (n,)
        Input.
    curves : dict of str to array (n,)
        Answer of the neuron, by name of its activation.
    """
    figure, axes = plt.subplots(1, len(curves), figsize=(3.2 * len(curves), 3.4), sharex=True)
    for ax, (name, y), colour in zip(np.atleast_1d(axes), curves.items(), CYCLE, strict=False):
        ax.axhline(0, color=GREY, lw=1)
        ax.axvline(0, color=GREY, lw=1)
        ax.plot(x, y, color=colour, lw=3)
        ax.set(title=name, xlabel="input x", ylabel="output y")
    return figure


@with_alt_text
def plot_lines(x, y, lines, xlabel, ylabel, invert=False):
    """Draw measurements and curves that try to go through them.

    Parameters
    ----------
    x, y : array (n,)
        Measurements.
    lines : dict of str to (array, array)
        Label to (x, y) of each curve.
    xlabel, ylabel : str
        With units.
    invert : bool
        Magnitudes: bright on top.
    """
    figure, ax = plt.subplots()
    ax.plot(x, y, "o", color=GREY, ms=5, alpha=0.7, label="measured")
    for (label, (x_line, y_line)), colour, dash in zip(lines.items(), CYCLE, DASHES, strict=False):
        ax.plot(x_line, y_line, color=colour, ls=dash, lw=3, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if invert:
        ax.invert_yaxis()
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@with_alt_text
def plot_losses(curves, xlabel="step", ylabel="loss", log=True):
    """Draw loss against training step, a line for each of the ``curves`` (label to values)."""
    figure, ax = plt.subplots(figsize=(9.0, 4.4))
    for (label, losses), colour, dash in zip(curves.items(), CYCLE, DASHES, strict=False):
        ax.plot(losses, color=colour, ls=dash, lw=2.5, label=label)
    ax.set(xlabel=xlabel, ylabel=ylabel)
    if log:
        _use_plain_log_axis(ax)
    ax.grid(color="0.9")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def _use_plain_log_axis(ax):
    """Make the y axis logarithmic, with plain numbers at it (the more of them, the less it spans)."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_formatter("{x:g}")
    between = range(2, 10) if high < 4 * low else (2, 3, 5) if high < 20 * low else (2, 5)
    ax.yaxis.set_minor_locator(mpl.ticker.LogLocator(subs=between))
    ax.yaxis.set_minor_formatter("{x:g}" if high < 50 * low else mpl.ticker.NullFormatter())


def _use_plain_log_ticks(ax):
    """Make the x axis logarithmic, with the plain numbers ... 0.3, 1, 3, 10 ... at it."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter("{x:g}")


@with_alt_text
def plot_descents(w, b, loss, paths, labels=("weight w", "offset b"), best=None, unit="", log=True):
    """Draw a loss surface as a map, once for each path that goes down it.

    Parameters
    ----------
    w, b : array (n,), array (m,)
        The two axes of the map.
    loss : array (m, n)
        Loss at every (b, w): heights red, valleys blue.
    paths : dict of str to array (steps, 2)
        Title to the (w, b) visited, drawn until it leaves the map; an empty array draws the map alone.
    labels : (str, str)
        Axis labels, with units.
    best : (float, float), optional
        The lowest point, drawn as a cross.
    unit : str
        Unit of the loss, for the colour bar.
    log : bool
        Space the contours in log loss.
    """
    figure, axes = plt.subplots(1, len(paths), figsize=(min(3.7 * len(paths) + 2.3, 12.5), 4.6), sharey=True)
    axes = np.atleast_1d(axes)
    for ax, (title, path) in zip(axes, paths.items(), strict=True):
        colours = _draw_map(ax, w, b, loss, np.asarray(path).reshape(-1, 2), best, log)
        ax.set(title=title, xlabel=labels[0])
    axes[0].set_ylabel(labels[1])
    _add_loss_bar(figure, colours, axes, loss, unit, log)
    return figure


def _draw_map(ax, w, b, loss, path, best=None, log=True):
    """Draw one map of the loss with one path on it; return the filled contours."""
    levels = np.geomspace(loss.min(), loss.max(), 19) if log else np.linspace(loss.min(), loss.max(), 19)
    norm = mpl.colors.LogNorm(levels[0], levels[-1]) if log else mpl.colors.Normalize(levels[0], levels[-1])
    colours = ax.contourf(w, b, loss, levels=levels, cmap=HEIGHTS, norm=norm)
    ax.contour(w, b, loss, levels=levels[::3], colors="white", linewidths=0.7)
    if len(path):
        outside = (path < (w[0], b[0])).any(1) | (path > (w[-1], b[-1])).any(1)
        path = path[: np.argmax(outside) + 1] if outside.any() else path
        ax.plot(*path.T, "-", color="white", lw=4)
        ax.plot(*path.T, ".-", color=BLACK, lw=1.6, ms=7)
        ax.plot(*path[0], "o", color="white", mec=BLACK, mew=2, ms=11)
    if best is not None:
        ax.plot(*best, "X", color=YELLOW, mec=BLACK, mew=1.2, ms=13)
    ax.set(xlim=(w[0], w[-1]), ylim=(b[0], b[-1]))
    return colours


def _add_loss_bar(figure, colours, axes, loss, unit, log):
    """Add a colour bar for the loss with a few plain numbers on it."""
    round_numbers = [m * 10.0**k for k in range(-6, 7) for m in (1, 3)]
    ticks = [t for t in round_numbers if loss.min() <= t <= loss.max()] if log else mpl.ticker.MaxNLocator(5)
    bar = figure.colorbar(colours, ax=axes, ticks=ticks, format="%.3g", pad=0.02)
    bar.ax.minorticks_off()
    bar.set_label(f"loss ({unit})" if unit else "loss")


@with_alt_text
def plot_surface(w, b, loss, path, path_loss, labels=("weight w", "offset b"), unit=""):
    """Draw a loss surface in 3-D and as a map, with one path on both (as Fig. 2 of the paper).

    Parameters
    ----------
    w, b, loss, labels, unit
        As in `plot_descents`.
    path : array (steps, 2)
        The (w, b) visited.
    path_loss : array (steps,)
        Loss at each of them.
    """
    figure = plt.figure(figsize=(12.5, 5.6))
    figure.get_layout_engine().set(wspace=0.14)
    space = figure.add_subplot(1, 2, 1, projection="3d", computed_zorder=False)
    style = {"cmap": HEIGHTS, "rstride": 2, "cstride": 2, "alpha": 0.9, "lw": 0}
    space.plot_surface(*np.meshgrid(w, b), loss, zorder=1, **style)
    space.plot(*path.T, path_loss + 0.02 * np.ptp(loss), ".-", color=BLACK, lw=2, ms=6, zorder=3)
    space.set(xlabel=labels[0], ylabel=labels[1], zlabel=f"loss ({unit})" if unit else "loss")
    for axis in (space.xaxis, space.yaxis, space.zaxis):
        axis.labelpad = 12
        axis.set_major_locator(mpl.ticker.MaxNLocator(5))
    space.view_init(elev=42, azim=-40)
    space.set_box_aspect(None, zoom=0.88)
    ax = figure.add_subplot(1, 2, 2)
    colours = _draw_map(ax, w, b, loss, path, log=False)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    _add_loss_bar(figure, colours, ax, loss, unit, log=False)
    return figure


@with_alt_text
def plot_descent_and_fit(w, b, loss, path, data, curve, labels, data_labels, title=""):
    """Draw the path on the map and, beside it, the curve that its last point draws through the data.

    Parameters
    ----------
    w, b, loss, labels
        As in `plot_descents`.
    path : array (steps, 2)
        The (w, b) visited.
    data, curve : (array, array)
        x and y of the measurements, and of the neuron at the end of the path.
    data_labels : (str, str)
        Axis labels of the data, with units.
    title : str
        Above both.
    """
    figure, (ax, fit) = plt.subplots(1, 2, figsize=(12.0, 4.8))
    colours = _draw_map(ax, w, b, loss, path, log=False)
    ax.set(xlabel=labels[0], ylabel=labels[1])
    _add_loss_bar(figure, colours, ax, loss, "", log=False)
    fit.plot(*data, "o", color=GREY, ms=6, label="measured")
    fit.plot(*curve, color=BLUE, lw=3, label="the neuron now")
    fit.set(xlabel=data_labels[0], ylabel=data_labels[1], ylim=(-1.5, 2.1))
    fit.legend(loc="upper center", ncols=2)
    figure.suptitle(title)
    return figure


@with_alt_text
def plot_network(sizes, names=()):
    """Draw a fully connected network and the parameters of each step (as Fig. 1 of the paper).

    Parameters
    ----------
    sizes : sequence of int
        Neurons of each layer, the input first.
    names : sequence of str
        Name of each layer, written above it.
    """
    figure, ax = plt.subplots(figsize=(10.5, 4.8))
    nodes = [np.linspace(-(n - 1) / 2, (n - 1) / 2, n) if n > 1 else np.zeros(1) for n in sizes]
    for layer in range(1, len(sizes)):
        for left in nodes[layer - 1]:
            for right in nodes[layer]:
                ax.plot([2 * layer - 2, 2 * layer], [left, right], color="0.7", lw=1.2, zorder=1)
        n_in, n_out = sizes[layer - 1], sizes[layer]
        count = f"{n_in}×{n_out} + {n_out}\n= {n_in * n_out + n_out}"
        ax.text(2 * layer - 1, -2.35, count, ha="center", va="center")
    for layer, ys in enumerate(nodes):
        colour = SKY if 0 < layer < len(sizes) - 1 else "0.85"
        ax.scatter(np.full(len(ys), 2 * layer), ys, s=700, color=colour, ec=BLACK, zorder=2)
    for layer, name in enumerate(names):
        ax.text(2 * layer, 2.1, name, ha="center", va="bottom")
    ax.text(-1.1, -2.35, "weights + offsets", ha="right", va="center")
    ax.set(xlim=(-3.4, 2 * len(sizes) - 1.2), ylim=(-2.8, 2.7))
    ax.axis("off")
    return figure


@with_alt_text
def plot_colours(colours, is_quasar, track=None, locus=None):
    """Draw stars and quasars in a two-colour diagram.

    Parameters
    ----------
    colours : array (n, 2)
        u - g and g - r in magnitudes.
    is_quasar : array (n,) of bool
        True for quasars.
    track, locus : array (m, 2), optional
        Median colours of quasars along redshift, and the ridge of the stars.
    """
    figure, ax = plt.subplots(figsize=(9.0, 5.6))
    _scatter_classes(ax, colours, is_quasar)
    if locus is not None:
        ax.plot(*locus.T, color=BLACK, lw=2, label="stellar locus")
    if track is not None:
        ax.plot(*track.T, color=BLACK, lw=2, ls="--", label="quasars, median along z")
    ax.set(xlabel="u − g (mag)", ylabel="g − r (mag)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2)
    return figure


def _scatter_classes(ax, colours, is_quasar, size=14):
    """Scatter stars (orange squares) and quasars (blue dots)."""
    is_quasar = np.asarray(is_quasar, bool)
    ax.scatter(*colours[~is_quasar].T, s=size, color=ORANGE, marker="s", alpha=0.55, lw=0, label="star")
    ax.scatter(*colours[is_quasar].T, s=size, color=BLUE, marker="o", alpha=0.55, lw=0, label="quasar")


@with_alt_text
def plot_boundaries(panels, colours, is_quasar, limits):
    """Draw where a network says quasar, once for each stage of its training.

    Parameters
    ----------
    panels : dict of str to array (n, n)
        Title to probability of being a quasar on a square grid over ``limits``.
    colours, is_quasar : list of arrays, or arrays
        Objects drawn in each panel (a list), or in all of them; see `plot_colours`.
    limits : (float, float, float, float)
        u - g from, to, g - r from, to (mag).
    """
    width = min(3.6 * len(panels) + 2.0, 12.5)
    figure, axes = plt.subplots(1, len(panels), figsize=(width, 4.4), sharey=True)
    axes = np.atleast_1d(axes)
    if not isinstance(colours, list):
        colours, is_quasar = [colours] * len(panels), [is_quasar] * len(panels)
    for ax, (title, p), xy, kind in zip(axes, panels.items(), colours, is_quasar, strict=True):
        shade = ax.imshow(p, extent=limits, cmap=CLASSES, vmin=0, vmax=1, aspect="auto", alpha=0.8)
        if p.min() < 0.5 < p.max():
            grid = np.linspace(*limits[:2], p.shape[1]), np.linspace(*limits[2:], p.shape[0])
            ax.contour(*grid, p, levels=[0.5], colors=BLACK, linewidths=3)
        _scatter_classes(ax, xy, kind, size=10 if len(xy) > 100 else 45)
        ax.set(title=title, xlabel="u − g (mag)", xlim=limits[:2], ylim=limits[2:])
    axes[0].set_ylabel("g − r (mag)")
    figure.colorbar(shade, ax=axes, label="probability of quasar", pad=0.02)
    return figure


# ---- Notebooks 00 and 02: spectra --------------------------------------------------------------------------

# The lines of the paper's Fig. 4, by the names of `scores.LINES`, as a reader knows them.
MARKED = {"Lya": "Lyα", "CIV": "C IV", "CIII]": "C III]", "MgII": "Mg II", "Hb": "Hβ", "Ha": "Hα"}
WAVELENGTH_LABEL = "observed wavelength (Å)"
WHITE = {"color": "white", "pad": 1}  # behind text that lines would cross


def running_mean(flux, pixels=9):
    """Average each pixel with its neighbours, for the eye; same shape (n,), the ends repeat the edge."""
    half = pixels // 2
    return np.convolve(np.pad(np.asarray(flux, float), half, mode="edge"), np.ones(pixels) / pixels, "valid")


def _mark_lines(ax, z, labels=True, colour=VERMILION, dash=":", height=1.01, lines=None):
    """Mark where lines (name: rest wavelength, else those of `MARKED`) are seen at redshift z, named at `height`."""
    for label, rest in (lines or {label: LINES[name] for name, label in MARKED.items()}).items():
        place = rest * (1 + z)
        if WAVELENGTH[0] < place < WAVELENGTH[-1]:
            ax.axvline(place, color=colour, lw=1.2, ls=dash, zorder=0)
            if labels:
                _name_line(ax, place, label, colour, height)


def _name_line(ax, place, label, colour, height):
    """Write the name of a line at its wavelength; at the edge of a panel, not across it (height: 0 to 1 is inside)."""
    across = (place - WAVELENGTH[0]) / np.ptp(WAVELENGTH)
    ha = "center" if height > 1 or 0.04 < across < 0.96 else "left" if across < 0.5 else "right"
    style = {"transform": ax.get_xaxis_transform(), "ha": ha, "va": "bottom", "fontsize": 12}
    ax.text(place, height, label, color=colour, bbox=WHITE, **style)


def _draw_spectrum(ax, flux, pixels, colour=BLACK):
    """Draw a spectrum, grey as measured and dark as a running mean, between limits that spikes do not set."""
    mean = running_mean(flux, pixels)
    if pixels > 1:
        ax.plot(WAVELENGTH, flux, color="0.75", lw=0.6)
    ax.plot(WAVELENGTH, mean, color=colour, lw=1.5)
    low, high = np.quantile(mean, [0.002, 0.998])
    room = 0.12 * (high - low) + 1e-6
    ax.set(xlim=(WAVELENGTH[0], WAVELENGTH[-1]), ylim=(min(low, 0) - room, high + 2 * room))


@with_alt_text
def plot_spectra(flux, z, titles, sigma=None, pixels=9):
    """Draw spectra one below the other, with the lines of the paper's Fig. 4 marked.

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
    """
    rows = len(flux)
    figure, axes = plt.subplots(rows, 1, figsize=(10.5, 1.3 + 2.5 * rows), sharex=True, squeeze=False)
    for i, ax in enumerate(axes[:, 0]):
        _draw_spectrum(ax, flux[i], pixels)
        if sigma is not None:
            recorded = np.isfinite(sigma[i]) & (np.asarray(sigma[i]) > 0)
            ax.plot(WAVELENGTH, np.where(recorded, sigma[i], np.nan), color=BLUE, lw=1.2, label="noise σ")
        _mark_lines(ax, z[i])
        ax.set_title(titles[i], loc="left", pad=22 if np.isfinite(z[i]) else 6)
        ax.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
    if sigma is not None:
        axes[0, 0].legend(loc="upper right")
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_stretch_and_shift(flux, z):
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
def plot_moving_lines(flux, z):
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
    heights = np.column_stack([z, z + 0.85 * step]).ravel()  # a track goes straight up along each spectrum
    for name, label in MARKED.items():
        place = np.log10(LINES[name] * (1 + z))
        seen = (place > LOGLAM[0]) & (place < LOGLAM[-1])
        if seen.any():
            path, up = np.repeat(place[seen], 2), heights[np.repeat(seen, 2)]
            ax.plot(path, up, color=VERMILION, lw=1.2, ls=":", zorder=1)
            if seen[-1]:  # free above the uppermost spectrum; else beside the end of the track, below the next one
                ax.text(path[-1], up[-1] + 0.08 * step, label, color=VERMILION, va="bottom", ha="center")
            else:
                ax.text(path[-1] + 0.003, up[-1] - 0.12 * step, label, color=VERMILION, va="center")
    for one, height in zip(flux, z, strict=True):
        shape = np.log10(np.maximum(one, 1e-3 * np.max(one)))
        ax.plot(LOGLAM, height + step * (0.1 + 0.55 * (shape - shape.min())), color=BLACK, lw=1.5)
        ax.axhline(height, color="0.85", lw=0.8, zorder=0)
    ticks = np.array([4000, 5000, 6000, 7000, 8000, 9000, 10000])
    ax.set_xticks(np.log10(ticks), [f"{tick:,}" for tick in ticks])
    ax.set(xlim=(LOGLAM[0], LOGLAM[-1]), ylim=(z[0] - 0.2 * step, z[-1] + 1.4 * step), yticks=z)
    ax.set(xlabel="observed wavelength (Å, logarithmic)", ylabel="redshift; above it, log flux")
    return figure


@with_alt_text
def plot_layers(layers, z):
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
def plot_sample(z, sn, counts, sn_percentiles):
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
def plot_noise(curves, sky_lines=()):
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
def plot_steps(steps, ylabels=None, ylim=None):
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
def plot_guess(samples, limit=6000.0):
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
def plot_redshifts(found, z_true, limit=6000.0):
    """Draw redshifts found against true ones.

    Parameters
    ----------
    found : dict of str to array (n,)
        Title to redshifts found.
    z_true : array (n,)
    limit : float
        km/s; within it a redshift counts as right.
    """
    size = (min(4.4 * len(found) + 1.9, 13.0), 4.6)
    figure, axes = plt.subplots(1, len(found), figsize=size, sharey=True, squeeze=False)
    z_true, end = np.asarray(z_true), 1.05 * float(np.max(z_true))
    for ax, (title, z) in zip(axes[0], found.items(), strict=True):
        z, right = np.asarray(z), np.abs(velocity_error(z, z_true)) < limit
        ax.plot([0, end], [0, end], color="0.7", lw=1)
        style = {"ms": 4 if len(z) < 2000 else 3, "alpha": 0.7}  # right ones on top: a thin line hides little
        ax.plot(z_true[right], z[right], "o", color=BLUE, zorder=3, label="right", **style)
        ax.plot(z_true[~right], z[~right], "s", color=ORANGE, zorder=2, label="wrong", **style)
        ax.set(title=title, xlabel="true redshift", xlim=(0, end), ylim=(0, end), aspect="equal")
    axes[0, 0].set_ylabel("redshift found")
    axes[0, -1].legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2)
    return figure


@with_alt_text
def plot_matches(spectra, matches, titles):
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


# ---- Notebook 03: the convolutional network (06 uses its curves too) ---------------------------------------


@with_alt_text
def plot_convolutions(examples):
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
def plot_reach(flux, reach, z):
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
def plot_learning_curve(histories, ylabel="loss", levels=None, xlabel="batches"):
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
def plot_residuals(velocity, z, sn, limit=6000.0, beyond=20000.0):
    """Draw redshift errors against true redshift and against S/N.

    Parameters
    ----------
    velocity : array (n,)
        Errors, km/s. What lies beyond `beyond` is drawn as a triangle at the edge.
    z, sn : array (n,)
        True redshift; median S/N per pixel.
    limit : float
        km/s; the band that counts as right.
    """
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 4.8), sharey=True)
    velocity, edge = np.asarray(velocity) / 1000, beyond / 1000
    far = np.abs(velocity) > edge
    for ax, x, xlabel in zip(axes, (z, sn), ("true redshift", "median S/N per pixel"), strict=True):
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
def plot_accuracy(tables, limit=6000.0):
    """Draw the share of right redshifts in bins of other quantities, with binomial errors.

    Parameters
    ----------
    tables : dict of str to dict of str to pandas.DataFrame
        Axis label ("median S/N per pixel") to label of a network to what `scores.accuracy_by` returned.
    limit : float
        km/s, for the label.
    """
    size = (6.0 * len(tables) + 0.8, 5.2)
    figure, axes = plt.subplots(1, len(tables), figsize=size, sharey=True, squeeze=False)
    for ax, (xlabel, networks) in zip(axes[0], tables.items(), strict=True):
        for (label, table), colour, mark in zip(networks.items(), CYCLE, "os^Dv", strict=False):
            middle = np.sqrt(table.low * table.high) if table.low.min() > 0 else (table.low + table.high) / 2
            reach = np.abs(np.array([table.low, table.high]) - np.array(middle))
            style = {"fmt": mark, "color": colour, "ms": 7, "lw": 2, "label": label}
            ax.errorbar(middle, 100 * table.share, 100 * table.error, reach, **style)
        if networks and all(table.low.min() > 0 for table in networks.values()):
            _use_plain_log_ticks(ax)
        ax.set(xlabel=xlabel, ylim=(0, 105))
        ax.grid(color="0.9")
    axes[0, 0].set_ylabel(f"right within {limit:,.0f} km/s (%)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


@with_alt_text
def plot_failures(flux, z_true, z_found, titles):
    """Draw spectra with the lines at the true redshift (above, solid) and at the one found (below, dashed).

    Parameters
    ----------
    flux : array (n, 4618)
    z_true, z_found : array (n,)
    titles : sequence of str
    """
    rows = len(flux)
    figure, axes = plt.subplots(rows, 1, figsize=(10.5, 1.2 + 3.0 * rows), sharex=True, squeeze=False)
    for i, ax in enumerate(axes[:, 0]):
        _draw_spectrum(ax, flux[i], 9)
        low, high = ax.get_ylim()
        ax.set_ylim(low - 0.2 * (high - low), high)
        _mark_lines(ax, z_true[i], colour=BLUE, dash="-")
        _mark_lines(ax, z_found[i], colour=VERMILION, dash="--", height=0.03)
        ax.set_title(titles[i], loc="left", pad=22)
        ax.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    return figure


@with_alt_text
def plot_filters(before, after, smooth=25):
    """Draw kernels before and after training and, below each, what training added, as a running mean.

    Parameters
    ----------
    before, after : array (n, taps)
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
        below.set_xlabel("tap (pixel)")
    axes[0, 0].set_ylabel("weight")
    axes[1, 0].set_ylabel("what training added\n(running mean)")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=2)
    return figure


# ---- Notebook 04: quasar or galaxy --------------------------------------------------------------------------

# Features of galaxies (vacuum A): emission above, absorption below the spectrum
GALAXY_EMISSION = {"[O II]": 3728.5, "[O III]": 5008.24, "Hα": 6564.61}
GALAXY_ABSORPTION = {"H K": 3952.0, "G": 4305.61, "Mg b": 5176.7, "Na D": 5895.6, "Ca II": 8600.0}


@with_alt_text
def plot_galaxies(flux, z, titles, pixels=9):
    """Draw galaxy spectra one below the other: emission lines marked above (red), absorption lines below (blue).

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
def plot_stacks(rest_wavelength, stacks, ylim=(0, 2)):
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
def plot_confusion(tables, names=("quasar", "galaxy")):
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
def plot_roc(curves):
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
def plot_thresholds(threshold, curves):
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
    ax.set(xlabel="a galaxy is what has p(galaxy) above", ylabel="share", ylim=(lowest - 0.03, 1.02))
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


@with_alt_text
def plot_occlusion(flux, z, effect, titles, is_quasar):
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


# ---- Notebook 05: gravitational waves ----------------------------------------------------------------------


@with_alt_text
def plot_series(panels, ylabels, xlabel="time (s)", marks=None, xlim=None):
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
def plot_asd(curves, band=(20, 500), ylim=(2e-24, 1e-20)):
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
def plot_loudness(groups, xlabel):
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
def plot_detection(curves, n_noise):
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
def plot_found(panels, xlim=None):
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


# ---- Notebook 06: a redshift is a shift --------------------------------------------------------------------


@with_alt_text
def plot_moved(one, other, shift, labels, bin_width=4e-4):
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
def plot_curves(x, curves, xlabel, marks=None):
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
    styles = {"color": VERMILION, "ls": "--"}, {"color": BLUE, "ls": ":"}
    for ax, (label, y) in zip(axes[:, 0], curves.items(), strict=True):
        ax.plot(x, y, color=BLACK, lw=1.2)
        for (name, place), style in zip((marks or {}).items(), styles, strict=False):
            ax.axvline(place, lw=2, zorder=0, label=name, **style)
        ax.set(ylabel=label, xlim=(x[0], x[-1]))
    if marks:
        axes[0, 0].legend(loc="upper right")
    axes[-1, 0].set_xlabel(xlabel)
    return figure


@with_alt_text
def plot_templates(wavelength, templates, titles=None, limits=(900, 8000)):
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
def plot_stages(binned, features, z, scores, probability, z_true):
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
        ax.axvline(z_true, color=VERMILION, ls="--", lw=2, zorder=0, label="true redshift")
        ax.plot(z, values, color=BLACK, lw=1.2)
        ax.set(ylabel=label, xlabel="redshift", xlim=(0, z[-1]))
    axes[2].legend(loc="upper right")
    titles = ("1  averaged in bins of 4 pixels", f"2  filtered: {len(features)} answers",
              "3  correlated with the templates", "4  softmax")
    for ax, title in zip(axes, titles, strict=True):
        ax.set_title(title, loc="left")
    return figure


@with_alt_text
def plot_probabilities(flux, z, probability, z_marked, titles, mark="true redshift"):
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
    """
    size = (13.0, 1.0 + 2.7 * len(flux))
    figure, axes = plt.subplots(len(flux), 2, figsize=size, width_ratios=[1.7, 1], squeeze=False)
    for i, (left, right) in enumerate(axes):
        _draw_spectrum(left, np.asarray(flux[i]), 15)
        _mark_lines(left, float(z_marked[i]))
        left.set_title(titles[i], loc="left", pad=22, fontsize=14)
        left.set_ylabel("flux\n(10⁻¹⁷ erg s⁻¹\ncm⁻² Å⁻¹)")
        peak = np.convolve(probability[i], np.ones(5), "same")
        right.axvline(float(z_marked[i]), color=VERMILION, ls="--", lw=2, zorder=0, label=mark)
        right.plot(z, peak, color=BLUE, lw=1.8)
        right.set(xlim=(0, z[-1]), ylim=(0, 1.15 * max(peak.max(), 1e-3)), ylabel="probability\nwithin 5 shifts")
    axes[0, 1].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0))  # above: inside, it would touch the mark
    axes[-1, 0].set_xlabel(WAVELENGTH_LABEL)
    axes[-1, 1].set_xlabel("redshift")
    return figure


@with_alt_text
def plot_reliability(table, xlabel="confidence of the network", ylabel="share right within 6,000 km/s"):
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
def plot_confidences(groups, xlabel="confidence of the network"):
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
def plot_equivariance(moved, shares):
    """Draw how often the answer moves as the spectrum was moved.

    Parameters
    ----------
    moved : array (n,)
        Pixels by which the spectra were moved to the red.
    shares : dict of str to array (n,)
        Network to the share of spectra whose answer followed.
    """
    figure, ax = plt.subplots(figsize=(9.0, 4.4))
    for (name, share), colour, dash, mark in zip(shares.items(), CYCLE, DASHES, "os^D", strict=False):
        ax.plot(moved, share, ls=dash, marker=mark, color=colour, lw=2.5, ms=8, label=name)
    ax.set(xlabel="spectrum moved to the red by (pixels)", ylabel="share of answers\nthat moved with it")
    ax.set_ylim(-0.03, 1.05)
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure
