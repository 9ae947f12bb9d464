"""The training loop of notebook 03 as a function: progress, validation, stopping, resuming."""

import math
import signal
import threading
import time
import warnings
from collections.abc import Callable, Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from tqdm import tqdm

from ..networks.parts import in_parts
from ..shapes import Device
from .checkpoints import load_state, save_state

SAVE_EVERY = 60  # seconds between two writes of a training's state


def train(
    network: nn.Module,
    batches: Callable,
    loss: Callable,
    steps: int,
    *,
    learning_rate: float = 1e-3,
    seconds: float | None = None,
    validate: Callable | None = None,
    every: int = 100,
    patience: int | None = None,
    checkpoint: str | PathLike | None = None,
    device: Device | None = None,
    half: torch.dtype | None = None,
    accelerator: Any = None,
):
    """Train a network: the loop written out in notebook 03, with what a long run needs around it.

    Parameters
    ----------
    network : torch.nn.Module
        Trained in place.
    batches : function
        step -> (inputs, targets), such as `quasar_batches` or `dataset_batches` return.
    loss : function
        (network output, targets) -> scalar tensor.
    steps : int
        Batches to train on. The learning rate warms up over the first 5 % and falls as a cosine to 0 at the end.
    learning_rate : float
        Its highest value, for Adam.
    seconds : float, optional
        Time budget: the learning rate follows the clock if that is ahead of the steps, and training ends in time.
    validate : function, optional
        network -> number (smaller is better), called every `every` steps in evaluation mode, without gradients.
    patience : int, optional
        Stop when so many validations in a row brought no new best.
    checkpoint : path, optional
        Safetensors file that holds the whole state of the training, written every minute and at the end. If it is
        there already, training goes on from it, on as many devices as there are now, and ends, on a CPU and without
        `seconds`, with the weights of an unbroken run.
    device : optional
        Where to train; by default where the network is.
    half : torch.dtype, optional
        Multiply in half precision (`torch.autocast`): torch.bfloat16 or torch.float16, as `half_precision` chooses.
        They keep 8 and 11 binary digits, so an answer that is itself the result, such as ln(1 + z), is rounded to
        0.4 % and 0.05 %: for classes, not for redshifts. In float16 the loss is scaled up (`torch.amp.GradScaler`),
        lest small gradients round to zero.
    accelerator : accelerate.Accelerator, optional
        To train in several processes, one for each GPU (notebook 07). Each calls this function with the same
        arguments, takes every so-manyth batch, and all step downhill along the mean of their gradients. `steps`,
        `every` and the history count the batches of all.

    Returns
    -------
    pandas.DataFrame
        One row per `every` steps and one for the last: step, loss (mean since the row before), validation, seconds.

    Notes
    -----
    Stopping by hand (Ctrl-C, or the notebook's stop button) ends the training after the batch at hand; the network
    keeps what it has learned. (Several processes end with an error, and a new call goes on from the checkpoint.) A
    checkpoint that cannot be written is a warning: nothing that was learned is lost by it.

    >>> line = torch.nn.Linear(1, 1)
    >>> batches = lambda step: (torch.ones(2, 1), torch.ones(2, 1))
    >>> import contextlib, io
    >>> with contextlib.redirect_stdout(io.StringIO()):  # no progress bar
    ...     history = train(line, batches, torch.nn.functional.mse_loss, steps=4, every=2)
    >>> history.step.tolist()
    [2, 4]
    """
    network.to(accelerator.device if accelerator else device or next(network.parameters()).device)
    optimiser = torch.optim.Adam(network.parameters())
    state = {"step": 0, "seconds": 0.0, "history": [], "loss_sum": 0.0}
    if checkpoint is not None and Path(checkpoint).exists():
        state = load_state(checkpoint, network, optimiser)
    scaler = gradient_scaler(network, half, state.get("scaler"))
    model, update, backward, processes, mine = network, optimiser, torch.Tensor.backward, 1, 0
    if accelerator:
        model, update = accelerator.prepare(network, optimiser)  # from now on the processes share their gradients
        backward, processes, mine = accelerator.backward, accelerator.num_processes, accelerator.process_index
    saved = time.monotonic()
    started = saved - state["seconds"]
    bar = tqdm(
        total=steps, initial=state["step"], unit="batch", mininterval=1, ncols=90, file=_Stdout(), disable=mine > 0
    )
    network.train()
    stopped, release = catch_ctrl_c()
    try:
        while state["step"] < steps and not stopped:
            elapsed = time.monotonic() - started
            if seconds:
                (elapsed,) = all_reduce_mean([elapsed], accelerator)
            progress = max(state["step"] / steps, elapsed / seconds if seconds else 0)
            if progress >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * schedule(progress)
            batch = batches(state["step"] + mine)
            state["loss_sum"] += train_step(model, batch, loss, update, half, scaler, backward)
            state["step"] += processes
            state["seconds"] = time.monotonic() - started
            bar.update(processes)
            if state["step"] % every < processes or state["step"] >= steps:
                record(state, network, validate, bar, accelerator)
                if patience and should_stop_early(state["history"], patience):
                    break
            if checkpoint is not None and mine == 0 and time.monotonic() - saved > SAVE_EVERY:
                keep_state(checkpoint, network, optimiser, state | {"scaler": scaler.state_dict()})
                saved = time.monotonic()
    except KeyboardInterrupt:
        stopped.append("at once")
    finally:
        release()
        bar.close()
        network.eval()
    if stopped:
        if processes > 1:
            raise KeyboardInterrupt
        print("Stopped by hand; the network keeps what it has learned so far.")
    if checkpoint is not None and mine == 0:
        keep_state(checkpoint, network, optimiser, state | {"scaler": scaler.state_dict()})
    history = list(state["history"])
    if not history or history[-1][0] < state["step"]:  # stopped between two rows
        history.append(summary(state, network, validate, accelerator))
    return pd.DataFrame(history, columns=["step", "loss", "validation", "seconds"])


def predict(network: nn.Module, inputs: Tensor, batch: int = 128):
    """The network's answers (n, ...) to many inputs (n, ...), on the CPU: evaluation mode, no gradients, in batches.

    >>> predict(torch.nn.Linear(2, 1), torch.zeros(5, 2)).shape
    torch.Size([5, 1])
    """
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        return in_parts(lambda part: network(part.to(device)).cpu(), inputs, batch)


def catch_ctrl_c():
    """Let Ctrl-C, or a notebook's stop button, put a note into a list, rather than break off in the midst of a batch.

    Returns
    -------
    list
        Empty until then. After the first, a second Ctrl-C interrupts at once.
    function
        Without arguments; puts things back as they were.
    """
    noted, before = [], signal.getsignal(signal.SIGINT)
    if not callable(before) or threading.current_thread() is not threading.main_thread():
        return noted, lambda: None  # others take care of signals

    def release():
        signal.signal(signal.SIGINT, before)

    def note(number, _):
        release()
        noted.append(number)

    signal.signal(signal.SIGINT, note)
    return noted, release


def half_precision(device: Device):
    """The half precision that suits a device: bfloat16 on GPUs from 2020 on, float16 on older ones, none on others.

    >>> half_precision(torch.device('cpu'))
    """
    if torch.device(device).type != "cuda":
        return None
    return torch.bfloat16 if torch.cuda.get_device_capability(device)[0] >= 8 else torch.float16


def gradient_scaler(network: nn.Module, half: torch.dtype | None, kept: dict | None = None):
    """What scales the loss in float16, as it was when its state was kept; for other numbers it does nothing."""
    device = next(network.parameters()).device.type
    scaler = torch.amp.GradScaler(device, enabled=half == torch.float16)
    if kept:
        scaler.load_state_dict(kept)
    return scaler


def train_step(
    network: nn.Module,
    batch: tuple,
    loss: Callable,
    optimiser: torch.optim.Optimizer,
    half: torch.dtype | None = None,
    scaler: Any = None,
    backward: Callable = torch.Tensor.backward,
):
    """Forward, loss, back-propagate, update (Fig. 3 of the paper), on the network's device; returns the loss.

    The loss stays on the device: to look at it would make a GPU wait at every step.

    >>> network = torch.nn.Linear(1, 1)
    >>> optimiser = torch.optim.Adam(network.parameters())
    >>> loss = train_step(network, (torch.ones(2, 1), torch.ones(2, 1)), torch.nn.functional.mse_loss, optimiser)
    >>> loss.shape
    torch.Size([])
    """
    device = next(network.parameters()).device
    inputs, targets = (part.to(device, non_blocking=True) for part in batch)
    optimiser.zero_grad()
    with torch.autocast(device.type, half, enabled=half is not None):
        answer = network(inputs.float())
    value = loss(answer.float(), targets)
    scaler = scaler or gradient_scaler(network, half)
    backward(scaler.scale(value))
    scaler.step(optimiser)  # leaves the step out if a gradient is beyond float16
    scaler.update()
    return value.detach()


def all_reduce_mean(numbers: Sequence, accelerator: Any):
    """Mean of each number over all processes, so that they decide alike; without an accelerator, as they are."""
    if accelerator is None or accelerator.num_processes == 1:
        return numbers
    return accelerator.reduce(torch.tensor(numbers, device=accelerator.device), "mean").tolist()


def schedule(progress: float, warmup: float = 0.05):
    """Learning rate relative to its highest value: a linear warm-up, then half a cosine down to 0.

    >>> [round(float(schedule(x)), 2) for x in (0.05, 0.5, 1.0)]
    [0.99, 0.5, 0.0]
    """
    return min(1, (progress + 1e-3) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1, progress)))


def summary(state: Any, network: nn.Module, validate: Callable | None, accelerator: Any = None):
    """A row of the history: step, mean loss of a batch since the last row, validation, seconds."""
    since = state["step"] - (state["history"][-1][0] if state["history"] else 0)
    steps = since / (accelerator.num_processes if accelerator else 1)
    score = math.nan
    if validate is not None:
        network.eval()
        with torch.no_grad():
            score = float(validate(network))
    mean = float(state["loss_sum"]) / steps if since else math.nan
    mean, score = all_reduce_mean([mean, score], accelerator)
    return [state["step"], mean, score, round(state["seconds"], 1)]


def record(state: Any, network: nn.Module, validate: Callable | None, bar: Any, accelerator: Any = None):
    """Add a row to the history and show it on the progress bar."""
    state["history"].append(summary(state, network, validate, accelerator))
    network.train()
    _, mean, score, _ = state["history"][-1]
    state["loss_sum"] = 0.0
    bar.set_postfix_str(f"loss {mean:.4g}" + ("" if validate is None else f", validation {score:.4g}"))


def should_stop_early(history: Sequence, patience: int):
    """True when the best validation lies at least `patience` rows back."""
    scores = [row[2] for row in history]
    return len(scores) - 1 - scores.index(min(scores)) >= patience


def keep_state(path: str | PathLike, network: nn.Module, optimiser: torch.optim.Optimizer, state: Any):
    """Save the state of a training; where that fails (a full disk), warn and go on."""
    try:
        save_state(path, network, optimiser, state)
    except OSError as error:
        warnings.warn(f"{error} What is learned from here on is in memory only.", stacklevel=3)


class _Stdout:
    """The standard output of the moment, for the progress bar: in a notebook it changes with the cell."""

    def write(self, text):
        print(text, end="")

    def flush(self):
        pass
