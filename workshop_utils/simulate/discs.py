"""Double-peaked broad lines: gas in a rotating disc comes towards us on one side and recedes on the other.

Three per cent of the nearby active galaxies of SDSS show them in H alpha (Strateva et al. 2003, AJ 126, 1720), more
often the broader the line; the peaks stand some thousand km/s apart, the blue one mostly the higher, as relativity
beams it (Chen & Halpern 1989, ApJ 344, 115; Eracleous & Halpern 1994, ApJS 90, 1).
"""

import functools

import numpy as np
import torch

from .noise import normal, uniform
from .rest_frame import cut, interpolation_weights, line_profile

DISC_LINES = {"MgII": 2798.75, "Hd": 4102.89, "Hg": 4341.68, "Hb": 4862.68, "Ha": 6564.61}  # vacuum A
PEAKS = (-6000.0, -4000.0, -2500.0, -1000.0, 1000.0, 2500.0, 4000.0, 6000.0)  # km/s
PEAK_WIDTHS = (900.0, 1900.0)  # km/s


@functools.cache
def disc_pieces(device):
    """Peaks (line x velocity x width, rest pixel), each of 1 A, cut as the basis of quasars is."""
    rows = [line_profile(c, 1.0, w, v) for c in DISC_LINES.values() for v in PEAKS for w in PEAK_WIDTHS]
    return cut(torch.tensor(np.array(rows), dtype=torch.float32, device=device))


def draw_peaks(amplitudes, lines, profiles, share, rng):
    """Let the broad lines of some quasars shine from a disc instead.

    Parameters
    ----------
    amplitudes : (n, row) tensor
        Of the basis of quasars, whose first rows are the broad lines; what the disc takes over is taken away, in place.
    lines : list
        The broad lines, as `quasars.BROAD_LINES`: name, wavelength, equivalent width (A), ...
    profiles : int
        Rows of the basis for each of them.
    share : float
        Of the quasars that have a disc in sight.

    Returns
    -------
    (n, row) tensor
        Amplitudes of the rows of `disc_pieces`.
    """
    n, device, names = len(amplitudes), rng.device, [line[0] for line in lines]
    rows = [names.index(name) for name in DISC_LINES]
    broad = amplitudes[:, : profiles * len(lines)].unflatten(1, (len(lines), profiles))
    width = torch.tensor([lines[row][2] for row in rows], device=device)
    taken = (uniform(rng, n, 1) < share) * (0.6 + 0.4 * uniform(rng, n, 1))
    strength = taken * width * broad[:, rows].sum(2)
    broad[:, rows] *= (1 - taken)[..., None]
    half, middle = 1500 + 3000 * uniform(rng, n), 600 * normal(rng, n)  # km/s; half the distance between the peaks
    blue = (0.55 + 0.1 * normal(rng, n, 1)).clamp(0.3, 0.8)  # share of the blue peak
    left, right = (interpolation_weights(v, torch.tensor(PEAKS, device=device)) for v in (middle - half, middle + half))
    narrow = uniform(rng, n, 1)
    profile = (blue * left + (1 - blue) * right)[:, :, None] * torch.stack([narrow, 1 - narrow], 2)
    return (strength[:, :, None, None] * profile[:, None]).flatten(1)
