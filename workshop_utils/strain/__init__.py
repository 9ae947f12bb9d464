"""Strain: the three detectors, their noise, windows, filters and whitening, and the readers of strain files.

Strain h is the relative change of a detector's arm lengths, without unit, of order 1e-21. Its noise is described by
the amplitude spectral density (asd) in strain/sqrt(Hz): noise of asd s in a band of B hertz scatters by s sqrt(B).
Arrays of strain end in (..., detectors, samples); the detectors are H1, L1, V1, in that order.
"""

from .detectors import (
    ARMS,
    DETECTORS,
    HIGH,
    LIGHT_SPEED,
    LOW,
    N_SAMPLES,
    NOISE_START,
    RESPONSES,
    SAMPLE_RATE,
    VERTICES,
    StrainError,
    antenna_patterns,
    design_asd,
    light_delays,
)
from .filters import (
    LARGEST,
    SMALLEST,
    band,
    band_pass,
    check_strain,
    measure_asd,
    tukey,
    whiten,
    windows,
)
from .g2net import (
    TREE,
    g2net_blocks,
    g2net_labels,
    read_g2net,
)
from .gwosc import (
    DATA_QUALITY,
    resample,
)
from .records import (
    Record,
    read_gwosc,
    read_record,
)
from .waveforms import (
    chirp_mass,
    waveform_bank,
    waveforms,
)

__all__ = [
    "ARMS",
    "DATA_QUALITY",
    "DETECTORS",
    "HIGH",
    "LARGEST",
    "LIGHT_SPEED",
    "LOW",
    "NOISE_START",
    "N_SAMPLES",
    "RESPONSES",
    "SAMPLE_RATE",
    "SMALLEST",
    "StrainError",
    "TREE",
    "VERTICES",
    "antenna_patterns",
    "band",
    "band_pass",
    "check_strain",
    "chirp_mass",
    "design_asd",
    "g2net_blocks",
    "g2net_labels",
    "light_delays",
    "measure_asd",
    "read_g2net",
    "Record",
    "read_gwosc",
    "read_record",
    "resample",
    "tukey",
    "waveform_bank",
    "waveforms",
    "whiten",
    "windows",
]
