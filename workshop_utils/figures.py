"""Every plot of the course, in one style.

Call `use_style` once at the top of a notebook; then every ``plot_xxx`` function takes numbers and returns a matplotlib
`Figure` that can be read from the last row. The functions are kept in the order of the notebooks that use them.
"""

import matplotlib as mpl

# The palette of Okabe & Ito (2008), https://jfly.uni-koeln.de/color/: eight colours that stay apart for every kind of
# colour vision. Use them by name. YELLOW is too pale for thin lines on white.
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


def use_style():
    """Set the one matplotlib style of the course: white, colour-blind safe, legible on a projector."""
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
