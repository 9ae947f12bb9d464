"""The networks of the course: the paper's CNN, and those that know some physics: shifts, and the shapes of waves."""

from .cnn import (
    CNN,
    classifier,
    convolutions,
    he_uniform,
    log_redshift_mse,
    redshift_cnn,
)
from .convolution import (
    FourierCorrelation,
    LargerNeighbour,
    LongConv1d,
    PairMax,
    fast_length,
    interleave,
    to_frequency,
    to_time,
)
from .matched_filter import (
    FILTER_RATE,
    REACH,
    SEARCH,
    MatchedFilterNetwork,
    burst_templates,
    coincident_snr,
    detection_loss,
    filtered,
    fitting_template,
    matched_filter,
    matched_filter_snr,
    whitened_templates,
)
from .objects import (
    NOTHING,
    OBJECTS,
    OUTPUT_BINS,
    OUTPUT_BOX,
    OUTPUT_CLASS,
    OUTPUT_Z,
    STAR_KINDS,
    object_cnn,
    object_loss,
)
from .parts import (
    in_parts,
)
from .redshifts import (
    REDSHIFT_BINS,
    redshift_bins,
    redshift_loss,
)
from .shift import (
    ShiftNetwork,
)
from .strain_cnn import (
    StrainCNN,
    template_kernels,
)

__all__ = [
    "CNN",
    "FILTER_RATE",
    "FourierCorrelation",
    "LargerNeighbour",
    "LongConv1d",
    "MatchedFilterNetwork",
    "NOTHING",
    "OBJECTS",
    "OUTPUT_BINS",
    "OUTPUT_BOX",
    "OUTPUT_CLASS",
    "OUTPUT_Z",
    "PairMax",
    "REACH",
    "REDSHIFT_BINS",
    "SEARCH",
    "STAR_KINDS",
    "ShiftNetwork",
    "StrainCNN",
    "burst_templates",
    "classifier",
    "coincident_snr",
    "convolutions",
    "detection_loss",
    "fast_length",
    "filtered",
    "fitting_template",
    "he_uniform",
    "in_parts",
    "interleave",
    "log_redshift_mse",
    "matched_filter",
    "matched_filter_snr",
    "object_cnn",
    "object_loss",
    "redshift_bins",
    "redshift_cnn",
    "redshift_loss",
    "template_kernels",
    "to_frequency",
    "to_time",
    "whitened_templates",
]
