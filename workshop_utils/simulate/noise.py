"""What the telescope does to a spectrum: calibration, coverage, and the noise of the sky and of the photons.

The noise curve and the sky lines were measured on a BOSS plate; the S/N distribution is that of DR16 quasars.
"""

import functools

import numpy as np
import torch

from ..spectra import LOGLAM, N_PIXELS, WAVELENGTH

# sigma of the flux (1e-17 erg/s/cm2/A) every 400 A from 3,600 to 10,000 A, with one point more at each end
SIGMA_WAVELENGTH = [3566, 3650, 3800, *range(4000, 10000, 400), 10000, 10200, 10325]
# fmt: off
SIGMA = [2.2, 1.7, 0.95, 0.55, 0.41, 0.34, 0.30, 0.34, 0.32, 0.22, 0.20, 0.20, 0.25, 0.20, 0.21, 0.20, 0.28, 0.39, 0.8,
         1.2, 1.6]
# emission lines of the night sky: wavelength (A), noise relative to the local level
SKY_LINES = [
    (4047.7, 1.5), (4359.6, 1.8), (5462.3, 1.6), (5578.9, 11), (5891.6, 2.0), (6301.7, 3.0),
    (6365.5, 1.6), (6864.6, 1.4), (7247.3, 1.5), (7278.3, 2.0), (7318.3, 1.9), (7342.9, 2.1),
    (7717.9, 1.8), (7752.7, 2.2), (7796.2, 2.3), (7823.3, 2.0), (7855.4, 1.6), (7915.8, 2.2),
    (7966.7, 2.3), (7995.6, 2.1), (8027.7, 1.9), (8064.3, 1.7), (8346.9, 4.0), (8401.5, 3.0),
    (8433.0, 3.5), (8467.7, 2.6), (8507.3, 2.0), (8780.3, 2.2), (8829.0, 4.4), (8852.0, 2.6),
    (8888.0, 4.2), (8905.6, 2.6), (8922.1, 3.2), (8945.9, 2.5), (8960.5, 3.0), (8990.9, 2.6),
    (9004.0, 2.5), (9040.6, 2.5), (9317.0, 4.0), (9340.0, 3.0), (9378.5, 5.0), (9399.0, 4.0),
    (9422.3, 4.5), (9442.1, 5.5), (9461.0, 5.0), (9479.0, 6.0), (9505.0, 3.5), (9523.0, 3.5),
    (9555.0, 3.0), (9571.0, 3.0), (9623.0, 2.5), (9702.0, 2.5), (9722.0, 2.8), (9794.0, 3.5),
    (9875.0, 3.2), (9918.0, 3.0), (10016.0, 2.5), (10085.0, 3.0), (10126.0, 3.0), (10175.0, 2.5),
    (10290.0, 3.0),
]
# fmt: on
LN_SN_MEAN, LN_SN_SCATTER = 1.20, 0.79  # ln(median S/N per pixel) of DR16 quasars is about normal


def uniform(rng, *shape):
    """Uniform random numbers in [0, 1) on the generator's device."""
    return torch.rand(*shape, generator=rng, device=rng.device)


def normal(rng, *shape):
    """Standard normal random numbers on the generator's device."""
    return torch.randn(*shape, generator=rng, device=rng.device)


@functools.cache
def noise_curves(device):
    """What the logarithm of the noise is made of, (4, pixel): smooth level, sky lines, a constant, a tilt."""
    level = np.interp(np.log(WAVELENGTH), np.log(SIGMA_WAVELENGTH), np.log(SIGMA))
    spikes = np.ones(N_PIXELS)
    for centre, height in SKY_LINES:
        profile = np.exp(-0.5 * ((LOGLAM - np.log10(centre)) / 1.6e-4) ** 2)
        spikes = np.maximum(spikes, 1 + (height - 1) * profile)
    curves = [level, np.log(spikes), np.ones(N_PIXELS), np.linspace(-1, 1, N_PIXELS)]
    return torch.tensor(np.array(curves), dtype=torch.float32, device=device)


def add_noise(flux, rng, ln_sn=(LN_SN_MEAN, LN_SN_SCATTER), partial=0.15):
    """Record spectra with a spectrograph like that of BOSS.

    Parameters
    ----------
    flux : (n, 4618) tensor
        Noise-free spectra in any unit; overwritten.
    rng : torch.Generator
    ln_sn : (mean, scatter) of ln(median S/N per pixel).
    partial : share of spectra that do not cover the whole grid (SDSS-I stops at 3,800 and 9,200 A).

    Returns
    -------
    flux, ivar : (n, 4618) float32 in 1e-17 erg/s/cm2/A; outside the coverage the flux is the edge value, ivar is 0
    sn : (n,) float32, median S/N per pixel

    Notes
    -----
    The noise level of a BOSS exposure is given, so the flux is scaled until the median S/N is the one drawn. Noise is
    the sky's (curve and spikes) plus the object's own photons (a term in proportion to the flux).

    >>> flux, ivar, sn = add_noise(torch.ones(1, 4618), torch.Generator().manual_seed(1), ln_sn=(2.0, 0.0), partial=0.0)
    >>> flux.shape, 5 < float(sn[0]) < 10
    (torch.Size([1, 4618]), True)
    """
    n, device = len(flux), flux.device
    flux *= calibration_error(n, rng)
    tilt, level, sky = 0.25 * normal(rng, n, 1), 0.3 * normal(rng, n, 1), 0.5 + 0.7 * uniform(rng, n, 1)
    sigma = torch.exp_(torch.cat([torch.ones_like(level), sky, level, tilt], 1) @ noise_curves(device))
    sn = torch.exp(ln_sn[0] + ln_sn[1] * normal(rng, n))
    thin = slice(8, None, 32)  # medians of smooth curves over every 32nd pixel, for speed
    scale = flux[:, thin].median(1).values.clamp_min(1e-3 * flux.amax(1)) / sigma[:, thin].median(1).values
    flux *= (sn / scale)[:, None]
    variance = sigma.square_().add_(flux.clamp_min(0), alpha=0.006)
    sn = (flux[:, thin] / variance[:, thin].sqrt()).median(1).values
    ivar = variance.reciprocal()
    flux.addcmul_(variance.sqrt_(), correlated(n, rng))
    limit_coverage(flux, ivar, rng, partial)
    return flux, ivar, sn


def correlated(n, rng, most=0.45):
    """Standard normal noise (n, 4618) whose neighbours are correlated, by 0 to 0.37 from spectrum to spectrum.

    The survey adds exposures on a common grid, which mixes neighbouring pixels: in faint spectra of BOSS the noise has
    an autocorrelation of about 0.2 at one pixel and none beyond (`populations.noise_autocorrelation`).
    """
    white, share = normal(rng, n, N_PIXELS + 1), most * uniform(rng, n, 1)
    return torch.addcmul(white[:, :-1], share, white[:, 1:]).div_((1 + share.square()).sqrt())


def calibration_error(n, rng, size=0.08):
    """Smooth factors (n, 4618) near 1: fibres off centre and flux calibration bend real spectra by 5-10 per cent."""
    phase = torch.linspace(0, np.pi, N_PIXELS, device=rng.device) * torch.arange(1, 5, device=rng.device)[:, None]
    amplitude = size * normal(rng, n, 4) / torch.arange(1, 5, device=rng.device).sqrt()
    return torch.exp(amplitude @ torch.cos(phase))


def limit_coverage(flux, ivar, rng, partial):
    """Cut spectra at both ends (in place): edge value as flux, ivar 0.

    Most begin within 100 pixels of the grid's start, as BOSS files do; a share `partial` covers 3,600-9,200 A or
    3,800-9,200 A only. The edge value is the median of 50 pixels, as in `spectra.read_sdss`.
    """
    n, device = len(flux), flux.device
    cut = uniform(rng, n) < partial
    first = torch.where(cut, 40 + 270 * uniform(rng, n), 60 * uniform(rng, n) - 30).long()
    last = torch.where(cut, 4075 + 60 * uniform(rng, n), N_PIXELS - 5 + 10 * uniform(rng, n)).long()
    pixel = torch.arange(N_PIXELS, device=device)
    near = torch.arange(50, device=device)
    blue = flux.gather(1, first.clamp(0)[:, None] + near).median(1, keepdim=True).values
    red = flux.gather(1, last.clamp(max=N_PIXELS)[:, None] - 1 - near).median(1, keepdim=True).values
    ends = ((slice(0, 310), blue, pixel < first[:, None]), (slice(4075, None), red, pixel >= last[:, None]))
    for end, value, outside in ends:  # no cut reaches the pixels between
        flux[:, end] = torch.where(outside[:, end], value, flux[:, end])
        ivar[:, end].masked_fill_(outside[:, end], 0)


def narrow_coverage(flux, ivar, rng, share, least=1500):
    """Cut a share of the spectra (in place) to a random window of `least` pixels or more, as `limit_coverage` cuts.

    >>> flux, ivar = torch.ones(2, 4618), torch.ones(2, 4618)
    >>> narrow_coverage(flux, ivar, torch.Generator().manual_seed(1), share=1.0)
    >>> bool(((ivar > 0).sum(1) >= 1500).all() and (ivar == 0).any(1).all())
    True
    """
    rows = (uniform(rng, len(flux)) < share).nonzero()[:, 0]
    if not len(rows):
        return
    n, device = len(rows), flux.device
    length = least + ((N_PIXELS - least) * uniform(rng, n)).long()
    first = ((N_PIXELS - length) * uniform(rng, n)).long()
    pixel, near = torch.arange(N_PIXELS, device=device), torch.arange(50, device=device)
    kept, last = flux[rows], first + length
    blue = kept.gather(1, first[:, None] + near).median(1, keepdim=True).values
    red = kept.gather(1, last[:, None] - 1 - near).median(1, keepdim=True).values
    before, after = pixel < first[:, None], pixel >= last[:, None]
    flux[rows] = torch.where(before, blue, torch.where(after, red, kept))
    ivar[rows] = torch.where(before | after, 0, ivar[rows])
