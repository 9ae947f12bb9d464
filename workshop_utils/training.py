"""The training loop of notebook 03 as a function: progress, validation, stopping, checkpoints, resume, devices."""

import copy
import functools
import json
import math
import os
import signal
import threading
import time
import warnings
from pathlib import Path

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from tqdm import tqdm

from .simulate import simulate_galaxies, simulate_quasars, simulate_strain
from .simulate.rest_frame import generator
from .sources import write_text, written_beside
from .spectra import standardise
from .strain import whiten

# Sizes and budgets of every notebook, in one place. `seconds` bounds a live training on a slow machine.
PROFILES = {
    "ci": dict(test=1000, shift_steps=60, shift_seconds=40, cnn_steps=40, cnn_seconds=40, class_steps=32,
               class_seconds=20, batch=64, evaluate=300,
               waves=200, waves_cnn_steps=8, waves_cnn_seconds=8, waves_steps=8, waves_seconds=10,
               survey=800, survey_steps=30, survey_seconds=8, survey_strain=128),
    "laptop": dict(test=5000, shift_steps=600, shift_seconds=150, cnn_steps=600, cnn_seconds=150, class_steps=400,
                   class_seconds=100, batch=128, evaluate=2000,
               waves=2000, waves_cnn_steps=240, waves_cnn_seconds=80, waves_steps=120, waves_seconds=70,
                   survey=8000, survey_steps=400, survey_seconds=75, survey_strain=1024),
    "gpu": dict(test=20000, shift_steps=4000, shift_seconds=300, cnn_steps=20000, cnn_seconds=600, class_steps=3000,
                class_seconds=200, batch=512, evaluate=5000,
               waves=10000, waves_cnn_steps=4000, waves_cnn_seconds=200, waves_steps=600, waves_seconds=120,
                survey=50000, survey_steps=20000, survey_seconds=1800, survey_strain=10240),
}

CLASSES = ("quasar", "galaxy")  # labels 0 and 1; the columns of a classifier's answer stand in this order
CLASS_LN_SN, CLASS_PARTIAL = (1.6, 1.0), 0.5  # S/N and coverage of the quasars in `simulate_classes`

SAVE_EVERY = 60  # seconds between two writes of a training's state


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
    """
    name = os.environ.get("WORKSHOP_PROFILE") or ("gpu" if torch.cuda.is_available() else "laptop")
    if name not in PROFILES:
        raise ValueError(f"WORKSHOP_PROFILE is {name!r}; set it to one of {', '.join(PROFILES)}, or unset it.")
    return {"name": name, **PROFILES[name]}


def best_device():
    """The fastest device torch finds: cuda, else mps (Apple), else cpu."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def quasar_batches(batch_size, seed, device="cpu", flat=0.15):
    """Endless fresh simulated quasars for `train`: a function from the number of a batch to the batch.

    Because a batch follows from its number, a training that was killed goes on with the very batches it would have
    seen (see `batch_seed`).

    Returns
    -------
    function
        step -> (spectra (batch, 1, 4618) standardised, redshifts (batch,)).
    """

    def simulate(rng):
        quasars = simulate_quasars(batch_size, rng, device, flat=flat)
        return standardise(quasars.flux)[:, None], quasars.z

    return batch_function(simulate, seed, device)


def simulate_classes(n, seed, device="cpu"):
    """Simulated quasars and galaxies, as many of each, in random order.

    Both classes have about the same range of S/N and coverage: these follow from how a survey chose its targets, and
    a network that can tell the classes by them learns nothing about spectra.

    Parameters
    ----------
    n : int
        Number of spectra.
    seed : int or torch.Generator
        As in `simulate_quasars`.

    Returns
    -------
    flux : (n, 4618) float32
    label : (n,) int64
        Index in `CLASSES`: 0 quasar, 1 galaxy.
    """
    rng = generator(seed, device)
    quasars = simulate_quasars(n - n // 2, rng, device, flat=0.3, ln_sn=CLASS_LN_SN, partial=CLASS_PARTIAL)
    galaxies = simulate_galaxies(n // 2, rng, device)
    label = (torch.arange(n, device=rng.device) >= len(quasars.flux)).long()
    order = torch.randperm(n, generator=rng, device=rng.device)
    return torch.cat([quasars.flux, galaxies.flux])[order], label[order]


def class_batches(batch_size, seed, device="cpu"):
    """Endless fresh quasars and galaxies for `train`, as `quasar_batches`: step -> (spectra, labels of `CLASSES`)."""

    def simulate(rng):
        flux, label = simulate_classes(batch_size, rng, device)
        return standardise(flux)[:, None], label

    return batch_function(simulate, seed, device)


def strain_batches(batch_size, seed, device="cpu", prepare=whiten, off=0.2):
    """Endless fresh samples of strain for `train`, as `quasar_batches`: step -> (strain (n, 3, 4096), signal (n,)).

    `prepare` is what is done to the strain before the network sees it. In a share `off` a detector does not run.
    """

    def simulate(rng):
        samples = simulate_strain(batch_size, rng, device, off=off)
        return prepare(samples.strain), samples.signal

    return batch_function(simulate, seed, device)


def batch_function(simulate, seed, device="cpu"):
    """Batches for `train` that `simulate` (generator -> batch) makes, each from a seed of its own: step -> batch."""
    batch_seed(seed, 0)  # refuses a bad seed now, not when training starts
    return lambda step: simulate(torch.Generator(device).manual_seed(batch_seed(seed, step)))


def batch_seed(seed, step):
    """Seed of a training batch: unlike any other batch's, and from 2**31 up, where no test set's seed may lie.

    Torch's generator on the CPU looks at the lowest 32 bits of a seed only: 11 bits are the training's, 20 the batch's.
    """
    if not 1 <= seed < 2**11 or not 0 <= step < 2**20:
        raise ValueError(f"seed {seed}, batch {step}: training seeds are 1 to 2047, batches less than 1,048,576.")
    return 2**31 + seed * 2**20 + step


def dataset_batches(inputs, targets, batch_size, seed, rows=None):
    """A fixed data set for `train`, in a new order every epoch: a function from the number of a batch to the batch.

    Parameters
    ----------
    inputs, targets : tensors (n, ...)
        On one device. Inputs may be in half precision and lie on the disk, as those of `survey.Survey` do.
    batch_size, seed : int
    rows : integer array, optional
        Train on these rows only.
    """
    rows = torch.arange(len(inputs)) if rows is None else torch.as_tensor(rows)
    per_epoch = len(rows) // batch_size
    if per_epoch == 0:
        raise ValueError(f"The data set holds {len(rows)} rows, less than one batch of {batch_size}.")

    @functools.lru_cache(1)
    def order(epoch):
        shuffled = torch.randperm(len(rows), generator=torch.Generator().manual_seed(batch_seed(seed, epoch)))
        return rows[shuffled].to(inputs.device)

    def batch(step):
        epoch, k = divmod(step, per_epoch)
        chosen = order(epoch)[k * batch_size : (k + 1) * batch_size]
        return inputs[chosen], targets[chosen]

    return batch


def train(network, batches, loss, steps, *, learning_rate=1e-3, seconds=None, validate=None, every=100, patience=None,
          checkpoint=None, device=None, bf16=False, accelerator=None):
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
    bf16 : bool
        Multiply in bfloat16 (`torch.autocast`), twice as fast on GPUs from 2020 on. It keeps 8 binary digits, so an
        answer that is itself the result, such as ln(1 + z), is rounded to 0.4 %: for classes, not for redshifts.
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
    """
    network.to(accelerator.device if accelerator else device or next(network.parameters()).device)
    optimiser = torch.optim.Adam(network.parameters())
    state = {"step": 0, "seconds": 0.0, "history": [], "loss_sum": 0.0}
    if checkpoint is not None and Path(checkpoint).exists():
        state = load_state(checkpoint, network, optimiser)
    model, update, backward, processes, mine = network, optimiser, torch.Tensor.backward, 1, 0
    if accelerator:
        model, update = accelerator.prepare(network, optimiser)  # from now on the processes share their gradients
        backward, processes, mine = accelerator.backward, accelerator.num_processes, accelerator.process_index
    saved = time.monotonic()
    started = saved - state["seconds"]
    bar = tqdm(total=steps, initial=state["step"], unit="batch", mininterval=1, ncols=90, file=_Stdout(),
               disable=mine > 0)
    network.train()
    stopped, release = catch_ctrl_c()
    try:
        while state["step"] < steps and not stopped:
            elapsed = time.monotonic() - started
            if seconds:
                (elapsed,) = agree([elapsed], accelerator)
            progress = max(state["step"] / steps, elapsed / seconds if seconds else 0)
            if progress >= 1:
                break
            for group in optimiser.param_groups:
                group["lr"] = learning_rate * schedule(progress)
            state["loss_sum"] += step_once(model, batches(state["step"] + mine), loss, update, bf16, backward)
            state["step"] += processes
            state["seconds"] = time.monotonic() - started
            bar.update(processes)
            if state["step"] % every < processes or state["step"] >= steps:
                record(state, network, validate, bar, accelerator)
                if patience and no_longer_falls(state["history"], patience):
                    break
            if checkpoint is not None and mine == 0 and time.monotonic() - saved > SAVE_EVERY:
                keep_state(checkpoint, network, optimiser, state)
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
        keep_state(checkpoint, network, optimiser, state)
    history = list(state["history"])
    if not history or history[-1][0] < state["step"]:  # stopped between two rows
        history.append(summary(state, network, validate, accelerator))
    return pd.DataFrame(history, columns=["step", "loss", "validation", "seconds"])


def predict(network, inputs, batch=128):
    """The network's answers (n, ...) to many inputs (n, ...), on the CPU: evaluation mode, no gradients, in batches."""
    device = next(network.parameters()).device
    network.eval()
    with torch.no_grad():
        return torch.cat([network(part.to(device)).cpu() for part in inputs.split(batch)])


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


def step_once(network, batch, loss, optimiser, bf16=False, backward=torch.Tensor.backward):
    """Forward, loss, back-propagate, update (Fig. 3 of the paper), on the network's device; returns the loss.

    The loss stays on the device: to look at it would make a GPU wait at every step.
    """
    device = next(network.parameters()).device
    inputs, targets = (part.to(device, non_blocking=True) for part in batch)
    optimiser.zero_grad()
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        answer = network(inputs.float())
    value = loss(answer.float(), targets)
    backward(value)
    optimiser.step()
    return value.detach()


def agree(numbers, accelerator):
    """Mean of each number over all processes, so that they decide alike; without an accelerator, as they are."""
    if accelerator is None or accelerator.num_processes == 1:
        return numbers
    return accelerator.reduce(torch.tensor(numbers, device=accelerator.device), "mean").tolist()


def schedule(progress, warmup=0.05):
    """Learning rate relative to its highest value: a linear warm-up, then half a cosine down to 0."""
    return min(1, (progress + 1e-3) / warmup) * 0.5 * (1 + math.cos(math.pi * min(1, progress)))


def summary(state, network, validate, accelerator=None):
    """A row of the history: step, mean loss of a batch since the last row, validation, seconds."""
    since = state["step"] - (state["history"][-1][0] if state["history"] else 0)
    steps = since / (accelerator.num_processes if accelerator else 1)
    score = math.nan
    if validate is not None:
        network.eval()
        with torch.no_grad():
            score = float(validate(network))
    mean = float(state["loss_sum"]) / steps if since else math.nan
    mean, score = agree([mean, score], accelerator)
    return [state["step"], mean, score, round(state["seconds"], 1)]


def record(state, network, validate, bar, accelerator=None):
    """Add a row to the history and show it on the progress bar."""
    state["history"].append(summary(state, network, validate, accelerator))
    network.train()
    _, mean, score, _ = state["history"][-1]
    state["loss_sum"] = 0.0
    bar.set_postfix_str(f"loss {mean:.4g}" + ("" if validate is None else f", validation {score:.4g}"))


def no_longer_falls(history, patience):
    """True when the best validation lies at least `patience` rows back."""
    scores = [row[2] for row in history]
    return len(scores) - 1 - scores.index(min(scores)) >= patience


def save_state(path, network, optimiser, state):
    """Write the whole state of a training to one safetensors file, beside it first, then renamed."""
    tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
    for i, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"adam.{i}.{name}": value for name, value in moments.items()}
    _write(path, tensors, {"state": json.dumps(state | {"loss_sum": float(state["loss_sum"])})})


def keep_state(path, network, optimiser, state):
    """Save the state of a training; where that fails (a full disk), warn and go on."""
    try:
        save_state(path, network, optimiser, state)
    except OSError as error:
        warnings.warn(f"{error} What is learned from here on is in memory only.", stacklevel=3)


def load_state(path, network, optimiser):
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


def save_checkpoint(network, path, card):
    """Write a trained network as safetensors, with its card (a JSON-able dict) inside and beside it as .json."""
    path = Path(path)
    card = {**card, "parameters": sum(p.numel() for p in network.parameters()), "torch": torch.__version__}
    _write(path, network.state_dict(), {"card": json.dumps(card)})
    write_text(path.with_suffix(".json"), json.dumps(card, indent=2) + "\n")


def load_checkpoint(network, path):
    """Fill a network with the weights of a checkpoint, put it in evaluation mode, and return the checkpoint's card.

    Raises
    ------
    FileNotFoundError, ValueError
        If there is no such file, it is not safetensors, or it holds a network of another shape, or values that are not
        finite. The network then keeps the weights it had.
    """
    tensors, metadata = _read(path)
    card = _json(metadata.get("card", "{}"), path)
    _load(network, tensors, path)
    network.eval()
    return card


def _write(path, tensors, metadata):
    tensors = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    with written_beside(path) as part:
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


class _Stdout:
    """The standard output of the moment, for the progress bar: in a notebook it changes with the cell."""

    def write(self, text):
        print(text, end="")

    def flush(self):
        pass
