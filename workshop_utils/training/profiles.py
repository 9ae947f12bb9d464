"""How much is trained where, and on which device."""

import os

import torch

# Sizes and budgets of every notebook, in one place. `seconds` bounds a live training on a slow machine.
PROFILES = {
    "ci": dict(
        test=1000,
        shift_steps=60,
        shift_seconds=40,
        cnn_steps=40,
        cnn_seconds=40,
        class_steps=32,
        class_seconds=20,
        object_steps=8,
        object_seconds=15,
        batch=64,
        evaluate=300,
        waves=200,
        waves_cnn_steps=8,
        waves_cnn_seconds=8,
        waves_steps=8,
        waves_seconds=10,
        masses=200,
        masses_test=150,
        masses_epochs=20,
        survey=800,
        survey_steps=30,
        survey_seconds=8,
        survey_strain=128,
    ),
    "laptop": dict(
        test=5000,
        shift_steps=450,
        shift_seconds=150,
        cnn_steps=1600,
        cnn_seconds=140,
        class_steps=400,
        class_seconds=100,
        object_steps=600,
        object_seconds=100,
        batch=64,
        evaluate=2000,
        waves=2000,
        waves_cnn_steps=180,
        waves_cnn_seconds=50,
        waves_steps=60,
        waves_seconds=70,
        masses=4000,
        masses_test=1000,
        masses_epochs=50,
        survey=8000,
        survey_steps=400,
        survey_seconds=75,
        survey_strain=1024,
    ),
    "gpu": dict(
        test=20000,
        shift_steps=4000,
        shift_seconds=300,
        cnn_steps=20000,
        cnn_seconds=600,
        class_steps=3000,
        class_seconds=200,
        object_steps=8000,
        object_seconds=400,
        batch=512,
        evaluate=5000,
        waves=10000,
        waves_cnn_steps=2500,
        waves_cnn_seconds=125,
        waves_steps=600,
        waves_seconds=120,
        masses=40000,
        masses_test=5000,
        masses_epochs=30,
        survey=50000,
        survey_steps=20000,
        survey_seconds=1800,
        survey_strain=10240,
    ),
}


def profile():
    """Sizes for this machine: the profile named by WORKSHOP_PROFILE, else gpu where CUDA is, else laptop.

    Returns
    -------
    dict
        The row of `PROFILES`, with its name under "name".

    Raises
    ------
    ValueError
        If WORKSHOP_PROFILE names none of ci, laptop, gpu.

    >>> sorted(PROFILES), 'batch' in profile()
    (['ci', 'gpu', 'laptop'], True)
    """
    name = os.environ.get("WORKSHOP_PROFILE") or ("gpu" if torch.cuda.is_available() else "laptop")
    if name not in PROFILES:
        raise ValueError(f"WORKSHOP_PROFILE is {name!r}; set it to one of {', '.join(PROFILES)}, or unset it.")
    return {"name": name, **PROFILES[name]}


def best_device():
    """The device to compute on: WORKSHOP_DEVICE if that is set, else the fastest: cuda, mps (Apple), cpu.

    Raises
    ------
    ValueError
        If WORKSHOP_DEVICE names a device that torch does not know or that is not there.

    >>> best_device().type in ('cpu', 'cuda', 'mps')
    True
    """
    if name := os.environ.get("WORKSHOP_DEVICE"):
        try:
            return torch.zeros(1, device=name).device
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).splitlines()[0]
            raise ValueError(
                f"WORKSHOP_DEVICE is {name!r}, which cannot be used here: {reason} Set it to cpu."
            ) from None
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
