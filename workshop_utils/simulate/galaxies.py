"""Simulated galaxy spectra as SDSS would record them, in batches, on any torch device.

A galaxy in the rest frame is a sum: starlight of five populations, from old and rich in metals to so young that its
stars ionise gas, each with absorption lines as wide as the stars' velocities make them, and emission lines of gas, as
strong as the ionising stars (or an active nucleus) allow. That is a small basis and a matrix product; redshift is a
shift (`rest_frame.py`), then come dust in the galaxy and the telescope (`noise.py`).

Sources of the numbers. Shapes of the continua: a curve drawn by hand through the mean spectra of Kinney et al. 1996,
ApJ 467, 38 (elliptical, Sb, starbursts), with 4,000 A breaks from 1.9 (old) to 1.0 (youngest); galaxies mix them to
1.2-1.9, bimodal as in Kauffmann et al. 2003, MNRAS 341, 33. Absorption lines: equivalent widths typical of the Lick
indices of old and young populations (Worthey et al. 1994, ApJS 94, 687; Worthey & Ottaviani 1997, ApJS 111, 377).
Stars' velocity dispersion: Bernardi et al. 2003, AJ 125, 1817. Ratios of emission lines along the sequence of star
formation, and above it for active nuclei: Kewley et al. 2006, MNRAS 372, 961; Balmer decrement: case B (Osterbrock &
Ferland 2006). Dust: Charlot & Fall 2000, ApJ 539, 718 (tau ~ wavelength^-0.7). Redshift of the bright galaxies, median
0.10: Strauss et al. 2002, AJ 124, 1810; luminous red galaxies at z 0.2-0.7: Eisenstein et al. 2001, AJ 122, 2267; the
faint ones are quasar targets that turned out to be galaxies, mostly at z < 1 (Lyke et al. 2020, ApJS 250, 8). What no
source gives (scatters, shares of kinds) was chosen broad on purpose.
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch

from ..shapes import ArrayLike, Device, Seed
from ..spectra import LOGLAM
from .noise import add_noise, normal, uniform
from .rest_frame import (
    REST_WAVELENGTH,
    Sources,
    check_redshifts,
    combine,
    cut,
    generator,
    in_chunks,
    in_view,
    interpolation_weights,
    line_profile,
    move_to,
    whole_pixels,
)

Z_MAX = 1.5
# Continua: flux per A at these wavelengths (A), 1 at 5,500 A; the step from 3,945 to 4,010 A is the break
# fmt: off
CONTINUUM_WAVELENGTH = [600, 912, 1500, 2000, 2500, 2900, 3300, 3600, 3945, 4010, 4500, 5000, 5500, 6000, 7000, 8000,
                        9000, 10400]
CONTINUA = {
    "old, metal-rich": [.001, .01, .03, .03, .05, .10, .20, .28, .37, .62, .83, .95, 1, 1.03, 1.06, 1.07, 1.04, .96],
    "old, metal-poor": [.001, .01, .04, .05, .10, .18, .30, .39, .51, .76, .94, 1.0, 1, 0.99, 0.96, 0.90, .84, .75],
    "intermediate": [.001, .01, .06, .13, .22, .30, .40, .49, .86, 1.12, 1.14, 1.07, 1, 0.94, 0.83, 0.72, .63, .53],
    "young": [.01, .8, 2.6, 2.15, 1.75, 1.5, 1.3, 1.28, 1.78, 1.85, 1.55, 1.24, 1, 0.85, 0.65, 0.51, .41, .31],
    "ionising": [.5, 14, 13.5, 8.3, 5.3, 4.0, 3.1, 2.55, 2.00, 1.92, 1.52, 1.22, 1, 0.84, 0.62, 0.48, .38, .29],
}
# Absorption: name, rest wavelength (vacuum A), own width (km/s), equivalent width (A) in each population
ABSORPTION = [
    ("Mg II", 2800.0, 700, 12, 8, 6, 2, 0.5),
    ("Mg I", 2853.0, 500, 8, 4, 2, 0.5, 0),
    ("Fe I", 3581.0, 900, 4, 2, 1, 0, 0),
    ("CN", 3870.0, 1400, 6, 2, 0, 0, 0),
    ("H8", 3890.2, 350, 0.5, 1, 5, 5, 1.5),
    ("Ca K", 3934.78, 450, 9, 6, 3, 1, 0.3),
    ("Ca H+He", 3969.59, 450, 7, 6, 7, 6, 1.5),
    ("Hd", 4102.89, 450, 0.5, 1.5, 6.5, 6, 1.5),
    ("Ca I", 4227.9, 250, 1.4, 0.7, 0.3, 0, 0),
    ("G band", 4305.61, 900, 6, 4.5, 1.5, 0, 0),
    ("Hg", 4341.68, 450, 0.5, 1.5, 6.5, 6, 1.5),
    ("Fe", 4384.5, 500, 3.5, 1.5, 0.7, 0.2, 0),
    ("Fe", 4532.0, 900, 3, 1.8, 1, 0.3, 0),
    ("C2", 4669.0, 1200, 5, 2, 1, 0, 0),
    ("Hb", 4862.68, 400, 1.6, 2, 6, 5.5, 1.5),
    ("Fe", 5016.0, 1200, 4, 2.5, 1.5, 0.5, 0),
    ("MgH", 5140.0, 2500, 6, 2, 1, 0, 0),
    ("Mg b", 5176.7, 450, 4, 2.5, 1.3, 0.4, 0),
    ("Fe", 5271.0, 500, 2.8, 1.7, 1.1, 0.4, 0),
    ("Fe", 5332.0, 450, 2.4, 1.4, 0.8, 0.2, 0),
    ("Fe", 5405.0, 400, 1.6, 0.9, 0.5, 0, 0),
    ("Na D", 5895.6, 320, 4, 2, 1.5, 1, 0.5),
    ("TiO", 5960.0, 1500, 2, 0.6, 0, 0, 0),
    ("TiO", 6230.0, 2300, 6, 1.5, 0.5, 0, 0),
    ("Ha", 6564.61, 350, 1, 1.5, 4, 4, 1.5),
    ("TiO", 6700.0, 1800, 3, 1, 0, 0, 0),
    ("TiO", 7150.0, 2300, 10, 3, 1, 0, 0),
    ("TiO", 7700.0, 2600, 7, 2, 1, 0, 0),
    ("Na I", 8190.0, 350, 0.8, 0.4, 0.2, 0, 0),
    ("Ca II", 8500.36, 250, 1.5, 1.4, 1.4, 1, 0.3),
    ("Ca II", 8544.44, 280, 3.7, 3.3, 3.2, 2, 0.5),
    ("Ca II", 8664.52, 280, 3.0, 2.7, 2.6, 2, 0.5),
    ("TiO", 8860.0, 2000, 4, 1, 0.5, 0, 0),
]
# fmt: on
BLANKET = (0.10, 0.06, 0.04, 0.02, 0.005)  # depth of countless faint metal lines near 4,000 A in each population
# Emission: name, rest wavelengths (vacuum A), their relative strengths
# fmt: off
EMISSION = [
    ("[OII]", [3727.09, 3729.88], [0.45, 0.55]),
    ("[NeIII]", [3869.85, 3968.58], [0.77, 0.23]),
    ("Balmer", [6564.61, 4862.68, 4341.68, 4102.89, 3971.2, 3890.2], [2.86, 1, 0.47, 0.26, 0.16, 0.11]),
    ("[OIII]", [4960.30, 5008.24], [0.25, 0.75]),
    ("HeI", [4472.7, 5877.29, 6680.0, 7067.2], [0.22, 0.6, 0.17, 0.12]),
    ("[OI]", [6302.05, 6365.54], [0.75, 0.25]),
    ("[NII]", [6549.85, 6585.28], [0.25, 0.75]),
    ("[SII]", [6718.29, 6732.68], [0.57, 0.43]),
    ("[ArIII],[SIII]", [7137.8, 9071.1, 9533.2], [0.2, 0.3, 0.75]),
    ("HeII,[NeV]", [3426.84, 4687.0], [0.7, 0.3]),
]
# fmt: on
STAR_WIDTHS = (110.0, 210.0, 350.0)  # km/s: velocity dispersions of the basis, the spectrograph's 69 km/s included
GAS_WIDTHS = (90.0, 250.0)


class Galaxies(Sources):
    """A batch of simulated galaxy spectra: flux, ivar, z, sn (see `rest_frame.Sources`)."""


def simulate_galaxies(
    n: int,
    seed: Seed,
    device: Device = "cpu",
    z: ArrayLike | None = None,
    ln_sn: Sequence[float] | None = None,
    partial: float | None = None,
    chunk: int = 256,
):
    """Simulate galaxy spectra with BOSS noise.

    Half of them are bright nearby galaxies (z about 0.1, S/N about 12, four of five cut to the range of SDSS-I), half
    faint ones (z to 1.1, S/N about 3, one of four cut).

    Parameters
    ----------
    n : int
        Number of spectra.
    seed : int or torch.Generator
        The same seed, 0 to 2**31 - 1, gives the same bytes (on the CPU); training has the seeds above. A generator on
        `device` is used as it is.
    z : (n,) array, optional
        Redshifts, 0 to 1.5.
    ln_sn, partial : optional
        S/N and share of spectra with a partial coverage for all, as in `noise.add_noise`.
    chunk : int
        Spectra made at a time: small enough for the processor's cache.

    Returns
    -------
    Galaxies
        Redshifts are rounded to whole pixels (69 km/s), because a redshift here is a shift.

    >>> simulate_galaxies(2, seed=1, z=[0.1, 0.3]).flux.shape
    torch.Size([2, 4618])
    """
    rng = generator(seed, device)
    z = draw_redshifts(n, rng) if z is None else check_redshifts(z, n, Z_MAX, rng)
    return Galaxies(*in_chunks(lambda z: _simulate(z, rng, ln_sn, partial), z, chunk))


def draw_redshifts(n, rng):
    """Redshifts (n,): half of bright galaxies, lognormal about 0.10, half of faint ones, even between 0.03 and 1.1."""
    bright = 0.1 * torch.exp(0.55 * normal(rng, n))
    return torch.where(uniform(rng, n) < 0.5, bright.clamp(0.003, 0.5), 0.03 + 1.07 * uniform(rng, n) ** 1.3)


def _simulate(z, rng, ln_sn, partial):
    """One chunk of `simulate_galaxies`."""
    shift, z = whole_pixels(z)
    amplitudes, dust = draw_amplitudes(z, rng)
    view = in_view(shift)
    flux = move_to(shift, combine(amplitudes, pieces(z.device), view), view)
    ln_micron = np.log(10) * torch.tensor(LOGLAM - 3.74036, dtype=torch.float32, device=z.device)  # of 5,500 A
    flux *= torch.exp(-dust * torch.exp(-0.7 * (ln_micron - torch.log1p(z)[:, None])))
    bright = uniform(rng, len(z)) < torch.exp(-((z / 0.25) ** 2))
    if ln_sn is None:
        ln_sn = torch.where(bright, 2.5, 1.1), torch.where(bright, 0.6, 0.75)
    if partial is None:
        partial = torch.where(bright, 0.8, 0.25)
    flux, ivar, sn = add_noise(flux, rng, ln_sn, partial)
    return Galaxies(flux, ivar, z, sn)


@functools.cache
def basis(device):
    """Starlight (population x width), then gas (line x width), by rest-frame pixel; see `draw_amplitudes`."""
    rows = [starlight(k, width) for k in range(len(CONTINUA)) for width in STAR_WIDTHS]
    for _, centres, strengths in EMISSION:
        for width in GAS_WIDTHS:
            pairs = zip(centres, strengths, strict=True)
            rows.append(sum(line_profile(c, s, width) for c, s in pairs))
    return torch.tensor(np.array(rows), dtype=torch.float32, device=device)


@functools.cache
def pieces(device):
    """The basis, cut."""
    return cut(basis(device))


def starlight(population, width):
    """Spectrum (rest-frame pixel,) of one population, 1 at 5,500 A, its lines broadened by `width` (km/s)."""
    curve = list(CONTINUA.values())[population]
    x = np.log(REST_WAVELENGTH)
    flux = np.exp(np.interp(x, np.log(CONTINUUM_WAVELENGTH), np.log(curve)))
    flux = smooth(flux, 800)  # no corners where the straight pieces meet
    flux *= faint_lines(BLANKET[population], width)
    for _, centre, own, *equivalent_widths in ABSORPTION:
        flux *= np.exp(-line_profile(centre, equivalent_widths[population], np.hypot(own, width)))
    return flux


def smooth(curve, dispersion):
    """Broaden a curve on the rest-frame grid by a Gaussian of `dispersion` (km/s)."""
    sigma = dispersion / 69.03  # pixels
    kernel = np.exp(-0.5 * (np.arange(-int(4 * sigma), int(4 * sigma) + 1) / sigma) ** 2)
    half = len(kernel) // 2
    return np.convolve(np.pad(curve, half, mode="edge"), kernel / kernel.sum(), "valid")


def faint_lines(depth, width):
    """Transmission of countless faint metal lines: a fixed forest of random lines that thins out towards the red."""
    rng = np.random.default_rng(0)
    lines = rng.random(len(REST_WAVELENGTH)) * (rng.random(len(REST_WAVELENGTH)) < 0.2)
    forest = smooth(10 * lines - 1, width) * (REST_WAVELENGTH / 4000) ** -1.5
    return np.exp(-depth * forest.clip(-2, 4))


def draw_amplitudes(z, rng):
    """Amplitudes (n, row) of `basis` and optical depth (n, 1) of the dust at 5,500 A."""
    n, device = len(z), rng.device
    kind = uniform(rng, n)  # passive, star forming, or (0.12) a burst of star formation
    red = 0.35 + 0.25 * torch.exp(-(((z - 0.45) / 0.25) ** 2))  # surveys chose luminous red galaxies there
    passive, burst = kind < red, kind > 0.88
    typical = torch.where(passive, -6.0, torch.where(burst, 1.0, -0.9))
    ln_young = typical + 0.9 * normal(rng, n)
    metals = uniform(rng, n).sqrt()
    # fmt: off
    shares = torch.stack([
        metals,
        1 - metals,
        0.5 * torch.exp(0.5 * ln_young.clamp(max=1.0) + 0.8 * normal(rng, n)),
        torch.exp(ln_young),
        0.13 * torch.exp(1.2 * ln_young + 0.6 * normal(rng, n)),
    ], 1)
    # fmt: on
    shares = shares / shares.sum(1, keepdim=True)
    dust = -torch.where(passive, 0.12, 0.5)[:, None] * torch.log1p(-uniform(rng, n, 1))
    ln_width = np.log(160) + 0.35 * normal(rng, n) + torch.where(passive, 0.25, 0.0)
    in_width = interpolation_weights(ln_width, torch.tensor(STAR_WIDTHS, device=device).log())
    stars = shares[:, :, None] * in_width[:, None]
    gas = draw_emission(shares, passive, dust, rng)
    return torch.cat([stars.flatten(1), gas.flatten(1)], 1), dust


def draw_emission(shares, passive, dust, rng):
    """Fluxes (n, line, width) of the gas, in A times the starlight at 5,500 A.

    Hydrogen shines as the ionising stars allow: H alpha has an equivalent width of about 1,000 A against their own
    light. A weak, hard source (LINER) replaces it in half of the passive galaxies, an active nucleus (Seyfert 2) is
    added to one galaxy in 14.
    """
    n = len(shares)
    rich = torch.sigmoid(0.7 - 0.9 * torch.log(shares[:, 4] / 0.03) + 0.8 * normal(rng, n))  # metals: 0 poor, 1 rich
    stars = line_ratios(0.85 - 1.35 * rich, -1.65 + 1.3 * rich, 0.0 * rich, rng)
    liner = line_ratios(0.3 + 0 * rich, 0.05 + 0 * rich, 0.1 + 0 * rich, rng)
    seyfert = line_ratios(0.95 + 0 * rich, -0.05 + 0 * rich, 1.0 + 0 * rich, rng)
    hb_stars = 0.62 * 1000 / 2.86 * shares[:, 4] * torch.exp(0.5 * normal(rng, n))  # 0.62: their light falls to the red
    hb_liner = 0.5 * torch.exp(0.7 * normal(rng, n)) * (passive & (uniform(rng, n) < 0.5))
    hb_seyfert = 2.5 * torch.exp(1.0 * normal(rng, n)) * (uniform(rng, n) < 0.07)
    lines = hb_stars[:, None] * stars + hb_liner[:, None] * liner + hb_seyfert[:, None] * seyfert
    centres = torch.tensor([line[1][0] for line in EMISSION], device=shares.device)
    lines = lines * torch.exp(-0.6 * dust * (centres / 5500) ** -0.7)  # young stars sit in dusty clouds
    broad = uniform(rng, n, 1) * (hb_seyfert + hb_liner > hb_stars)[:, None]
    return torch.stack([lines * (1 - broad), lines * broad], 2)


def line_ratios(oiii, nii, hard, rng):
    """Strengths (n, line) of `EMISSION` relative to H beta, from log [O III]/H beta, [N II]/H alpha, hardness."""
    n = len(oiii)
    # fmt: off
    log_ratio = torch.stack([
        0.50 - 0.15 * nii.abs() + 0.3 * (hard > 0) * (hard < 0.5),  # [O II]: strongest in LINERs
        oiii - 1.0,
        torch.zeros_like(oiii),
        oiii + 0.12,  # both lines of the pair
        -0.6 + 0 * oiii,
        -1.5 + 0.46 + 0.4 * nii + 0.8 * (hard > 0),
        nii + 0.46 + 0.12,
        -0.45 + 0.46 + 0.25 * nii + 0.2 * (hard > 0),
        -0.4 + 0 * oiii,
        -2.0 + 1.6 * (hard > 0.5),
    ], 1)
    # fmt: on
    free = torch.ones(len(EMISSION), device=rng.device)
    free[2] = 0  # the Balmer lines are what the others are measured by
    return 10 ** (log_ratio + 0.13 * free * normal(rng, n, len(EMISSION)))
