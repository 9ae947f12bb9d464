"""The training loop of notebook 03 as a function: progress, validation, stopping, checkpoints, resume, devices."""

from .batches import (
    CLASS_LN_SN,
    CLASS_PARTIAL,
    CLASSES,
    batch_function,
    batch_seed,
    class_batches,
    dataset_batches,
    quasar_batches,
    simulate_classes,
    strain_batches,
)
from .checkpoints import (
    load_checkpoint,
    load_state,
    save_checkpoint,
    save_state,
)
from .loop import (
    SAVE_EVERY,
    all_reduce_mean,
    catch_ctrl_c,
    keep_state,
    predict,
    record,
    schedule,
    should_stop_early,
    summary,
    train,
    train_step,
)
from .profiles import (
    PROFILES,
    best_device,
    profile,
)

__all__ = [
    "CLASSES",
    "CLASS_LN_SN",
    "CLASS_PARTIAL",
    "PROFILES",
    "SAVE_EVERY",
    "all_reduce_mean",
    "batch_function",
    "batch_seed",
    "best_device",
    "catch_ctrl_c",
    "class_batches",
    "dataset_batches",
    "keep_state",
    "load_checkpoint",
    "load_state",
    "should_stop_early",
    "predict",
    "profile",
    "quasar_batches",
    "record",
    "save_checkpoint",
    "save_state",
    "schedule",
    "simulate_classes",
    "train_step",
    "strain_batches",
    "summary",
    "train",
]
