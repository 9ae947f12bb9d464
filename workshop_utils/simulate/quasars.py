"""Simulated quasar spectra as SDSS would record them, in batches, on any torch device.

A quasar in the rest frame is a continuum times one plus a sum of fixed line profiles with random amplitudes: a small
basis and a matrix product. On a grid uniform in log wavelength, giving it a redshift is then a shift by whole
pixels. After that come what lies between the quasar and us (host light, dust, hydrogen, absorbing outflows) and what
the telescope adds (`noise.py`).

Sources of the numbers: Vanden Berk et al. 2001, AJ 122, 549 (lines, continuum slopes); Vestergaard & Wilkes 2001,
ApJS 134, 1 (where ultraviolet iron lies); Grandi 1982, ApJ 255, 25 (Balmer continuum); Kamble et al. 2020, ApJ 892, 70
(forest depth); Trump et al. 2006, ApJS 165, 1 (broad absorption); Richards et al. 2011, AJ 141, 167 (C IV blueshift);
Lyke et al. 2020, ApJS 250, 8 (DR16Q redshifts and S/N).
"""

import functools
from collections.abc import Sequence

import numpy as np
import torch

from ..shapes import ArrayLike, Device, Seed
from ..spectra import LIGHT_SPEED, LOGLAM, N_PIXELS
from .discs import disc_pieces, draw_peaks
from .noise import LN_SN_MEAN, LN_SN_SCATTER, add_noise, normal, uniform
from .rest_frame import (
    PIXEL,
    REST_WAVELENGTH,
    Z_MAX,
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

SLOPE = -1.75  # of the continuum, flux ~ wavelength^slope: -1.56 in the composite, before dust reddens it
FOREST_SPREAD = 1.6  # scatter of ln(optical depth) from cloud to cloud

# name, rest wavelength (vacuum A), equivalent width (A), velocity dispersion (km/s), mean and scatter of its
# velocity (km/s), scatter of ln(equivalent width). Equivalent widths are medians; those of the great lines are the
# composite's (Vanden Berk et al., Table 2; Lya's 92.9 A, a mean, is a median of 82 A). N V, blended with Lya, has 1.1 A
# there and 10 to 20 A in fits of the blend. Widths: the composite's, less its smearing by redshift errors.
# fmt: off
BROAD_LINES = [
    ("Lyb+OVI", 1033.0, 15.0, 2200, -200, 500, 0.45),
    ("Lya", 1215.67, 82.0, 3200, 0, 400, 0.40),
    ("NV", 1240.14, 18.0, 2000, -100, 400, 0.50),
    ("SiII", 1262.6, 1.5, 2000, 0, 400, 0.50),
    ("OI+SiII", 1305.4, 2.5, 1700, 0, 400, 0.50),
    ("CII", 1336.6, 0.9, 1500, 0, 400, 0.50),
    ("SiIV+OIV]", 1398.3, 10.0, 2400, -300, 500, 0.35),
    ("CIV", 1549.06, 23.8, 1900, -500, 600, 0.40),
    ("HeII", 1640.42, 6.0, 3500, -500, 600, 0.60),
    ("OIII]", 1664.7, 2.0, 2500, -200, 500, 0.50),
    ("NIII]", 1750.3, 1.0, 2500, 0, 400, 0.50),
    ("AlIII", 1857.4, 2.0, 2200, -200, 400, 0.50),
    ("SiIII]", 1892.03, 4.0, 2200, -100, 400, 0.50),
    ("CIII]", 1908.73, 20.0, 2500, -300, 500, 0.30),
    ("MgII", 2798.75, 32.3, 1800, 0, 250, 0.35),
    ("Hd", 4102.89, 5.1, 1900, 0, 250, 0.40),
    ("Hg", 4341.68, 12.6, 2000, 0, 250, 0.35),
    ("HeII opt", 4687.0, 2.0, 3000, 0, 400, 0.80),
    ("Hb", 4862.68, 46.0, 1800, 0, 250, 0.35),
    ("HeI", 5877.29, 4.9, 2200, 0, 300, 0.45),
    ("Ha", 6564.61, 190.0, 1600, 0, 200, 0.35),
]
# name, wavelengths (A), relative strengths, equivalent width (A), scatter of its logarithm
NARROW_LINES = [
    ("HeII", [1640.42], [1], 0.3, 1.0),
    ("[NeIV]", [2423.83], [1], 0.8, 0.8),
    ("[NeV]", [3346.8, 3426.84], [0.36, 1], 1.6, 0.8),
    ("[OII]", [3728.48], [1], 2.6, 0.9),
    ("[NeIII]", [3869.85, 3968.58], [1, 0.3], 2.2, 0.7),
    ("Hg+[OIII]", [4341.68, 4364.44], [1, 0.8], 1.0, 0.7),
    ("Hb", [4862.68], [1], 2.0, 0.7),
    ("[OIII]", [4960.30, 5008.24], [0.335, 1], 18.0, 0.9),
    ("[OI]", [6302.05], [1], 0.7, 0.8),
    ("Ha", [6564.61], [1], 8.0, 0.7),
    ("[NII]", [6549.85, 6585.28], [0.34, 1], 4.0, 0.7),
    ("[SII]", [6718.29, 6732.68], [1, 0.8], 2.2, 0.7),
]
# Iron: blends of thousands of lines that look like hills. Centre, sigma (A), height relative to the continuum.
IRON = [
    [(1786, 15, 0.03), (2075, 40, 0.06)],
    [(2250, 40, 0.09), (2330, 40, 0.14), (2400, 40, 0.18), (2490, 45, 0.21), (2570, 35, 0.18), (2620, 25, 0.10)],
    [(2735, 30, 0.07), (2855, 40, 0.09), (2950, 40, 0.10)],
    [(3190, 60, 0.05), (3280, 60, 0.05), (3500, 60, 0.02)],
    [(4180, 40, 0.03), (4490, 40, 0.08), (4570, 45, 0.14), (4640, 40, 0.09)],
    [(5180, 45, 0.09), (5265, 45, 0.11), (5325, 40, 0.09), (5530, 60, 0.03)],
]
# fmt: on
# The equivalent width of narrow lines falls with luminosity (Boroson & Green 1992, ApJS 80, 109; Shen & Ho 2014, Nature
# 513, 210), and the nearby quasars of a survey are faint ones: so many times more, at z = 0, is added.
SEYFERT = 1.8
WIDTHS = (0.4, 0.9, 2.0)  # the broad profiles' dispersions, times the line's own
VELOCITIES = (-3600.0, -1800.0, 0.0, 1800.0)  # km/s, their centres

# counts of quasars per 0.25 in redshift, from 0 (DR16Q)
REDSHIFT_COUNTS = [68, 259, 1004, 1494, 1894, 1910, 1679, 1457, 1423, 1377, 912, 601, 391, 194, 112, 70, 18, 14, 11, 10,
                   5, 3]  # fmt: skip


class Quasars(Sources):
    """A batch of simulated quasar spectra: flux, ivar, z, sn (see `rest_frame.Sources`)."""


def simulate_quasars(
    n: int, seed: Seed, device: Device = "cpu", z: ArrayLike | None = None, flat: float = 0.0,
    ln_sn: Sequence[float] = (LN_SN_MEAN, LN_SN_SCATTER), partial: float = 0.15, discs: float = 0.0, chunk: int = 256,
):  # fmt: skip
    """Simulate quasar spectra with BOSS noise.

    Parameters
    ----------
    n : int
        Number of spectra.
    seed : int or torch.Generator
        The same seed, 0 to 2**31 - 1, gives the same bytes (on the CPU); training has the seeds above. A generator on
        `device` is used as it is.
    z : (n,) array, optional
        Redshifts, 0 to 5.5; otherwise drawn from the distribution of DR16Q.
    flat : float
        This share of the redshifts is drawn uniformly in log(1 + z) instead, so that a network in training also
        sees rare ones.
    ln_sn, partial
        S/N and share of spectra with a partial coverage, as in `noise.add_noise`.
    discs : float
        Share of quasars whose broad lines have two peaks, see `discs.py`.
    chunk : int
        Spectra made at a time: small enough for the processor's cache.

    Returns
    -------
    Quasars
        Redshifts are rounded to whole pixels (69 km/s), because a redshift here is a shift.

    >>> quasars = simulate_quasars(2, seed=1, z=[1.0, 2.0])
    >>> quasars.flux.shape, quasars.z.round(decimals=2).tolist()
    (torch.Size([2, 4618]), [1.0, 2.0])
    """
    rng = generator(seed, device)
    z = draw_redshifts(n, rng, flat) if z is None else check_redshifts(z, n, Z_MAX, rng)
    return Quasars(*in_chunks(lambda z: _simulate(z, rng, ln_sn, partial, discs), z, chunk))


def draw_redshifts(n, rng, flat=0.0):
    """Redshifts (n,) as in DR16Q, a share `flat` of them uniform in log(1 + z) up to 5.5.

    >>> 1 < float(draw_redshifts(1000, torch.Generator().manual_seed(1)).median()) < 2
    True
    """
    counts = torch.tensor(REDSHIFT_COUNTS, dtype=torch.float32, device=rng.device)
    bins = torch.multinomial(counts, n, replacement=True, generator=rng)
    z = 0.25 * (bins + uniform(rng, n))
    uniform_z = torch.expm1(np.log1p(Z_MAX) * uniform(rng, n))
    return torch.where(uniform(rng, n) < flat, uniform_z, z)


def _simulate(z, rng, ln_sn, partial, discs):
    """One chunk of `simulate_quasars`."""
    shift, z = whole_pixels(z)
    view = in_view(shift)
    amplitudes = draw_amplitudes(z, rng)
    peaks = draw_peaks(amplitudes, BROAD_LINES, len(WIDTHS) * len(VELOCITIES), discs, rng) if discs else None
    rest = combine(amplitudes, pieces(z.device), view).add_(1)
    if discs:
        rest += combine(peaks, disc_pieces(z.device), view)
    rest *= continuum(log_rest_frame(z.device)[view], rng, len(z))
    flux = move_to(shift, rest, view)
    log_rest = np.log(10) * grid(z.device) - torch.log1p(z)[:, None]  # ln(rest wavelength / A)
    absorb_outflow(flux, log_rest, rng)
    absorb_forest(flux, log_rest, z, rng)
    redden(flux, log_rest, rng)
    flux, ivar, sn = add_noise(flux, rng, ln_sn, partial)
    return Quasars(flux, ivar, z, sn)


@functools.cache
def grid(device):
    """Observed log10 wavelength (4618,) on a device."""
    return torch.tensor(LOGLAM, dtype=torch.float32, device=device)


@functools.cache
def log_rest_frame(device):
    """The ln(wavelength / A) of every pixel of the rest frame, on a device."""
    return torch.tensor(np.log(REST_WAVELENGTH), dtype=torch.float32, device=device)


@functools.cache
def pieces(device):
    """The basis, cut."""
    return cut(basis(device))


@functools.cache
def basis(device):
    """Lines, iron, starlight (row, rest-frame pixel) relative to the continuum, in the order of `draw_amplitudes`."""
    rows = []
    for _, centre, width, dispersion, *_ in BROAD_LINES:
        for scale in WIDTHS:
            rows += [line_profile(centre, width, scale * dispersion, v) for v in VELOCITIES]
    for _, centres, strengths, width, _ in NARROW_LINES:
        total = sum(strengths)
        for dispersion in (200, 450):
            pairs = zip(centres, strengths, strict=True)
            rows.append(sum(line_profile(c, width * s / total, dispersion) for c, s in pairs))
    for hills in IRON:
        rows.append(sum(h * np.exp(-0.5 * ((REST_WAVELENGTH - c) / s) ** 2) for c, s, h in hills))
    rows.append(balmer_continuum())
    rows.extend(host_templates())
    return torch.tensor(np.array(rows), dtype=torch.float32, device=device)


def balmer_continuum():
    """Hydrogen's Balmer continuum (Grandi 1982, Eq. 7) at 15,000 K, its high lines smeared into a slope at the edge."""
    edge = 3675.0
    planck = REST_WAVELENGTH**-5 / np.expm1(1.4388e8 / (REST_WAVELENGTH * 15000))
    shape = planck * -np.expm1(-((REST_WAVELENGTH / edge) ** 3))
    shape *= 1 / (1 + np.exp((REST_WAVELENGTH - 3760) / 50))
    shape *= REST_WAVELENGTH > 1900
    return 0.12 * shape / np.interp(3000, REST_WAVELENGTH, shape) * (REST_WAVELENGTH / 3000) ** 1.56


def draw_amplitudes(z, rng):
    """Amplitudes (n, row) of `basis`: each quasar has its own line strengths, widths and velocities.

    >>> draw_amplitudes(torch.tensor([2.0]), torch.Generator().manual_seed(1)).shape[0]
    1
    """
    n, device = len(z), rng.device
    table = torch.tensor([line[2:] for line in BROAD_LINES], dtype=torch.float32, device=device)
    velocity, velocity_scatter, strength_scatter = table[:, 2], table[:, 3], table[:, 4]
    k = len(table)
    strength = torch.exp(0.3 * normal(rng, n, 1) + strength_scatter * normal(rng, n, k))
    ln_width = 0.35 * normal(rng, n, 1) + 0.2 * normal(rng, n, k)
    centre = velocity + velocity_scatter * (0.6 * normal(rng, n, 1) + 0.8 * normal(rng, n, k))
    knots, wing = torch.tensor(WIDTHS, device=device).log(), 0.6 * uniform(rng, n, 1, 1)  # real lines: core and wings
    core, wings = (interpolation_weights(ln_width + offset, knots) for offset in (-0.3, 0.7))
    in_width = (1 - wing) * core + wing * wings
    in_velocity = interpolation_weights(centre, torch.tensor(VELOCITIES, device=device))
    broad = strength[..., None, None] * in_width[..., :, None] * in_velocity[..., None, :]

    scatter = torch.tensor([line[-1] for line in NARROW_LINES], device=device)
    strength = torch.exp(0.7 * normal(rng, n, 1) + scatter * normal(rng, n, len(scatter)))
    strength *= 1 + SEYFERT * torch.exp(-((z[:, None] / 0.5) ** 2))
    share = uniform(rng, n, 1)
    narrow = torch.stack([strength * share, strength * (1 - share)], -1)

    hills = 0.6 * torch.exp(0.6 * normal(rng, n, 1) + 0.4 * normal(rng, n, len(IRON) + 1))

    # starlight's share falls with redshift: the distant quasars we see are bright
    share = torch.exp(-1.6 + 0.8 * normal(rng, n)) * torch.exp(-((z / 0.8) ** 2))
    age = uniform(rng, n)
    host = torch.stack([share * age, share * (1 - age)], 1)
    return torch.cat([broad.flatten(1), narrow.flatten(1), hills, host], 1)


def continuum(log_rest, rng, n):
    """Power laws (n, pixel) that bend at 1,000 and 5,000 A, each slope with its scatter; 1 at 2,500 A.

    `log_rest` (pixel,) is ln(rest wavelength / A).

    >>> continuum(torch.log(torch.tensor([1200.0, 2500.0])), torch.Generator().manual_seed(1), 3).shape
    torch.Size([3, 2])
    """
    x = log_rest - np.log(2500.0)
    slope = SLOPE + 0.35 * normal(rng, n, 1)
    bend_red = 1.1 + 0.4 * normal(rng, n, 1)
    bend_blue = 1.0 + 0.5 * normal(rng, n, 1)
    red, blue = np.log(5000 / 2500), np.log(1000 / 2500)
    slopes = torch.cat([slope, bend_red, bend_blue], 1)
    return torch.exp_(slopes @ torch.stack([x, (x - red).clamp_min(0), (x - blue).clamp_max(0)]))


def host_templates():
    """Old and young starlight (2, rest-frame pixel) relative to a mean quasar continuum, 1 at 5,000 A.

    Each is a smooth continuum with a break near 4,000 A and the strongest absorption lines (equivalent widths in A).
    """
    lam = REST_WAVELENGTH
    old = lam**-5 / np.expm1(1.4388e8 / (lam * 4700)) * (0.5 + 0.5 / (1 + np.exp(-(lam - 3990) / 25)))
    young = lam**-1.5 * (0.7 + 0.3 / (1 + np.exp(-(lam - 3800) / 60)))
    metals = [(3934.78, 14), (3969.59, 12), (4305.61, 7), (5176.7, 8), (5270, 3), (5895.6, 4)]
    metals += [(8544.44, 4), (8664.52, 3)]
    for centre, width in metals:
        old *= 1 - np.minimum(0.8, line_profile(centre, width, 350))
    for centre, width in [(4102.89, 5), (4341.68, 5), (4862.68, 4), (3934.78, 4), (5176.7, 3)]:
        young *= 1 - np.minimum(0.8, line_profile(centre, width, 400))
    rows = np.array([old, young]) * lam**-SLOPE
    return rows / rows[:, np.searchsorted(lam, 5000)][:, None]


def absorb_outflow(flux, log_rest, rng, share=0.13):
    """Broad absorption (in place): a wind of 3,000-25,000 km/s seen in C IV, Si IV, N V, O VI and, in some, Mg II.

    >>> flux = torch.ones(1, 4618)
    >>> absorb_outflow(flux, torch.linspace(7.0, 8.0, 4618)[None], torch.Generator().manual_seed(2), share=1)
    >>> bool(flux.min() < 0.9)
    True
    """
    rows = torch.nonzero(uniform(rng, len(flux)) < share)[:, 0]
    if len(rows) == 0:
        return
    n, troughs = len(rows), 3
    start = 2000 + 18000 * uniform(rng, n, troughs) ** 1.5
    width = 1000 + 5000 * uniform(rng, n, troughs)
    depth = 3 * uniform(rng, n, troughs) ** 1.5 * (uniform(rng, n, troughs) < 0.6)
    low_ions = (uniform(rng, n) < 0.15).float()
    ions = torch.tensor([1549.06, 1398.3, 1240.14, 1033.0, 1857.4, 2798.75], device=flux.device).log()
    high = torch.tensor([1.0, 0.5, 0.9, 0.8], device=flux.device)
    strength = torch.cat([high.expand(n, -1), low_ions[:, None].expand(-1, 2)], 1)
    # pixels (n, ion, 736) around each ion's line: outflow velocities of 41,000 to -10,000 km/s, beyond which tau is 0
    x, step = log_rest[rows, :1, None], PIXEL * np.log(10)
    first = ((ions[:, None] - x) / step - 41000 / LIGHT_SPEED / step).long()
    pixel = first + torch.arange(736, device=flux.device)
    v = LIGHT_SPEED * (ions[:, None] - x - step * pixel)
    tau = torch.zeros_like(v)
    for k in range(troughs):
        u = (v - start[:, k, None, None]) / width[:, k, None, None] - 0.5
        tau += (strength * depth[:, k, None])[..., None] / (1 + (2 * u).square_().square_().square_())
    tau *= (pixel >= 0) & (pixel < flux.shape[1])
    total = torch.zeros_like(flux[rows])
    total.scatter_add_(1, pixel.clamp_(0, flux.shape[1] - 1).flatten(1), tau.flatten(1))
    flux[rows] *= torch.exp(-total)


@functools.cache
def forest_depth(device):
    """Optical depth (2, pixel) of the forest by observed wavelength: Lyman alpha's typical, Lyman beta's transmission.

    A pixel's optical depth is `typical` e^(FOREST_SPREAD g) with g normal; `typical` is such that the transmission,
    averaged over g, is exp(-tau) with the tau of Kamble et al. (2020).
    """
    g, weight = np.polynomial.hermite_e.hermegauss(64)
    typical = np.geomspace(1e-5, 1e3, 400)
    transmission = np.exp(-typical[:, None] * np.exp(FOREST_SPREAD * g)) @ weight / weight.sum()
    tau = 5.54e-3 * (10**LOGLAM / 1215.67) ** 3.18  # the hydrogen seen there has 1 + z = wavelength / 1215.67 A
    alpha = np.exp(np.interp(np.log(tau), np.log(-np.log(transmission)), np.log(typical)))
    return torch.tensor(np.array([alpha, np.exp(-0.3 * tau)]), dtype=torch.float32, device=device)


def absorb_forest(flux, log_rest, z, rng):
    """Neutral hydrogen on the way (in place): Lyman-alpha and -beta forest, damped systems, Lyman limit.

    The mean depth of the forest grows as (1 + z)^3.18; around it every cloud has its own (`forest_depth`).

    >>> flux = torch.ones(1, 4618)
    >>> log_rest = torch.linspace(7.0, 8.0, 4618)[None]  # 1,097 to 2,981 A
    >>> absorb_forest(flux, log_rest, torch.tensor([2.5]), torch.Generator().manual_seed(1))
    >>> bool(flux[0, 0] < 1), bool(flux[0, -1] == 1)  # blueward of Lyman alpha, redward of it
    (True, True)
    """
    in_view = (1 + z) * 1216 > 10 ** LOGLAM[0]
    if not in_view.any():
        return
    rows = slice(int(in_view.nonzero()[0]), None)  # redshifts increase along a chunk
    x, flux, n = log_rest[rows], flux[rows], len(z) - rows.start
    strength, beta = forest_depth(z.device)
    clouds = torch.exp(-strength[::3] * torch.exp(FOREST_SPREAD * normal(rng, n, len(strength[::3]))))
    forest = clouds.repeat_interleave(3, 1)[:, :N_PIXELS]  # a cloud is three pixels wide, 200 km/s
    for line, transmission in ((1215.67, forest), (1025.72, beta[None])):
        end = int((x[-1] < np.log(line)).sum())  # pixels blueward of the line in the highest redshift
        flux[:, :end] *= torch.where(x[:, :end] < np.log(line), transmission[:, :end], 1.0)
    _absorb_systems(flux, x, rng)


def _absorb_systems(flux, x, rng):
    """A damped Lyman-alpha system in one sightline of seven, and the nearest Lyman limit system in each (in place)."""
    n = len(flux)
    limit = np.log(911.75) + 0.12 * torch.log1p(-uniform(rng, n, 1))  # mean free path at z = 3 (Worseck et al. 2014)
    tau = torch.exp(2.5 * uniform(rng, n, 1) - 0.5)
    blue = int((x[-1] < np.log(911.75)).sum())  # pixels beyond the limit in the highest redshift
    if blue:
        x_blue = x[:, :blue]
        flux[:, :blue] *= torch.where(x_blue < limit, torch.exp(-tau * torch.exp(3 * (x_blue - limit))), 1.0)
    damped = torch.nonzero(uniform(rng, n) < 0.14)[:, 0]
    if len(damped):
        centre = np.log(1215.67) - 0.17 * uniform(rng, len(damped), 1)
        column = 10 ** (20.2 + 0.9 * uniform(rng, len(damped), 1))
        offset = 1215.67 * torch.expm1(x[damped] - centre)  # A, in the absorber's frame
        flux[damped] *= torch.exp(-column / 10**20.3 * (2.9 / offset.abs().clamp_min(0.5)) ** 2)


def redden(flux, log_rest, rng):
    """Dust in the quasar (SMC-like, Richards et al. 2003: A = 1.39 E(B-V) lambda^-1.2, lambda in micron), in place.

    >>> flux = torch.ones(200, 2)
    >>> redden(flux, torch.log(torch.tensor([[1500.0, 5000.0]])).expand(200, 2), torch.Generator().manual_seed(1))
    >>> bool((flux[:, 0] <= flux[:, 1]).all())  # blue light suffers more
    True
    """
    excess = -0.03 * torch.log1p(-uniform(rng, len(flux), 1)) * (1 + 4 * (uniform(rng, len(flux), 1) < 0.1))
    micron = (log_rest - np.log(1e4)).mul_(-1.2).exp_()
    flux *= micron.mul_(-0.921 * 1.39 * excess).exp_()  # 0.921 = ln(10) / 2.5 turns magnitudes into a factor
