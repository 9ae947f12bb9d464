"""The networks of the course: the paper's CNN, and the shift network, which knows that a redshift is a shift."""

from .cnn import (
    CNN,
    classifier,
    he_uniform,
    log_redshift_mse,
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
    coincident_snr,
    detection_loss,
    filtered,
    matched_filter,
    matched_filter_snr,
    whitened_templates,
)
from .shift import (
    ShiftNetwork,
)

__all__ = [
    "CNN",
    "FILTER_RATE",
    "FourierCorrelation",
    "LargerNeighbour",
    "LongConv1d",
    "MatchedFilterNetwork",
    "PairMax",
    "REACH",
    "SEARCH",
    "ShiftNetwork",
    "classifier",
    "coincident_snr",
    "detection_loss",
    "fast_length",
    "filtered",
    "he_uniform",
    "interleave",
    "log_redshift_mse",
    "matched_filter",
    "matched_filter_snr",
    "to_frequency",
    "to_time",
    "whitened_templates",
]
