"""Simulated stars, empty fibres and double-peaked quasars: reproducible, and with the features of real ones."""

import numpy as np
import pytest
import torch

from workshop_utils.networks import STAR_KINDS
from workshop_utils.simulate import simulate_empty, simulate_quasars, simulate_stars
from workshop_utils.simulate.sky import leave_residuals
from workshop_utils.simulate.stars import KINDS, SHARES
from workshop_utils.spectra import LIGHT_SPEED, N_PIXELS, WAVELENGTH


def bright(kind, n=40, seed=1):
    """Bright stars of one kind, each divided by its median: (n, pixel)."""
    stars = simulate_stars(n, seed, kind=torch.full((n,), KINDS.index(kind)), ln_sn=(4.0, 0.0), partial=0.0)
    return (stars.flux / stars.flux.median(1, keepdim=True).values).numpy()


def near(flux, centre, half):
    return flux[:, np.abs(WAVELENGTH - centre) < half].mean(1)


def depth(flux, centre, half=12, beside=60):
    """Share of the light (n,) that is missing at a line, against both sides of it."""
    return 1 - near(flux, centre, half) / (0.5 * (near(flux, centre - beside, 15) + near(flux, centre + beside, 15)))


def test_shapes_and_the_same_bytes_for_the_same_seed():
    assert len(KINDS) == len(SHARES) == STAR_KINDS and sum(SHARES) == pytest.approx(1)
    for simulate in (simulate_stars, simulate_empty):
        first, again, other = (simulate(30, seed) for seed in (5, 5, 6))
        assert first.flux.shape == first.ivar.shape == (30, N_PIXELS)
        assert bool(first.flux.isfinite().all()) and bool((first.ivar >= 0).all())
        assert torch.equal(first.flux, again.flux) and not torch.equal(first.flux, other.flux)
    assert set(simulate_stars(400, 7).kind.tolist()) == set(range(len(KINDS)))


def test_hydrogen_is_strongest_in_a_stars_and_widest_in_white_dwarfs():
    strength = {kind: np.median(depth(bright(kind), 4862.7)) for kind in ("hot", "A", "F", "G", "K")}
    assert strength["A"] == max(strength.values()) > 0.17 and strength["hot"] < 0.6 * strength["A"]
    wide = {kind: np.median(depth(bright(kind), 4862.7, half=45, beside=150)) for kind in ("A", "white dwarf")}
    assert wide["white dwarf"] > 1.2 * wide["A"]


def test_metals_and_molecules_grow_as_stars_get_cooler():
    calcium = [np.median(depth(bright(kind), 3934.8, half=8)) for kind in ("A", "F", "G")]
    assert calcium == sorted(calcium)
    band = {kind: np.median(near(bright(kind), 7100, 30) / near(bright(kind), 7040, 12)) for kind in ("G", "K", "M")}
    assert band["M"] < 0.75 < 0.93 < band["G"]  # the head of TiO at 7,056 A
    swan = np.median(near(bright("carbon"), 5130, 25) / near(bright("carbon"), 5190, 12))
    assert swan < 0.75  # C2, fading to the blue of its head at 5,166 A


def test_hot_stars_are_blue_and_cool_ones_red():
    colour = [np.median(near(bright(kind), 4500, 50) / near(bright(kind), 8000, 50)) for kind in ("hot", "F", "K", "M")]
    assert colour == sorted(colour, reverse=True) and colour[0] > 2 > 0.5 > colour[-1]


def test_velocities_are_those_of_our_galaxy():
    stars = simulate_stars(2000, seed=8)
    velocity = stars.z.numpy() * LIGHT_SPEED
    assert np.abs(velocity).max() < 700 and 60 < velocity.std() < 160


def test_empty_fibres_hold_no_light_and_residuals_scale():
    empty = simulate_empty(200, seed=9)
    assert bool(empty.z.isnan().all()) and float(empty.sn.abs().median()) < 0.2
    sizes = []
    for size in (0.5, 2.0):
        flux, ivar = torch.zeros(50, N_PIXELS), torch.ones(50, N_PIXELS)
        leave_residuals(flux, ivar, torch.Generator().manual_seed(1), size)
        sizes.append(float((flux.unfold(1, 64, 64).mean(2)).std()))  # the slow part: noise averages out
    assert sizes[1] > 2.5 * sizes[0]


def test_discs_split_broad_lines_and_leave_all_else_as_it_was():
    given = {"z": [0.3] * 60, "ln_sn": (4.0, 0.0), "partial": 0.0}
    plain, again, split = (simulate_quasars(60, 10, discs=share, **given).flux.numpy() for share in (0.0, 0.0, 1.0))
    assert np.array_equal(plain, again)
    at = 6564.61 * 1.3

    def hollow(flux):
        """H alpha's flux in the middle, beside the narrow lines, over that 3,500 km/s away on both sides."""
        middle = near(flux, at * (1 + 1500 / LIGHT_SPEED), 12) + near(flux, at * (1 - 1500 / LIGHT_SPEED), 12)
        wings = near(flux, at * (1 + 3500 / LIGHT_SPEED), 20) + near(flux, at * (1 - 3500 / LIGHT_SPEED), 20)
        return np.median(middle / wings)

    assert hollow(split) < 0.75 * hollow(plain)
