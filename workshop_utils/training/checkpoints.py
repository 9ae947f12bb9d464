"""Weights and states of trainings as safetensors, with their cards."""

import copy
import json
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from ..sources import atomic_write, write_text


def save_state(path: str | PathLike, network: nn.Module, optimiser: torch.optim.Optimizer, state: Any):
    """Write the whole state of a training to one safetensors file, beside it first, then renamed."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value for name, value in moments.items()}
    _write(path, tensors, {"state": json.dumps(state | {"loss_sum": float(state["loss_sum"])})})


def load_state(path: str | PathLike, network: nn.Module, optimiser: torch.optim.Optimizer):
    """Read what `save_state` wrote into the network and optimiser; returns step, seconds and history."""
    tensors, metadata = _read(path)
    if "state" not in metadata:
        raise ValueError(f"{path} holds a network but no state of a training; name another checkpoint to resume from.")
    state = _json(metadata["state"], path)
    number = (int, float)
    kinds = {"step": int, "seconds": number, "loss_sum": number, "history": list}
    if not all(isinstance(state.get(name), kind) for name, kind in kinds.items()):
        raise ValueError(f"{path} holds a state of a training that cannot be read; delete it to start anew.")
    moments = {}
    for name in [name for name in tensors if name.startswith("adam.")]:
        _, i, key = name.split(".")
        moments.setdefault(int(i), {})[key] = tensors.pop(name)
    _load(network, {name.removeprefix("network."): value for name, value in tensors.items()}, path)
    optimiser.load_state_dict({"state": moments, "param_groups": optimiser.state_dict()["param_groups"]})
    return state


def save_checkpoint(network: nn.Module, path: str | PathLike, card: Mapping):
    """Write a trained network as safetensors, with its card (a JSON-able dict) inside and beside it as .json.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / 'line.safetensors'
    >>> save_checkpoint(torch.nn.Linear(1, 1), path, {'seed': 1})
    >>> sorted(file.name for file in path.parent.iterdir())
    ['line.json', 'line.safetensors']
    """
    path = Path(path)
    card = {**card, "parameters": sum(p.numel() for p in network.parameters()), "torch": torch.__version__}
    _write(path, network.state_dict(), {"card": json.dumps(card)})
    write_text(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")


def load_checkpoint(network: nn.Module, path: str | PathLike):
    """Fill a network with the weights of a checkpoint, put it in evaluation mode, and return the checkpoint's card.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is not safetensors, or it holds a network of another shape, or values that are not
        finite. The network then keeps the weights it had.

    >>> from workshop_utils.networks import ShiftNetwork
    >>> from workshop_utils.sources import shipped
    >>> card = load_checkpoint(ShiftNetwork(), shipped('checkpoints/redshift_shift.safetensors'))
    >>> card['network']
    'ShiftNetwork'
    """
    tensors, metadata = _read(path)
    card = _json(metadata.get("card", "{}"), path)
    _load(network, tensors, path)
    network.eval()
    return card


def _write(path, tensors, metadata):
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with atomic_write(path) as part:
        part.write_bytes(save(tensors, metadata))


def _read(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such checkpoint; train the network first, or reinstall the course.")
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}
    except (SafetensorError, OSError) as error:
        message = f"{path} is damaged or no safetensors file ({error}); delete it and fetch it again."
        raise ValueError(message) from error


def _json(text, path):
    """What the file at `path` says about itself: a dict."""
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f"{path}: the card in it cannot be read; fetch the file again.")
    return value


def _load(network, tensors, path):
    if strange := [name for name, value in tensors.items() if not value.isfinite().all()]:
        raise ValueError(f"{path} holds values that are no number in {strange[0]}; delete it and fetch it again.")
    try:
        copy.deepcopy(network).load_state_dict(tensors)  # so that a bad file leaves the network as it was
        network.load_state_dict(tensors)
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise ValueError(f"{path} holds a network of another shape than {type(network).__name__}: {reason}") from error
