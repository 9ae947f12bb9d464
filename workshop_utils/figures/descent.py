"""Figures of notebook 01: neurons, loss surfaces, a first network."""

from collections.abc import Mapping, Sequence

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np

from ..shapes import ArrayLike
from .style import (
    BLACK,
    BLUE,
    CLASSES,
    CYCLE,
    DASHES,
    GREY,
    HEIGHTS,
    ORANGE,
    SKY,
    WHITE,
    YELLOW,
    _use_plain_log_axis,
    with_alt_text,
)


@with_alt_text
def plot_activations(x: ArrayLike, curves: Mapping):
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
def plot_lines(x: ArrayLike, y: ArrayLike, lines: Mapping, xlabel: str, ylabel: str, invert: bool = False):
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
def plot_losses(curves: Mapping, xlabel: str = "step", ylabel: str = "loss", log: bool = True):
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


@with_alt_text
def plot_descents(
    w: ArrayLike,
    b: ArrayLike,
    loss: ArrayLike,
    paths: Mapping,
    labels: Sequence[str] = ("weight w", "offset b"),
    best: ArrayLike | None = None,
    unit: str = "",
    log: bool = True,
):
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
def plot_surface(
    w: ArrayLike,
    b: ArrayLike,
    loss: ArrayLike,
    path: ArrayLike,
    path_loss: ArrayLike,
    labels: Sequence[str] = ("weight w", "offset b"),
    unit: str = "",
):
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
def plot_descent_and_fit(
    w: ArrayLike,
    b: ArrayLike,
    loss: ArrayLike,
    path: ArrayLike,
    data: Sequence,
    curve: ArrayLike,
    labels: Sequence[str],
    data_labels: Sequence[str],
    title: str = "",
):
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
def plot_network(sizes: Sequence[int], names: Sequence[str] = ()):
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
def plot_colours(
    colours: ArrayLike,
    is_quasar: ArrayLike,
    track: ArrayLike | None = None,
    locus: ArrayLike | None = None,
    marks: Mapping | None = None,
):
    """Draw stars and quasars in a two-colour diagram.

    Parameters
    ----------
    colours : array (n, 2)
        u - g and g - r in magnitudes.
    is_quasar : array (n,) of bool
        True for quasars.
    track, locus : array (m, 2), optional
        Median colours of quasars along redshift, and the ridge of the stars.
    marks : dict of str to (float, float), optional
        Points to be named.
    """
    figure, ax = plt.subplots(figsize=(9.0, 5.6))
    _scatter_classes(ax, colours, is_quasar)
    if locus is not None:
        ax.plot(*locus.T, color=BLACK, lw=2, label="stellar locus")
    if track is not None:
        ax.plot(*track.T, color=BLACK, lw=2, ls="--", label="quasars, median along z")
    for name, place in (marks or {}).items():
        ax.plot(*place, "o", color=BLACK, ms=7)
        up = place[1] > np.mean([g_r for _, g_r in marks.values()])  # away from each other
        style = {"ha": "center", "va": "bottom" if up else "top", "bbox": WHITE | {"alpha": 0.8}}
        ax.annotate(name, place, (0, 9 if up else -9), textcoords="offset points", **style)
    ax.set(xlabel="u − g (mag)", ylabel="g − r (mag)")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), markerscale=2)
    return figure


def _scatter_classes(ax, colours, is_quasar, size=14):
    """Scatter stars (orange squares) and quasars (blue dots)."""
    is_quasar = np.asarray(is_quasar, bool)
    ax.scatter(*colours[~is_quasar].T, s=size, color=ORANGE, marker="s", alpha=0.55, lw=0, label="star")
    ax.scatter(*colours[is_quasar].T, s=size, color=BLUE, marker="o", alpha=0.55, lw=0, label="quasar")


@with_alt_text
def plot_boundaries(panels: Mapping, colours: ArrayLike, is_quasar: ArrayLike, limits: Sequence[float]):
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
