"""Simulated spectra of stars as SDSS would record them: dwarfs and giants of every type, white and carbon dwarfs.

A star is a black body, changed by what its atmosphere takes away: hydrogen (lines, and the jump at 3,646 A), helium,
metals, and, where it is cool, molecules. Each of these is a table by temperature; a star lies between two rows. Its
velocity is a shift; then come dust and the telescope (`noise.py`).

Sources of the numbers: temperatures and equivalent widths, by type, as in the atlases of Jacoby, Hunter & Christian
1984, ApJS 56, 257 and Pickles 1998, PASP 110, 863, and in Gray & Corbally 2009, Stellar Spectral Classification;
metals of solar-type stars also Worthey et al. 1994, ApJS 94, 687; band heads of TiO, CaH, VO in M dwarfs: Kirkpatrick,
Henry & McCarthy 1991, ApJS 77, 417, and Bochanski et al. 2007, AJ 133, 531; hydrogen lines of white dwarfs: Kleinman et
al. 2013, ApJS 204, 5; C2 and CN of carbon stars: Green 2013, ApJ 765, 12; cataclysmic variables: Szkody et al. 2011, AJ
142, 181; velocities of the halo (140 km/s): Xue et al. 2008, ApJ 684, 1143. Scatters were chosen broad on purpose.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..shapes import Device, PerObject, Seed, Spectra
from ..spectra import LIGHT_SPEED, LOGLAM, N_PIXELS
from .galaxies import smooth
from .noise import add_noise, normal, uniform
from .rest_frame import (
    MAX_SHIFT,
    REST_WAVELENGTH,
    generator,
    in_chunks,
    interpolation_weights,
    line_profile,
    whole_pixels,
)

MARGIN = 10  # pixels on each side: velocities up to 690 km/s
NEAR = N_PIXELS + 2 * MARGIN  # pixels of the rest frame in which a star is made
FASTEST = 600.0  # km/s
BALMER = [6564.61, 4862.68, 4341.68, 4102.89, 3971.2, 3890.2, 3836.5, 3798.9, 3771.7, 3751.2]  # vacuum A
BALMER_STRENGTH = [0.75, 1, 1.05, 1.0, 0.9, 0.75, 0.6, 0.45, 0.3, 0.2]  # equivalent widths relative to H beta's
PASCHEN = [8865.2, 8752.9, 8667.4, 8600.8, 8547.7, 9017.4, 9231.5]
# Kelvin; the types are O5 B2 B5 A0 A5 F0 F5 G0 G5 K0 K5 M0 M2 M4 M6 M8
# fmt: off
TEMPERATURES = [40000, 21000, 15500, 9700, 8200, 7200, 6500, 6000, 5650, 5250, 4450, 3850, 3550, 3250, 2900, 2600]
TYPES = ["hot", "hot", "hot", "A", "A", "F", "F", "G", "G", "K", "K", "M", "M", "M", "M", "M"]
JUMP = [.05, .15, .35, .75, .7, .5, .35, .2, .1, 0, 0, 0, 0, 0, 0, 0]  # ln of the flux lost below 3,646 A
HYDROGEN = [2, 4.5, 7, 14, 12, 8, 5, 3.2, 2.2, 1.2, .6, .2, 0, 0, 0, 0]  # equivalent width of H beta (A)
# name, vacuum wavelength (A), own width (km/s), equivalent width (A) at each temperature
METALS = [
    ("He II", 4687.0, 250, 1.2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ("He I", 4472.7, 200, 0.8, 1.3, .6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ("He I", 4027.3, 200, 0.8, 1.3, .6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ("He I", 5877.3, 150, 0.8, .7, .3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    ("Ca K", 3934.8, 280, .1, .1, .2, .6, 2, 4, 6, 7.5, 9, 11, 15, 14, 10, 8, 5, 3),
    ("Ca H", 3969.6, 250, 0, 0, 0, .3, 1, 2.5, 4.5, 6, 7, 8, 11, 11, 8, 6, 4, 2),
    ("Fe", 3735, 900, 0, 0, 0, .3, 1, 2, 4, 6, 9, 12, 16, 14, 10, 6, 4, 2),
    ("Mg I", 3835, 600, 0, 0, 0, 0, .3, .8, 2, 3.5, 5, 8, 11, 9, 6, 4, 2, 1),
    ("CN", 3865, 1500, 0, 0, 0, 0, 0, .2, 1, 2.5, 4, 7, 6, 3, 1, 0, 0, 0),
    ("Fe I", 4046, 300, 0, 0, 0, .1, .2, .4, .6, .8, 1, 1.3, 2, 2, 1.5, 1, .5, 0),
    ("Ca I", 4227.9, 250, 0, 0, 0, 0, .2, .4, .7, 1, 1.4, 2.2, 6, 9, 11, 14, 15, 12),
    ("G band", 4305.6, 900, 0, 0, 0, 0, .3, 1.5, 3.2, 5, 6, 6.5, 5, 3.5, 2, 1, 0, 0),
    ("Fe I", 4384.8, 250, 0, 0, 0, .1, .4, .7, 1, 1.4, 1.9, 2.6, 4, 4, 3, 2, 1, 0),
    ("Fe", 4530, 900, 0, 0, 0, .2, .6, 1, 1.4, 2, 2.6, 3.2, 4, 4, 3, 2, 1, 0),
    ("Mg II", 4482.4, 150, 0, .2, .3, .5, .6, .5, .3, .1, 0, 0, 0, 0, 0, 0, 0, 0),
    ("Mg b", 5176.7, 450, 0, 0, 0, .2, .6, 1, 1.5, 2.2, 3, 4.2, 7, 7, 6, 5, 3, 2),
    ("Fe", 5271, 450, 0, 0, 0, .1, .5, .8, 1.2, 1.6, 2, 2.6, 4, 4, 3.5, 3, 2, 1),
    ("Fe", 5332, 400, 0, 0, 0, .1, .4, .7, 1, 1.3, 1.6, 2.1, 3, 3, 2.5, 2, 1, 0),
    ("Na D", 5893.6, 380, .1, .1, .1, .1, .3, .5, .8, 1.1, 1.5, 2.2, 5, 7, 8, 9, 10, 10),
    ("Ca,Fe", 6165, 600, 0, 0, 0, 0, .2, .3, .4, .6, .8, 1, 2, 2.5, 2, 1, 0, 0),
    ("CaH", 6385, 700, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, .8, 2, 3, 3, 2, 1),
    ("Ba,Fe", 6498, 300, 0, 0, 0, 0, .2, .3, .4, .5, .6, .8, 1, 1, .8, .6, .4, 0),
    ("K I", 7667.5, 300, 0, 0, 0, 0, 0, 0, 0, .1, .1, .2, .5, 1, 1.6, 3, 6, 10),
    ("K I", 7701, 250, 0, 0, 0, 0, 0, 0, 0, .1, .1, .2, .4, .8, 1.3, 2.4, 5, 8),
    ("Na I", 8190.6, 350, 0, 0, 0, 0, 0, .1, .2, .3, .4, .6, 1, 2, 3.2, 4.5, 6, 7),
    ("Ca II", 8500.4, 200, 0, 0, 0, .3, .7, 1, 1.1, 1.1, 1.1, 1.2, 1.3, 1.1, .8, .6, .4, .2),
    ("Ca II", 8544.4, 230, 0, 0, 0, .7, 1.5, 2.5, 2.8, 2.8, 2.8, 3, 3.2, 2.7, 2, 1.4, .9, .5),
    ("Ca II", 8664.5, 230, 0, 0, 0, .6, 1.2, 2, 2.3, 2.3, 2.3, 2.4, 2.6, 2.2, 1.6, 1.1, .7, .4),
]
# What countless faint lines of metals take away, ln, below 5,300 A, by wavelength (A); MgH, below its head at 5,212 A
BLANKET = [(3600, 0.95), (3700, 0.90), (3900, 0.75), (4050, 0.48), (4300, 0.34), (4600, 0.20), (5000, 0.12), (5300, 0)]
BLANKETING = [0, 0, 0, 0, .02, .06, .12, .22, .35, .55, 1.0, .8, .5, .3, .2, .2]  # times that, at each temperature
MGH = [0, 0, 0, 0, 0, 0, .01, .02, .05, .12, .38, .40, .2, .1, 0, 0]  # optical depth at the head
# Molecules: vacuum wavelength of the head, where the band ends (A), optical depth at the head for each temperature
# from K5 on; a band is deepest at its head and fades to the red
BANDS = [
    (4763, 4955, .10, .25, .4, .6, .6, .5),  # TiO, as all that follow without a name
    (4956, 5168, .10, .30, .5, .7, .8, .7),
    (5169, 5440, .08, .25, .45, .65, .8, .8),
    (5450, 5580, .04, .15, .25, .35, .4, .4),
    (5605, 5750, .0, .08, .15, .25, .3, .3),
    (5850, 6060, .08, .28, .5, .75, .9, .9),
    (6160, 6380, .10, .35, .6, .9, 1.1, 1.1),
    (6652, 6760, .03, .15, .3, .45, .6, .7),
    (6752, 7040, .06, .22, .4, .6, .8, .8),  # CaH
    (7056, 7260, .10, .40, .7, 1.05, 1.3, 1.3),
    (7335, 7560, .0, .05, .1, .3, .8, 1.2),  # VO
    (7590, 7760, .05, .20, .4, .65, .9, 1.0),
    (7770, 7990, .0, .08, .15, .35, .8, 1.2),  # with VO
    (8207, 8330, .0, .05, .12, .25, .4, .5),
    (8435, 8640, .03, .12, .25, .5, .8, 1.0),
    (8861, 9100, .03, .12, .25, .45, .7, .8),
]
# fmt: on
DWARFS = (8000, 10500, 14000, 20000, 40000)  # white ones, K
DWARF_HYDROGEN = (18, 38, 48, 38, 20)  # equivalent width of H beta (A)
KINDS = ("hot", "A", "F", "G", "K", "M", "white dwarf", "carbon", "emission")  # what a star is called, coarsely
SHARES = (0.04, 0.11, 0.20, 0.13, 0.12, 0.17, 0.15, 0.03, 0.05)


class Stars(NamedTuple):
    """A batch of simulated stars.

    Attributes
    ----------
    flux, ivar, z, sn
        As of `rest_frame.Sources`; z is the velocity over c.
    kind : (n,) int64, index in `KINDS`
    """

    flux: Spectra
    ivar: Spectra
    z: PerObject
    sn: PerObject
    kind: PerObject


def simulate_stars(
    n: int,
    seed: Seed,
    device: Device = "cpu",
    kind: Tensor | None = None,
    ln_sn: Sequence[float] = (1.9, 1.0),
    partial: float = 0.5,
    chunk: int = 256,
):
    """Simulate spectra of stars with BOSS noise.

    Parameters
    ----------
    n : int
        Number of spectra.
    seed : int or torch.Generator
        As in `simulate_quasars`.
    kind : (n,) integer tensor, optional
        Index in `KINDS`; otherwise drawn with the probabilities `SHARES`.
    ln_sn, partial
        As in `noise.add_noise`.
    chunk : int
        Spectra made at a time.

    Returns
    -------
    Stars

    >>> stars = simulate_stars(3, seed=1)
    >>> stars.flux.shape, bool((stars.z.abs() < 0.0021).all())
    (torch.Size([3, 4618]), True)
    """
    rng = generator(seed, device)
    if kind is None:
        kind = torch.multinomial(torch.tensor(SHARES, device=rng.device), n, replacement=True, generator=rng)
    columns = in_chunks(
        lambda row: _simulate(kind[row.long()], rng, ln_sn, partial), torch.arange(n, device=rng.device), chunk
    )
    return Stars(*columns, kind)


def _simulate(kind, rng, ln_sn, partial):
    """One chunk of `simulate_stars`."""
    n = len(kind)
    velocity = (normal(rng, n) * torch.where(uniform(rng, n) < 0.5, 40.0, 150.0)).clamp(-FASTEST, FASTEST)
    shift, z = whole_pixels(velocity / LIGHT_SPEED)
    ln_flux = torch.empty(n, NEAR, device=rng.device)
    for draw, kinds in ((_ordinary, range(6)), (_white, (6,)), (_carbon, (7,)), (_emitting, (8,))):
        rows = torch.isin(kind, torch.tensor(list(kinds), device=rng.device)).nonzero()[:, 0]
        if len(rows):
            ln_flux[rows] = draw(kind[rows], rng)
    seen = (MARGIN - shift)[:, None] + torch.arange(N_PIXELS, device=rng.device)
    dust = -0.25 * torch.log1p(-uniform(rng, n, 1))  # optical depth at 5,500 A; tau ~ wavelength^-1.3
    ln_micron = np.log(10) * torch.tensor(LOGLAM - 3.74036, dtype=torch.float32, device=rng.device)
    flux = torch.exp_(torch.gather(ln_flux, 1, seen) - dust * torch.exp(-1.3 * ln_micron))
    flux, ivar, sn = add_noise(flux, rng, ln_sn, partial)
    return flux, ivar, z, sn


def _ordinary(kind, rng):
    """Dwarfs, giants and metal-poor stars of types O to M: ln(flux) (n, pixel)."""
    n, tables = len(kind), [table(rng.device) for table in (planck, hydrogen, metals, molecules)]
    knots = torch.tensor(TEMPERATURES[::-1], device=rng.device).log()
    edges = torch.tensor([15000, 7700, 6250, 5450, 4100, 2550, 45000], device=rng.device).log()[[6, 0, 1, 2, 3, 4, 5]]
    hot, cool = edges[kind], edges[kind + 1]
    weights = interpolation_weights(cool + (hot - cool) * uniform(rng, n), knots).flip(-1)
    poor = (uniform(rng, n, 1) < 0.35).float() * uniform(rng, n, 1)  # of the halo
    strengths = [torch.ones(n, 1, device=rng.device), torch.exp(0.2 * normal(rng, n, 1))]
    strengths += [torch.exp(0.3 * normal(rng, n, 1)) * (1 - 0.85 * poor), torch.exp(0.25 * normal(rng, n, 1))]
    ln_flux = sum(strength * (weights @ rows) for strength, rows in zip(strengths, tables, strict=True))
    active = (kind == 5) & (uniform(rng, n) < 0.4)  # chromospheres of M dwarfs shine in the Balmer lines
    return torch.logaddexp(ln_flux, _emission(rng.device, 130) + _log_width(active, 3.0, rng))


def _white(kind, rng):
    """White dwarfs: most with hydrogen (DA), some with helium (DB), some with nothing (DC) or calcium (DZ) to see."""
    n, device = len(kind), rng.device
    lines, helium, calcium = white_lines(device)
    ln_t = torch.log(torch.tensor(7000.0)) + 1.6 * uniform(rng, n)
    weights = interpolation_weights(ln_t, torch.tensor(DWARFS, device=device).log())
    which = uniform(rng, n, 1)
    strength = torch.exp(0.2 * normal(rng, n, 1))
    ln_flux = _planck(torch.exp(ln_t)[:, None])
    ln_flux += torch.where(which < 0.75, strength * (weights @ lines), 0)
    ln_flux += torch.where((which > 0.75) & (which < 0.85), strength * helium, 0)
    ln_flux += torch.where(which > 0.95, strength * calcium, 0)
    beside = torch.where(uniform(rng, n) < 0.12, 0.0, -torch.inf)[:, None]  # a red dwarf beside it
    red = _ordinary(torch.full_like(kind, 5), rng)
    bright = red[:, 3500:3600].mean(1, keepdim=True) - ln_flux[:, 3500:3600].mean(1, keepdim=True)
    return torch.logaddexp(ln_flux, red - bright + beside + 0.8 * normal(rng, n, 1))


def _carbon(kind, rng):
    """Carbon stars and dwarfs: black bodies of 3,500-5,500 K under bands of C2 and CN."""
    n = len(kind)
    ln_flux = _planck(3500 + 2000 * uniform(rng, n, 1))
    return ln_flux + torch.exp(0.4 * normal(rng, n, 2)) @ carbon_bands(rng.device)


def _emitting(kind, rng):
    """Cataclysmic variables: a blue power law with broad Balmer and helium lines in emission."""
    n = len(kind)
    ln_flux = -(1.5 + 0.8 * normal(rng, n, 1)) * _ln_wavelength(rng.device)
    shine = torch.ones(n, dtype=torch.bool, device=rng.device)
    return torch.logaddexp(ln_flux, ln_flux + _emission(rng.device, 700) + _log_width(shine, 40.0, rng))


def _log_width(shine, width, rng):
    """Logarithm (n, 1) of an equivalent width of about `width` (A) where it shines, else of nothing."""
    ln_width = np.log(width) + 0.6 * normal(rng, len(shine), 1)
    return torch.where(shine[:, None], ln_width, -torch.inf)


def _as_tensor(rows, device):
    """What stands near the observed frame of rows (..., rest pixel), the last pixel repeated: (..., NEAR)."""
    rows = np.asarray(rows)[..., MAX_SHIFT - MARGIN :]
    wanted = np.minimum(np.arange(NEAR), rows.shape[-1] - 1)
    return torch.tensor(rows[..., wanted], dtype=torch.float32, device=device)


@functools.cache
def _ln_wavelength(device):
    """The ln(wavelength / 5,500 A) (pixel,)."""
    return _as_tensor(np.log(REST_WAVELENGTH / 5500), device)


def _planck(temperature):
    """The ln of a black body's flux (n, pixel) per A, 0 at 5,500 A, for temperatures (n, 1) in K."""
    x = _ln_wavelength(temperature.device)
    hot = 14387.77 / 0.55 / temperature  # h c / (wavelength k T) at 5,500 A
    return -5 * x - torch.log(torch.expm1(hot * torch.exp(-x)) / torch.expm1(hot))


@functools.cache
def planck(device):
    """Black bodies and the Balmer jump (temperature, pixel), ln."""
    temperature = torch.tensor(TEMPERATURES, dtype=torch.float32, device=device)[:, None]
    warmer = temperature.clamp(min=3300)  # molecules leave the cool ones brighter in the blue than their black body
    below = 1 / (1 + np.exp((REST_WAVELENGTH - 3700) / 25))
    return _planck(warmer) - _as_tensor(np.outer(JUMP, below), device)


@functools.cache
def hydrogen(device):
    """Balmer and Paschen lines (temperature, pixel), ln; A stars have wings that the Stark effect makes."""
    rows = []
    for temperature, width in zip(TEMPERATURES, HYDROGEN, strict=True):
        row = 0
        for centre, share in zip(BALMER, BALMER_STRENGTH, strict=True):
            dispersion = 250 + 45 * min(width, 14)
            row = row + 0.6 * line_profile(centre, width * share, dispersion)
            row = row + 0.4 * line_profile(centre, width * share, 2.5 * dispersion)
        for centre in PASCHEN:
            row = row + line_profile(centre, 0.25 * width * (temperature > 6800), 500)
        rows.append(-row)
    return _as_tensor(rows, device)


@functools.cache
def metals(device):
    """Lines of metals, and a forest of faint ones (temperature, pixel), ln."""
    rng = np.random.default_rng(1)
    faint = smooth(10 * rng.random(len(REST_WAVELENGTH)) * (rng.random(len(REST_WAVELENGTH)) < 0.2), 120)
    faint = (faint * (REST_WAVELENGTH / 4000) ** -2.5).clip(0, 4)
    blanket = np.interp(REST_WAVELENGTH, *np.array(BLANKET).T)
    mgh = blue_band(5212, 4840)
    rows = []
    for k, depth in enumerate(BLANKETING):
        row = depth * (blanket + 0.2 * faint) + MGH[k] * mgh
        for _, centre, width, *equivalent_widths in METALS:
            if equivalent_widths[k]:
                row = row + line_profile(centre, equivalent_widths[k], np.hypot(width, 70))
        rows.append(-row)
    return _as_tensor(rows, device)


@functools.cache
def molecules(device):
    """Bands of TiO, CaH and VO (temperature, pixel), ln: each deepest at its head."""
    rows = np.zeros((len(TEMPERATURES), len(REST_WAVELENGTH)))
    for head, end, *depths in BANDS:
        rows[-len(depths) :] -= np.outer(depths, band(head, end))
    return _as_tensor(rows, device)


def band(head, end):
    """A band (rest pixel,): 1 at its head, fading evenly until it ends; its edge as the spectrograph blurs it."""
    fade = (1 - (REST_WAVELENGTH - head) / (end - head)).clip(0, 1) * (head < REST_WAVELENGTH)
    return smooth(fade, 150)


@functools.cache
def white_lines(device):
    """Hydrogen of white dwarfs (temperature, pixel), helium and calcium (pixel,), ln; their gravity broadens them."""
    rows = []
    for width in DWARF_HYDROGEN:
        row = 0
        for centre, share in zip(BALMER[:7], (0.8, 1, 1, 0.8, 0.5, 0.25, 0.1), strict=True):
            row = (
                row + 0.45 * line_profile(centre, width * share, 800) + 0.55 * line_profile(centre, width * share, 2600)
            )
        rows.append(-row)
    helium = [(3889.7, 14), (4027.3, 15), (4472.7, 24), (4922.6, 9), (5016.9, 7), (5877.3, 17), (6680.0, 12)]
    helium = -sum(line_profile(centre, width, 1500) for centre, width in helium)
    calcium = -line_profile(3934.78, 30, 1500) - line_profile(3969.59, 22, 1500)
    return _as_tensor(rows, device), _as_tensor(helium, device), _as_tensor(calcium, device)


@functools.cache
def carbon_bands(device):
    """C2 (Swan bands, fading to the blue) and CN (fading to the red) (2, pixel), ln."""
    swan = [(4383, 4210, 0.5), (4738, 4480, 0.9), (5166, 4900, 1.1), (5637, 5360, 0.8), (6192, 5950, 0.4)]
    red = [
        (4216, 4120, 0.5),
        (6926, 7060, 0.25),
        (7088, 7240, 0.3),
        (7876, 8060, 0.5),
        (8067, 8250, 0.4),
        (9140, 9400, 0.5),
    ]
    c2 = -sum(depth * blue_band(head, end) for head, end, depth in swan)
    cn = -sum(depth * (band if end > head else blue_band)(head, end) for head, end, depth in red)
    return _as_tensor([c2, cn], device)


def blue_band(head, end):
    """A band (rest pixel,) that fades to the blue of its head."""
    fade = (1 - (head - REST_WAVELENGTH) / (head - end)).clip(0, 1) * (head > REST_WAVELENGTH)
    return smooth(fade, 150)


@functools.cache
def _emission(device, dispersion):
    """The ln of Balmer and helium lines in emission (pixel,), H alpha of 1 A, on a continuum of 1."""
    lines = [
        (6564.61, 1.0),
        (4862.68, 0.8),
        (4341.68, 0.6),
        (4102.89, 0.45),
        (3971.2, 0.3),
        (5877.3, 0.2),
        (4687.0, 0.15),
    ]
    lines = sum(line_profile(centre, width, dispersion) for centre, width in lines)
    return _as_tensor(np.log(lines.clip(1e-30)), device)
