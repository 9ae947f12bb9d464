"""Spectra: the wavelength grid of the course, reading SDSS and Kaggle files, standardising, splitting.

Flux is in the unit of SDSS, 1e-17 erg/s/cm2/Angstrom; wavelengths are in Angstrom, in vacuum; ``ivar`` is the
inverse variance of the flux (1/sigma^2), and 0 where there is no usable measurement.
"""

from .formats import (
    Recorded,
    read_spectra,
)
from .grid import (
    CLIP_SIGMAS,
    EDGE_PIXELS,
    LIGHT_SPEED,
    LOGLAM,
    MAD_TO_SIGMA,
    MIN_PIXELS,
    N_PIXELS,
    WAVELENGTH,
    Spectrum,
    SpectrumError,
    check_arrays,
    resample,
    standardise,
    to_float32,
    usable,
)
from .kaggle import (
    KAGGLE_LABELS,
    kaggle_blocks,
    kaggle_labels,
    kaggle_problem,
    kaggle_read,
    open_kaggle,
    split_by_thing,
)
from .sdss import (
    ROW_COLUMNS,
    SPIKE_EDGE,
    SPIKE_SIGMAS,
    SPIKE_WIDTHS,
    check_content,
    find_spikes,
    number,
    numbers,
    prepare,
    read_sdss,
    read_tables,
    running_median,
)

__all__ = [
    "CLIP_SIGMAS",
    "EDGE_PIXELS",
    "KAGGLE_LABELS",
    "LIGHT_SPEED",
    "LOGLAM",
    "MAD_TO_SIGMA",
    "MIN_PIXELS",
    "N_PIXELS",
    "ROW_COLUMNS",
    "Recorded",
    "SPIKE_EDGE",
    "SPIKE_SIGMAS",
    "SPIKE_WIDTHS",
    "Spectrum",
    "SpectrumError",
    "WAVELENGTH",
    "check_arrays",
    "check_content",
    "find_spikes",
    "kaggle_blocks",
    "kaggle_labels",
    "kaggle_problem",
    "kaggle_read",
    "number",
    "numbers",
    "open_kaggle",
    "prepare",
    "read_sdss",
    "read_spectra",
    "read_tables",
    "resample",
    "running_median",
    "split_by_thing",
    "standardise",
    "to_float32",
    "usable",
]
