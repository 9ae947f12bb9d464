"""What the subtraction of the night sky leaves in a spectrum, and the spectra of fibres that saw nothing else.

A survey points some of its fibres at empty sky, measures the sky with them, and takes it from all spectra. It never
succeeds to the last photon: the sky's lines leave residuals of either sign, the two arms of the spectrograph disagree
where they meet, the ends bend, and some light of the sky (or of a neighbouring fibre) stays as a faint continuum.

Sources: how the sky is subtracted and what it leaves: Wild & Hewett 2005, MNRAS 358, 1083 (SDSS-I; residuals of the OH
lines redward of 6,700 A); Bolton et al. 2012, AJ 144, 144 (BOSS); the arms meet at 5,900-6,200 A (Smee et al. 2013, AJ
146, 32). Sizes, in units of the stated noise, are such that percentiles of many real empty fibres and simulated ones
agree (`populations.sky_residuals`); none was set by a single fibre.
"""

import functools

import numpy as np
import torch

from ..shapes import Device, Seed
from ..spectra import LOGLAM, N_PIXELS, WAVELENGTH
from .noise import SKY_LINES, add_noise, normal, uniform
from .rest_frame import Sources, generator, in_chunks

LINE_WIDTH = 1.6e-4  # dex: a sky line is as wide as the spectrograph makes it
ARMS = 6050.0  # A, where the blue arm ends and the red one begins
COARSE = 48  # pixels between the knots of slow wiggles: 3,300 km/s
# The noise of SDSS-I over that of BOSS, whose arms see more light: wavelength (A), factor
OLDER = [(3700, 1.6), (4200, 1.3), (4700, 1.12), (5300, 1.0), (5900, 1.3), (6400, 1.0), (7200, 1.05), (7800, 1.6),
         (8300, 1.8), (8700, 2.3), (9200, 2.2), (9400, 2.0)]  # fmt: skip
# Smooth residuals come as hills, too: centre and width (A)
HILLS = [(7700, 150), (8400, 130), (8900, 170), (4000, 120), (5900, 200)]


def simulate_empty(n: int, seed: Seed, device: Device = "cpu", partial: float = 0.6, chunk: int = 256):
    """Simulate the spectra of empty fibres: the sky's noise, and what the sky's subtraction left.

    Parameters
    ----------
    n : int
        Number of spectra.
    seed : int or torch.Generator
        As in `simulate_quasars`.
    partial : float
        Share of spectra with the coverage of SDSS-I, as in `noise.add_noise`.
    chunk : int
        Spectra made at a time.

    Returns
    -------
    Sources
        The redshifts are NaN.

    >>> empty = simulate_empty(4, seed=1)
    >>> empty.flux.shape, bool(empty.sn.abs().max() < 1)
    (torch.Size([4, 4618]), True)
    """
    rng = generator(seed, device)

    def simulate(z):
        # a faint grey continuum stands in for the source, then it is taken away: what is left is noise
        flux, ivar, _ = add_noise(torch.ones(len(z), N_PIXELS, device=rng.device), rng, (-3.0, 0.7), partial)
        leave_residuals(flux, ivar, rng)
        return Sources(flux, ivar, z, (flux * ivar.sqrt())[:, ::8].median(1).values)

    return Sources(*in_chunks(simulate, torch.full((n,), np.nan, device=rng.device), chunk))


def leave_residuals(flux, ivar, rng, size=1.0):
    """Add what the subtraction of the sky leaves (in place), in units of the stated noise; and misstate the noise.

    Parameters
    ----------
    flux, ivar : (n, 4618) tensors
        As `noise.add_noise` returns them; where ivar is 0 nothing was recorded.
    rng : torch.Generator
    size : float
        How bad the subtraction is; 1 is usual.

    >>> flux, ivar = torch.zeros(1, 4618), torch.ones(1, 4618)
    >>> leave_residuals(flux, ivar, torch.Generator().manual_seed(1))
    >>> round(float(flux.std()), 1), bool((ivar < 1).all())  # residuals, and a stated noise that is larger
    (1.0, True)
    """
    n, seen = len(flux), ivar > 0
    smooth, lines, older = curves(flux.device)
    strength = 0.5 * size * torch.exp(0.7 * normal(rng, n, 1))
    amplitudes = strength * SIZES.to(flux.device) * normal(rng, n, len(SIZES))
    common = normal(rng, n, 2)  # too much or too little sky in all lines; their wavelengths off
    each = common.repeat_interleave(len(SKY_LINES), 1) + 0.7 * normal(rng, n, 2 * len(SKY_LINES))
    residual = torch.cat([amplitudes, 0.6 * strength * each], 1) @ torch.cat([smooth, lines])
    knots = normal(rng, n, 1, N_PIXELS // COARSE + 2) * 0.09 * strength[:, None]
    residual += torch.nn.functional.interpolate(knots, N_PIXELS, mode="linear", align_corners=True)[:, 0]
    louder = 1 + (1.3 * uniform(rng, n, 1) - 0.2).clamp_min(0) * older
    residual += (louder**2 - 1).sqrt() * normal(rng, n, N_PIXELS)
    flux += torch.where(seen, residual * ivar.clamp_min(1e-12).rsqrt(), 0)
    ivar *= torch.exp(-0.5 * uniform(rng, n, 1)) / louder**2  # errors overestimated by up to a third


# Of the shapes of `curves`: seven waves, a step and a slope in the red arm, two bent ends, hills, and the bands of OH
SIZES = torch.tensor([0.30, 0.40, 0.25, 0.15, 0.1, 0.08, 0.08, 0.35, 0.4, 0.5, 0.5, 0.3, 0.4, 0.9, 0.3, 0.2, 0.7])


@functools.cache
def curves(device):
    """Shapes by pixel: smooth residuals, in the order of `SIZES`; lines and their derivatives; `OLDER` less 1."""
    x = np.linspace(0, np.pi, N_PIXELS)
    smooth = [np.cos(k * x) for k in range(7)]
    red = 1 / (1 + np.exp(-(WAVELENGTH - ARMS) / 40))  # a step where the arms meet, and a slope in the red one
    smooth += [red - 0.5, red * (WAVELENGTH - ARMS) / 3000]
    smooth += [np.exp(-(WAVELENGTH - 3800) / 150).clip(0, 2), np.exp((WAVELENGTH - 9200) / 300).clip(0, 2)]
    smooth += [np.exp(-0.5 * ((WAVELENGTH - centre) / width) ** 2) for centre, width in HILLS]
    bands = np.sum([(h - 1) * np.exp(-0.5 * ((WAVELENGTH - c) / 45) ** 2) for c, h in SKY_LINES if c > 6800], 0)
    smooth.append(bands / bands.max())
    lines = []
    for derivative in (False, True):
        for centre, height in SKY_LINES:
            u = (LOGLAM - np.log10(centre)) / LINE_WIDTH
            lines.append(min(height - 1, 3) * np.exp(-0.5 * u**2) * (u if derivative else 1))
    as_tensor = functools.partial(torch.tensor, dtype=torch.float32, device=device)
    older = np.interp(WAVELENGTH, *np.array(OLDER).T) - 1
    return as_tensor(np.array(smooth)), as_tensor(np.array(lines)), as_tensor(older)
