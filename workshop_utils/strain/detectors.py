"""The three detectors: where they stand, how they feel a wave, their noise as designed."""

import functools

import numpy as np
import torch
from torch import Tensor

from ..shapes import ArrayLike
from ..sources import shipped

SAMPLE_RATE = 2048  # Hz
N_SAMPLES = 4096  # 2 s
DETECTORS = ("H1", "L1", "V1")
NOISE_START = 10.0  # Hz: neither the design tables nor the competition's noise go lower
LOW, HIGH = 20.0, 500.0  # Hz: the band of the paper
LIGHT_SPEED = 299792458.0  # m/s, exact by definition of the metre

# Where the beams meet (m) and the directions of the two arms: x to Greenwich, z to the north pole.
# Numbers of LAL (lal/LALDetectors.h), from LIGO-T980044 (H1, L1) and gr-qc/0008066 (V1).
VERTICES = np.array(
    [
        [-2161414.92636, -3834695.17889, 4600350.22664],
        [-74276.0447238, -5496283.71971, 3224257.01744],
        [4546374.09900, 842989.697626, 4378576.96241],
    ]
)
ARMS = np.array(
    [
        [[-0.22389266154, 0.79983062746, 0.55690487831], [-0.91397818574, 0.02609403989, -0.40492342125]],
        [[-0.95457412153, -0.14158077340, -0.26218911324], [0.29774156894, -0.48791033647, -0.82054461286]],
        [[-0.70045821479, 0.20848948619, 0.68256166277], [-0.05379255368, -0.96908180549, 0.24080451708]],
    ]
)

# A wave stretches one arm and shortens the other: h = response : wave, response = (x x - y y) / 2.
RESPONSES = (ARMS[:, 0, :, None] * ARMS[:, 0, None] - ARMS[:, 1, :, None] * ARMS[:, 1, None]) / 2


class StrainError(ValueError):
    """Strain or its file cannot be used; the message names the file, what is wrong and what to do."""


def antenna_patterns(longitude: Tensor, latitude: Tensor, polarisation: Tensor):
    """How strongly each detector feels the two polarisations of a wave from a point of the sky.

    Parameters
    ----------
    longitude, latitude, polarisation : tensors, shape (n,)
        Angles in rad, Earth-fixed: longitude = right ascension - Greenwich sidereal time, latitude = declination.
        The polarisation angle is LAL's: from north towards east.

    Returns
    -------
    f_plus, f_cross : tensors, shape (n, 3)
        The strain is f_plus h_plus + f_cross h_cross; f_plus^2 + f_cross^2 <= 1.
    """
    east = torch.stack([-longitude.sin(), longitude.cos(), torch.zeros_like(longitude)], -1)
    cosine = latitude.cos()
    north = torch.stack([-longitude.cos() * latitude.sin(), -longitude.sin() * latitude.sin(), cosine], -1)
    sin, cos = polarisation.sin()[:, None], polarisation.cos()[:, None]
    x, y = north * sin - east * cos, north * cos + east * sin  # the axes of the wave
    responses = torch.as_tensor(RESPONSES, dtype=x.dtype, device=x.device)

    def felt(a, b):
        return torch.einsum("ni,dij,nj->nd", a, responses, b)

    return felt(x, x) - felt(y, y), 2 * felt(x, y)


def light_delays(longitude: Tensor, latitude: Tensor):
    """Arrival time of a wave at each detector after its arrival at the Earth's centre.

    Parameters
    ----------
    longitude, latitude : tensors, shape (n,)
        Of the source, in rad, Earth-fixed, see ``antenna_patterns``.

    Returns
    -------
    tensor, shape (n, 3), in s
        At most 0.0213 s either way: the Earth's radius over the speed of light.
    """
    cosine = latitude.cos()
    source = torch.stack([longitude.cos() * cosine, longitude.sin() * cosine, latitude.sin()], -1)
    seconds = torch.as_tensor(VERTICES / LIGHT_SPEED, dtype=source.dtype, device=source.device)
    return -source @ seconds.T


@functools.cache
def _design_table():
    return np.log(np.loadtxt(shipped("design_asd.csv"), delimiter=",", comments="#", skiprows=5)).T


def design_asd(frequency: ArrayLike):
    """Noise of the detectors as designed for observing run 4: the noise of the g2net competition.

    Parameters
    ----------
    frequency : array, shape (n,), in Hz
        Between the points of the table log asd is linear in log frequency; outside 10-1,024 Hz it is the edge's.

    Returns
    -------
    float64 array, shape (3, n), in strain/sqrt(Hz)
        Keep to this root: the power, 1e-47, is less than the smallest float32.

    >>> design_asd(np.array([100.0])).shape
    (3, 1)
    """
    table = _design_table()
    x = np.log(np.maximum(frequency, NOISE_START))
    return np.exp([np.interp(x, table[0], curve) for curve in table[1:]])
