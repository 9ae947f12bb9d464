"""How every figure of the course looks, and what it says in words: palette, style, alt text, marks of lines."""

import functools
import html
import textwrap
from collections.abc import Callable

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from IPython import get_ipython
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure

from ..scores import LINES
from ..shapes import ArrayLike
from ..spectra import WAVELENGTH

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
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (10, 2, 2, 2)), (0, (8, 3))]
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


def with_alt_text(plot: Callable):
    """Decorate a plot function: the first line of its docstring says what its figures show."""
    kind = plot.__doc__.splitlines()[0].removeprefix("Draw ").split(" (label to")[0].replace("`", "").rstrip(".") + "."

    @functools.wraps(plot)
    def described(*args, **options):
        figure = plot(*args, **options)
        figure.set_label(kind[0].upper() + kind[1:])
        return figure

    return described


def alt_text(figure: Figure):
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


def as_html(figure: Figure):
    """Show a figure as an HTML image with its alt text, which neither JupyterLab nor nbconvert gives to a plain PNG."""
    png = print_figure(figure, base64=True)
    return f'<img src="data:image/png;base64,{png.strip()}" alt="{html.escape(alt_text(figure))}">' if png else None


def _use_plain_log_axis(ax):
    """Make the y axis logarithmic, with plain numbers at it (the more of them, the less it spans)."""
    ax.set_yscale("log")
    low, high = ax.get_ylim()
    ax.yaxis.set_major_formatter("{x:g}")
    few = (1.5, 2, 3, 5, 7) if high < 8 * low else (2, 3, 5) if high < 20 * low else (2, 5)
    between = range(2, 10) if high < 4 * low else few
    ax.yaxis.set_minor_locator(mpl.ticker.LogLocator(subs=between))
    ax.yaxis.set_minor_formatter("{x:g}" if high < 50 * low else mpl.ticker.NullFormatter())


def _use_plain_log_ticks(ax):
    """Make the x axis logarithmic, with the plain numbers ... 0.3, 1, 3, 10 ... at it."""
    ax.set_xscale("log")
    ax.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 3)))
    ax.xaxis.set_major_formatter("{x:g}")


# The lines of the paper's Fig. 4, by the names of `scores.LINES`, as a reader knows them.
MARKED = {"Lya": "Lyα", "CIV": "C IV", "CIII]": "C III]", "MgII": "Mg II", "Hb": "Hβ", "Ha": "Hα"}
WAVELENGTH_LABEL = "observed wavelength (Å)"
WHITE = {"color": "white", "pad": 1}  # behind text that lines would cross


def running_mean(flux: ArrayLike, pixels: int = 9):
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
