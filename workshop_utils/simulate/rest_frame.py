"""What all simulated sources share: fixed profiles in the rest frame, given a redshift by a shift."""

from typing import NamedTuple

import numpy as np
import torch

from ..shapes import PerObject, Spectra
from ..spectra import LIGHT_SPEED, LOGLAM, N_PIXELS

Z_MAX = 5.5
PIXEL = 1e-4  # dex
MAX_SHIFT = int(np.ceil(np.log10(1 + Z_MAX) / PIXEL))  # pixels by which the highest redshift moves a line
REST_LOGLAM = LOGLAM[0] + PIXEL * np.arange(-MAX_SHIFT, N_PIXELS)
REST_WAVELENGTH = 10**REST_LOGLAM
PIECE = 256  # pixels of the rest frame that are made at a time, from the rows of a basis that are not zero there


class Sources(NamedTuple):
    """A batch of simulated spectra.

    Attributes
    ----------
    flux : (n, 4618) float32, 1e-17 erg/s/cm2/A, on the grid `spectra.LOGLAM`
    ivar : (n, 4618) float32, inverse variance of `flux`; 0 where the spectrograph recorded nothing
    z : (n,) float32, redshift
    sn : (n,) float32, median signal-to-noise ratio per pixel
    """

    flux: Spectra
    ivar: Spectra
    z: PerObject
    sn: PerObject


def generator(seed, device):
    """The generator of a simulation: made from a seed, 0 to 2**31 - 1 (training has those above), or as given."""
    if isinstance(seed, torch.Generator):
        return seed
    if not 0 <= seed < 2**31:
        raise ValueError(f"seed is {seed}; it must lie between 0 and 2**31 - 1, or be a torch.Generator.")
    return torch.Generator(device).manual_seed(seed)


def check_redshifts(z, n, z_max, rng):
    """Redshifts given by a caller as a float32 tensor (n,), all between 0 and `z_max`."""
    z = torch.as_tensor(z, dtype=torch.float32, device=rng.device)
    if z.shape != (n,) or not bool(((z >= 0) & (z <= z_max)).all()):
        raise ValueError(f"z must hold {n} redshifts between 0 and {z_max}; the simulation knows no others.")
    return z


def in_chunks(simulate, z, chunk):
    """Call `simulate` (redshifts -> Sources) for a chunk of neighbours in redshift at a time.

    Neighbours see the same part of the basis, and a small chunk stays in the processor's cache (a GPU wants more).
    """
    order = z.argsort(stable=True)
    chunk = chunk if z.device.type == "cpu" else max(chunk, 4096)
    columns = None
    for rows in order.split(chunk):
        part = simulate(z[rows])
        columns = columns or [column.new_empty(len(z), *column.shape[1:]) for column in part]
        for column, values in zip(columns, part, strict=True):
            column.index_copy_(0, rows, values)
    return columns


def whole_pixels(z):
    """Redshifts as shifts (n,) by whole pixels, and the redshifts rounded to them (69 km/s)."""
    shift = torch.round(torch.log10(1 + z) / PIXEL).long()
    return shift, 10 ** (shift * PIXEL) - 1


def in_view(shift):
    """Rest pixels, a slice of whole pieces, that are seen at one of the shifts (n,)."""
    bluest, reddest = MAX_SHIFT - int(shift.max()), MAX_SHIFT - int(shift.min()) + N_PIXELS
    return slice(bluest // PIECE * PIECE, min(-(-reddest // PIECE) * PIECE, len(REST_LOGLAM)))


def cut(basis):
    """A rest-frame basis (row, rest pixel) in pieces: for each the rows that are not zero there, and their values."""
    found = []
    for piece in basis.split(PIECE, 1):
        rows = (piece.abs().amax(1) > 1e-8).nonzero()[:, 0]
        found.append((rows, piece[rows].contiguous()))
    return found


def combine(amplitudes, pieces, view):
    """Sums (n, pixel in view) of the rows of a basis that was `cut`, with amplitudes (n, row)."""
    out = amplitudes.new_empty(len(amplitudes), view.stop - view.start)
    for (rows, values), part in zip(pieces[view.start // PIECE :], out.split(PIECE, 1), strict=False):
        torch.mm(amplitudes[:, rows], values, out=part)
    return out


def move_to(shift, rest, view):
    """What is at rest (n, pixel in view) as seen at shifts (n,): (n, 4618)."""
    window = (MAX_SHIFT - shift - view.start)[:, None] + torch.arange(N_PIXELS, device=shift.device)
    return torch.gather(rest, 1, window)


def line_profile(centre, width, dispersion, velocity=0.0):
    """Gaussian line of equivalent width `width` (A), in units of the continuum; velocities in km/s."""
    v = LIGHT_SPEED * np.log(REST_WAVELENGTH / centre) - velocity
    height = width / (np.sqrt(2 * np.pi) * centre * dispersion / LIGHT_SPEED)
    return height * np.exp(-0.5 * (v / dispersion) ** 2)


def interpolation_weights(value, knots):
    """Weights (..., knot) of linear interpolation in increasing `knots`: a line between two widths is a bit of both."""
    value = value.clamp(knots[0], knots[-1])
    upper = torch.searchsorted(knots, value.contiguous()).clamp(1, len(knots) - 1)
    share = (value - knots[upper - 1]) / (knots[upper] - knots[upper - 1])
    lower_weight = torch.nn.functional.one_hot(upper - 1, len(knots)) * (1 - share)[..., None]
    return lower_weight + torch.nn.functional.one_hot(upper, len(knots)) * share[..., None]
