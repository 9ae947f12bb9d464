"""What an astronomer uses at the end: her own files in, a table out, with the networks that ship with the course."""

from .mergers import (
    THRESHOLD,
    blurred_quantiles,
    find_mergers,
)
from .probability import (
    fit_interval,
    quantile,
    shortest_interval,
    summarise_probability,
)
from .spectra import (
    CLASS_CHECKPOINT,
    OBJECT_CHECKPOINT,
    REDSHIFT_CHECKPOINT,
    class_network,
    classify_spectra,
    identify_spectra,
    measure_redshift,
    object_network,
    read_files,
    redshift_network,
    summarise_objects,
    tabulate,
)
from .waves import (
    DESIGN_ALPHA,
    MEASURED_ALPHA,
    NEEDED,
    SUREST,
    WAVES_CHECKPOINT,
    detect_waves,
    noise_of,
    waves_network,
)

__all__ = [
    "CLASS_CHECKPOINT",
    "DESIGN_ALPHA",
    "MEASURED_ALPHA",
    "NEEDED",
    "OBJECT_CHECKPOINT",
    "REDSHIFT_CHECKPOINT",
    "SUREST",
    "THRESHOLD",
    "WAVES_CHECKPOINT",
    "blurred_quantiles",
    "class_network",
    "classify_spectra",
    "detect_waves",
    "find_mergers",
    "fit_interval",
    "identify_spectra",
    "measure_redshift",
    "noise_of",
    "quantile",
    "object_network",
    "read_files",
    "redshift_network",
    "shortest_interval",
    "summarise_objects",
    "summarise_probability",
    "tabulate",
    "waves_network",
]
