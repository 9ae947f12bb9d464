"""Every plot of the course: a Figure, labelled axes, text that the last row can read, nothing transparent.

Append to ``PLOTS``: a name and a function without arguments that calls the plot.
"""

import html
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from patient_client import PatientClient

from workshop_utils import figures
from workshop_utils.spectra import WAVELENGTH

X = np.linspace(-1.0, 1.0, 30)
W, B = np.linspace(-2.0, 2.0, 21), np.linspace(-1.0, 3.0, 25)
LOSS = 0.1 + W[None, :] ** 2 + (B[:, None] - 1.0) ** 2
PATH = np.array([[1.8, 2.8], [1.0, 2.0], [0.1, 1.1]])
COLOURS = np.column_stack([X, X**2])
KIND = X > 0
PROBABILITY = np.linspace(0.0, 1.0, 400).reshape(20, 20)
LIMITS = (-1.0, 1.0, -0.5, 1.5)
FLUX = np.stack([(WAVELENGTH / 5000) ** slope + 0.1 * np.sin(WAVELENGTH / 50) for slope in (-1.5, -1.0)])
HISTORY = pd.DataFrame({"step": [10, 20], "loss": [3.0, 2.0], "validation": [2.5, 2.2]})
BINS = pd.DataFrame({"low": [1.0, 2.0], "high": [2.0, 4.0], "share": [0.5, 0.9], "error": [0.1, 0.02]})
FROM_0 = BINS.assign(low=[0.0, 2.0])
STRENGTHS = pd.DataFrame({16: [1.5, 2.0], 50: [2.0, 4.0], 84: [3.0, 7.0], "n": [40, 50]}, index=["CIV", "Lya"])
RUNS = pd.DataFrame({"method": ["A", "A", "B"], "seen": [100, 1000, 100], "score": [0.5, 0.9, 1.0], "n": 500})

PLOTS = {
    "activations": lambda: figures.plot_activations(X, {"tanh": np.tanh(X), "ReLU": np.maximum(X, 0)}),
    "lines": lambda: figures.plot_lines(X, X**2, {"guess": (X, X)}, "x (d)", "y (mag)", invert=True),
    "losses": lambda: figures.plot_losses({"train": [3.0, 2.0, 1.0], "test": [3.0, 2.5, 2.0]}),
    "descents": lambda: figures.plot_descents(W, B, LOSS, {"slow": PATH, "no path": []}, best=(0.0, 1.0)),
    "surface": lambda: figures.plot_surface(W, B, LOSS, PATH, PATH.sum(1), unit="mag²"),
    "descent_and_fit": lambda: figures.plot_descent_and_fit(
        W, B, LOSS, PATH, (X, X), (X, X), ("w", "b"), ("x (d)", "y (m/s)"), "rate 0.1"
    ),
    "network": lambda: figures.plot_network((2, 4, 4, 4, 1), ("in", "1", "2", "3", "out")),
    "colours": lambda: figures.plot_colours(COLOURS, KIND, track=COLOURS[:5], locus=COLOURS[5:], marks={"a": (0, 1)}),
    "boundaries": lambda: figures.plot_boundaries({"epoch 0": PROBABILITY}, COLOURS, KIND, LIMITS),
    "spectra": lambda: figures.plot_spectra(FLUX, [0.5, np.nan], ["near", "unknown"], sigma=0.1 * FLUX),
    "stretch_and_shift": lambda: figures.plot_stretch_and_shift(FLUX, [1.5, 2.0]),
    "moving_lines": lambda: figures.plot_moving_lines(FLUX, [0.5, 1.0]),
    "layers": lambda: figures.plot_layers({"continuum": FLUX[0], "noise": FLUX[1]}, 2.5),
    "gallery": lambda: figures.plot_gallery(np.concatenate([FLUX, FLUX])[:3], ["one", "two", "three"]),
    "sample": lambda: figures.plot_sample(3 * KIND + 0.5, 2 + X, [5, 2, 1], {25: 1.0, 75: 3.0}),
    "line_strengths": lambda: figures.plot_line_strengths({"real": STRENGTHS, "simulated": 1.2 * STRENGTHS}),
    "data_needed": lambda: figures.plot_data_needed(RUNS),
    "pit": lambda: figures.plot_pit({"one": PROBABILITY.ravel(), "another": PROBABILITY.ravel() ** 2}),
    "noise": lambda: figures.plot_noise({"simulated": FLUX[0]}, [(5579, "[O I]")]),
    "steps": lambda: figures.plot_steps({"raw": FLUX[0], "clipped": FLUX[1]}, ylim=(0, 2)),
    "guess": lambda: figures.plot_guess({"all": 2 + X, "some": 2 + 0.1 * X}),
    "redshifts": lambda: figures.plot_redshifts({"mean": 0 * X + 2, "network": 2.1 + X}, 2 + X),
    "matches": lambda: figures.plot_matches(FLUX[:, :4616:8], FLUX[:, 8::8][:, :577], ["right", "wrong"]),
    "convolutions": lambda: figures.plot_convolutions({"edge": (X, np.array([-1, 1]), np.diff(X))}),
    "reach": lambda: figures.plot_reach(FLUX[0], {"500 taps": 500, "more than all": 9000}, 1.5),
    "learning_curve": lambda: figures.plot_learning_curve({"network": HISTORY}, "loss", {"guess": 2.0}),
    "residuals": lambda: figures.plot_residuals(1e5 * X, 2 + X, 2 + X),
    "accuracy": lambda: figures.plot_accuracy({"S/N": {"a": BINS, "b": BINS}, "redshift": {"a": FROM_0}}),
    "failures": lambda: figures.plot_failures(FLUX, [1.0, 2.0], [2.0, 1.0], ["one", "two"]),
    "filters": lambda: figures.plot_filters(FLUX[:, :500], FLUX[:, 500:1000]),
    "galaxies": lambda: figures.plot_galaxies(FLUX, [0.1, 0.5], ["near", "far"]),
    "stacks": lambda: figures.plot_stacks(WAVELENGTH, {"real": FLUX, "simulated": FLUX[:, ::-1]}),
    "confusion": lambda: figures.plot_confusion({"even": [[9, 1], [0, 3]], "no quasar": [[0, 0], [1, 2]]}),
    "roc": lambda: figures.plot_roc({"long": ([0, 0, 1], [0, 0.9, 1]), "short": ([0, 0.5, 1], [0, 0.9, 1])}),
    "thresholds": lambda: figures.plot_thresholds(PROBABILITY[0], {"purity": X[:20], "completeness": X[10:]}),
    "occlusion": lambda: figures.plot_occlusion(FLUX, [2.0, 0.1], FLUX - 1, ["quasar", "galaxy"], [True, False]),
    "series": lambda: figures.plot_series(
        {"raw": {"H1": (X, X), "L1": (X, -X)}, "whitened": {"": (X, X**2)}}, ["strain", "σ"], marks={"merger": 0.5}
    ),
    "spectrogram": lambda: figures.plot_spectrogram(
        {"H1": (X, np.geomspace(30, 400, 20), np.outer(np.arange(20), X)), "L1": (X, [50, 200], np.stack([X, X]))}
    ),
    "asd": lambda: figures.plot_asd({"H1": ([10, 100, 1000], [1e-22, 4e-24, 9e-24])}),
    "loudness": lambda: figures.plot_loudness({"noise": 6 + 0.3 * X, "signals": 9 + 3 * X}, "S/N"),
    "detection": lambda: figures.plot_detection({"one": ([0, 0, 1], [0, 0.9, 1]), "two": ([0, 1], [0, 1])}, 500),
    "found": lambda: figures.plot_found(
        {"1 in 10": {"network": BINS.assign(middle=[1.5, 3])}, "1 in 100": {"network": BINS.assign(middle=[1.5, 3])}}
    ),
    "moved": lambda: figures.plot_moved(FLUX[0, :1154], FLUX[1, :1154], 100, ("one", "other")),
    "curves": lambda: figures.plot_curves(X, {"score": X**2, "P(z)": X**4}, "redshift", {"true": 0.3, "found": 0}),
    "templates": lambda: figures.plot_templates(np.geomspace(600, 9000, 500), FLUX[:, :500], ["one", "two"]),
    "stages": lambda: figures.plot_stages(FLUX[0, :99], FLUX[:, :99], X + 1, X, X**2, 1.2),
    "probabilities": lambda: figures.plot_probabilities(
        FLUX, X + 1, np.stack([X**2, X**4]), [1.5, 1.0], ["easy", "hard"]
    ),
    "reliability": lambda: figures.plot_reliability(
        pd.DataFrame({"confidence": [0.4, 0.9], "share": [0.5, 0.9], "error": [0.1, 0.02], "n": [10, 2000]})
    ),
    "confidences": lambda: figures.plot_confidences({"right": KIND * 1.0, "wrong": np.array([])}),
    "equivariance": lambda: figures.plot_equivariance([0, 100, 200], {"shift": [1, 1, 0.9], "CNN": [1, 0.5, 0]}),
}


@pytest.fixture(autouse=True)
def style():
    """Draw in the course's style, and leave no figure open."""
    with matplotlib.rc_context():
        figures.use_style()
        yield
    plt.close("all")


def is_plot_axes(ax):
    """Whether axes show data along axes (not a drawing with its axes switched off, nor a colour bar)."""
    return ax.axison and ax.get_label() != "<colorbar>"


@pytest.mark.parametrize("name", PLOTS)
def test_plot_is_labelled_legible_and_opaque(name):
    """Each plot returns a Figure: labels on the outer axes, text of at least 12 points, white ground."""
    figure = PLOTS[name]()
    assert isinstance(figure, plt.Figure)
    figure.canvas.draw()
    assert figure.get_facecolor() == (1.0, 1.0, 1.0, 1.0)
    axes = [ax for ax in figure.axes if is_plot_axes(ax)]
    assert axes or name == "network"
    for ax in axes:
        assert ax.has_data()
        place = ax.get_subplotspec()
        if place is None or place.is_last_row():
            assert ax.get_xlabel()
        if place is None or place.is_first_col():
            assert ax.get_ylabel()
    texts = [t for t in figure.findobj(matplotlib.text.Text) if t.get_visible() and t.get_text().strip()]
    assert min(t.get_fontsize() for t in texts) >= 12


@pytest.mark.parametrize("name", PLOTS)
def test_plot_says_in_words_what_it_shows(name):
    """The alt text is a sentence about the kind of plot and the name of every axis: also of a plot added later."""
    figure = PLOTS[name]()
    text = figures.alt_text(figure)
    kind = text.split(".")[0]
    assert kind[0].isupper() and len(kind.split()) > 3
    for ax in figure.axes:
        if is_plot_axes(ax):
            assert " ".join(ax.get_xlabel().split()) in text and " ".join(ax.get_ylabel().split()) in text


def test_notebook_shows_a_figure_with_its_words():
    """What a notebook keeps is an image with alt text, its quotes escaped, and no plain PNG that would be preferred."""
    setup = "from workshop_utils import figures\nfigures.use_style()"
    plot = """figures.plot_losses({'the "best" run': [3.0, 2.0]});"""
    book = new_notebook(cells=[new_code_cell(setup), new_code_cell(plot)])
    PatientClient(book, kernel_name="python3", timeout=120).execute()
    (output,) = book.cells[1].outputs
    assert "image/png" not in output.data
    (alt,) = re.findall(r'<img src="data:image/png;base64,[\w+/=]+" alt="([^"]*)">', output.data["text/html"])
    assert 'the "best" run' in html.unescape(alt)


@pytest.mark.parametrize("name", PLOTS)
def test_nothing_is_cut_off(name):
    """All text lies inside the figure."""
    figure = PLOTS[name]()
    figure.canvas.draw()
    inside = figure.bbox.padded(2)
    for ax in figure.axes:
        box = ax.get_tightbbox()
        assert inside.x0 <= box.x0 and box.x1 <= inside.x1, name
        assert inside.y0 <= box.y0 and box.y1 <= inside.y1, name


def test_every_plot_function_is_tested():
    """A new plot function without an entry in ``PLOTS`` fails here."""
    functions = {name.removeprefix("plot_") for name in dir(figures) if name.startswith("plot_")}
    assert functions == set(PLOTS)


def test_probabilities_are_shown_where_there_are_any():
    """With `zoom`, every redshift with a hundredth of the highest probability is in view, and little else."""
    z = np.linspace(0, 5.5, 1000)
    one, two = np.exp(-(((z - 2) / 0.01) ** 2)), np.exp(-(((z - 3) / 0.01) ** 2))
    figure = figures.plot_probabilities(FLUX, z, np.stack([one, one + two]), [2, 2], ["sure", "torn"], zoom=True)
    for ax, last in zip(figure.axes[1::2], (2, 3), strict=True):
        low, high = ax.get_xlim()
        assert 1.8 < low < 1.95 and last + 0.05 < high < last + 0.2


def test_network_counts_its_parameters():
    """The numbers written under the drawing are the network's: weights and one offset per neuron."""
    figure = figures.plot_network((2, 4, 4, 4, 1))
    counts = [int(t.get_text().split("=")[1]) for t in figure.axes[0].texts if "=" in t.get_text()]
    assert counts == [2 * 4 + 4, 4 * 4 + 4, 4 * 4 + 4, 4 * 1 + 1]


def test_path_is_drawn_where_it_went():
    """The line on the map is the path given, and the cross is at the lowest point."""
    figure = figures.plot_descents(W, B, LOSS, {"slow": PATH}, best=(0.0, 1.0))
    lines = [line.get_xydata() for line in figure.axes[0].lines]
    assert any(np.array_equal(line, PATH) for line in lines)
    assert any(np.array_equal(line, [[0.0, 1.0]]) for line in lines)


def test_loss_axis_fits_the_losses():
    """The axis holds every loss and little else: neither cut off nor squeezed into a corner."""
    losses = np.geomspace(30.0, 0.04, 50)
    low, high = figures.plot_losses({"descent": losses}).axes[0].get_ylim()
    assert 0.004 < low <= 0.04 and 30.0 <= high < 300.0


def test_path_ends_where_it_leaves_the_map():
    """A diverging walk is drawn up to its first point beyond the map, not as a tangle of crossings."""
    path = np.array([[0.0, 0.0], [1.0, 1.0], [9.0, 9.0], [-90.0, -90.0]])
    figure = figures.plot_descents(W, B, LOSS, {"too fast": path})
    assert max(len(line.get_xydata()) for line in figure.axes[0].lines) == 3


def test_lines_are_marked_where_they_are_seen():
    """At z = 0.5, C IV lies outside the spectrum; Mg II and Hβ inside, at 1.5 times their rest wavelength."""
    ax = figures.plot_spectra(FLUX[:1], [0.5], ["near"]).axes[0]
    names = {text.get_text(): text.get_position()[0] for text in ax.texts}
    assert set(names) == {"Mg II", "Hβ", "Hα"}
    assert names["Mg II"] == pytest.approx(1.5 * 2798.75)


def test_wrong_redshifts_are_drawn_as_wrong():
    """6,000 km/s is 0.06 at z = 2: a redshift off by 0.05 counts as right, one by 0.07 as wrong."""
    ax = figures.plot_redshifts({"found": [2.05, 2.07, 1.0]}, np.array([2.0, 2.0, 1.0])).axes[0]
    drawn = {line.get_label(): line.get_xydata().tolist() for line in ax.lines}
    assert drawn["right"] == [[2.0, 2.05], [1.0, 1.0]]
    assert drawn["wrong"] == [[2.0, 2.07]]


def test_band_of_a_guess_ends_where_it_counts_as_wrong():
    """At the edges of the band the mean is off by exactly the limit."""
    z = np.array([1.0, 2.0, 3.0])
    ax = figures.plot_guess({"all": z}).axes[0]
    (band,) = [patch for patch in ax.patches if patch.get_alpha() == 0.5]
    x = band.get_path().transformed(band.get_patch_transform()).vertices[:, 0]  # a polygon before matplotlib 3.9
    for edge in (x.min(), x.max()):
        assert abs(2.0 - edge) / (1 + edge) == pytest.approx(6000 / 299792.458)


def test_kernel_is_drawn_where_it_fits_best():
    """A step up between pixels 9 and 10 is found by (-1, 1) at pixel 9, and the mark says so."""
    signal = np.repeat([0.0, 1.0], 10)
    top, below = figures.plot_convolutions({"edge": (signal, np.array([-1, 1]), np.diff(signal))}).axes
    assert below.lines[-1].get_xydata().tolist() == [[9.0, 1.0]]
    assert top.lines[-1].get_xdata().tolist() == [9, 10]


def test_reach_is_drawn_to_scale():
    """500 pixels span 499 steps of 1e-4 in log10 wavelength; a reach beyond the spectrum, all of it."""
    bars = figures.plot_reach(FLUX[0], {"a": 500, "b": 9000}, 1.5).axes[1]
    spans = [np.ptp(np.log10(line.get_xdata())) for line in bars.lines]
    assert spans == pytest.approx([499e-4, 4617e-4])


def test_far_errors_are_drawn_at_the_edge_and_none_is_lost():
    """Errors beyond 20,000 km/s become triangles at the edge of their sign; all others stay points."""
    velocity = np.array([0.0, 5000.0, 25000.0, -90000.0])
    ax = figures.plot_residuals(velocity, np.ones(4), np.ones(4)).axes[0]
    drawn = [line.get_ydata().tolist() for line in ax.lines if line.get_linestyle() == "None"]
    assert drawn == [[0.0, 5.0], [20.0], [-20.0]]


def test_residuals_without_far_errors_fill_the_figure():
    """Markers that may leave their panel, and none of them there, must not press the panels together."""
    figure = figures.plot_residuals(np.zeros(4), np.ones(4), np.ones(4))
    figure.canvas.draw()
    assert all(ax.get_position().width > 0.35 for ax in figure.axes)


def test_right_redshifts_lie_above_wrong_ones():
    """The right ones are a thin line, and would vanish below the wrong ones beside it."""
    ax = figures.plot_redshifts({"network": [1.0, 1.2]}, [1.0, 1.0]).axes[0]
    order = {line.get_label(): line.get_zorder() for line in ax.lines}
    assert order["right"] > order["wrong"]


def test_error_of_a_share_stays_between_none_and_all():
    """A share of 1 has no error bar upwards, a share of 0 none downwards."""
    table = pd.DataFrame({"confidence": [0.2, 0.9], "share": [0.0, 1.0], "error": [0.3, 0.3], "n": [2, 3]})
    (bars,) = figures.plot_reliability(table).axes[0].containers
    ends = np.concatenate([segment[:, 1] for segment in bars.lines[2][0].get_segments()])
    assert ends.tolist() == pytest.approx([0.0, 0.3, 0.7, 1.0])


def test_accuracy_is_drawn_with_its_error():
    """Each bin stands at its share, in per cent, with its binomial error above and below."""
    ax = figures.plot_accuracy({"S/N": {"network": BINS}}).axes[0]
    (bars,) = ax.containers
    points, _, (_, vertical) = bars.lines
    assert points.get_ydata() == pytest.approx([50.0, 90.0])
    assert [np.ptp(segment[:, 1]) for segment in vertical.get_segments()] == pytest.approx([20.0, 4.0])


def test_failures_mark_both_redshifts():
    """Mg II is marked at 2798.75 (1 + z) for the true redshift and for the one found."""
    ax = figures.plot_failures(FLUX[:1], [1.0], [2.0], ["one"]).axes[0]
    places = sorted(text.get_position()[0] for text in ax.texts if text.get_text() == "Mg II")
    assert places == pytest.approx([2 * 2798.75, 3 * 2798.75])


def test_other_lines_are_marked_if_wanted():
    """[O III] is marked at 5008.24 (1 + z) of the true redshift, in place of the lines of the paper's Fig. 4."""
    lines = {"[O III]": 5008.24}
    above = figures.plot_spectra(FLUX[:1], [0.5], ["one"], lines=lines).axes[0]
    both = figures.plot_failures(FLUX[:1], [0.5], [1.5], ["one"], lines).axes[0]
    for ax in (above, both):
        places = {text.get_text(): text.get_position()[0] for text in ax.texts}
        assert places["[O III]"] == pytest.approx(1.5 * 5008.24)
        assert places.get("Mg II", 0) in (0, pytest.approx(2.5 * 2798.75))


def test_marks_stand_above_the_curve():
    """A mark begins above the highest value, so that it hides no narrow peak."""
    ax = figures.plot_curves(np.linspace(0, 1, 9), {"p": np.eye(9)[4]}, "z", {"true": 0.5, "found": 0.25}).axes[0]
    low, high = ax.get_ylim()
    bottoms = [low + min(line.get_ydata()) * (high - low) for line in ax.lines[1:]]
    assert len(bottoms) == 2 and min(bottoms) > 1


def test_filters_show_what_was_added():
    """Below each kernel stands the difference: a constant where training added a constant."""
    before = np.random.default_rng(0).normal(size=(1, 100))
    top, below = figures.plot_filters(before, before + 0.5).axes
    assert below.lines[-1].get_ydata() == pytest.approx(np.full(100, 0.5))


def test_confusion_matrix_tells_counts_and_shares_of_each_true_class():
    """Nine of ten quasars and all three galaxies are right: rows are the truth."""
    ax = figures.plot_confusion({"": [[9, 1], [0, 3]]}).axes[0]
    assert [text.get_text() for text in ax.texts] == ["9\n90.0%", "1\n10.0%", "0\n0.0%", "3\n100.0%"]


def test_galaxy_lines_are_marked_where_they_are_seen():
    """At z = 0.1 Mg b is at 1.1 times its rest wavelength; at z = 0.9, Hα is out of the range."""
    near, far = figures.plot_galaxies(FLUX, [0.1, 0.9], ["near", "far"]).axes
    places = {text.get_text(): text.get_position()[0] for text in near.texts}
    assert places["Mg b"] == pytest.approx(1.1 * 5176.7)
    assert "Hα" in places and "Hα" not in [text.get_text() for text in far.texts]
