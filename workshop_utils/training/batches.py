"""Endless batches to train on, simulated or from a data set, each with a seed of its own."""

import functools
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from ..networks import NOTHING
from ..shapes import ArrayLike, Device, Seed
from ..simulate import simulate_empty, simulate_galaxies, simulate_quasars, simulate_stars, simulate_strain
from ..simulate.noise import narrow_coverage, uniform
from ..simulate.quasars import draw_redshifts
from ..simulate.rest_frame import generator
from ..simulate.sky import leave_residuals
from ..spectra import standardise
from ..strain import whiten

CLASSES = ("quasar", "galaxy")  # labels 0 and 1; the columns of a classifier's answer stand in this order
NEARBY = 0.2  # share of the quasars of `simulate_objects` at z < 0.8, where galaxies are common, too
OBJECT_SHARES = (0.35, 0.22, 0.2)  # quasars, galaxies, stars in `simulate_objects`; the other fibres see nothing
LOUDER = 2.5  # factor of the S/N in the first of the `loud` batches of `strain_batches`
CLASS_LN_SN, CLASS_PARTIAL = (1.6, 1.0), 0.5  # S/N and coverage of the quasars in `simulate_classes`


def quasar_batches(batch_size: int, seed: int, device: Device = "cpu", flat: float = 0.15):
    """Endless fresh simulated quasars for `train`: a function from the number of a batch to the batch.

    Because a batch follows from its number, a training that was killed goes on with the very batches it would have
    seen (see `batch_seed`).

    Returns
    -------
    function
        step -> (spectra (batch, 1, 4618) standardised, redshifts (batch,)).

    >>> spectra, z = quasar_batches(4, seed=1)(0)
    >>> spectra.shape, z.shape
    (torch.Size([4, 1, 4618]), torch.Size([4]))
    """

    def simulate(rng):
        quasars = simulate_quasars(batch_size, rng, device, flat=flat)
        return standardise(quasars.flux)[:, None], quasars.z

    return batch_function(simulate, seed, device)


def simulate_classes(n: int, seed: Seed, device: Device = "cpu"):
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

    >>> flux, label = simulate_classes(4, seed=1)
    >>> flux.shape, sorted(label.tolist())
    (torch.Size([4, 4618]), [0, 0, 1, 1])
    """
    rng = generator(seed, device)
    quasars = simulate_quasars(n - n // 2, rng, device, flat=0.3, ln_sn=CLASS_LN_SN, partial=CLASS_PARTIAL)
    galaxies = simulate_galaxies(n // 2, rng, device)
    label = (torch.arange(n, device=rng.device) >= len(quasars.flux)).long()
    order = torch.randperm(n, generator=rng, device=rng.device)
    return torch.cat([quasars.flux, galaxies.flux])[order], label[order]


def class_batches(batch_size: int, seed: int, device: Device = "cpu"):
    """Endless fresh quasars and galaxies for `train`, as `quasar_batches`: step -> (spectra, labels of `CLASSES`).

    >>> spectra, label = class_batches(4, seed=1)(0)
    >>> spectra.shape, label.shape
    (torch.Size([4, 1, 4618]), torch.Size([4]))
    """

    def simulate(rng):
        flux, label = simulate_classes(batch_size, rng, device)
        return standardise(flux)[:, None], label

    return batch_function(simulate, seed, device)


def simulate_objects(n: int, seed: Seed, device: Device = "cpu", shares: Sequence[float] = OBJECT_SHARES):
    """Whatever a fibre may see: quasars, galaxies, stars, and nothing; in this order.

    In all spectra the subtraction of the sky left its residuals; some cover only a part of the grid; of the quasars
    one in 25 has double-peaked lines.

    Parameters
    ----------
    n : int
        Number of spectra.
    seed : int or torch.Generator
        As in `simulate_quasars`.
    shares : 3 float
        Of quasars, galaxies and stars; the rest sees nothing.

    Returns
    -------
    flux : (n, 4618) float32
    target : (n, 2) float32
        Box (see `networks.OUTPUT_BOX`) and redshift; 0 for stars and nothing.
    sn : (n,) float32
        Median S/N per pixel.

    >>> flux, target, sn = simulate_objects(8, seed=1)
    >>> flux.shape, target[:, 0].clamp(max=2).tolist()[:6]
    (torch.Size([8, 4618]), [0.0, 0.0, 0.0, 1.0, 1.0, 2.0])
    """
    rng = generator(seed, device)
    quasars, galaxies, stars = (round(n * share) for share in shares)
    nothing = n - quasars - galaxies - stars
    z = draw_redshifts(quasars, rng, flat=0.2)
    z = torch.where(uniform(rng, quasars) < NEARBY, 0.05 + 0.75 * uniform(rng, quasars), z)
    shining = [
        simulate_quasars(quasars, rng, device, z, ln_sn=(1.25, 0.9), partial=0.5, discs=0.04),
        simulate_galaxies(galaxies, rng, device),
        simulate_stars(stars, rng, device),
    ]
    flux, ivar = (torch.cat([getattr(part, name) for part in shining]) for name in ("flux", "ivar"))
    leave_residuals(flux, ivar, rng, size=0.7)
    empty = simulate_empty(nothing, rng, device)
    flux, ivar = torch.cat([flux, empty.flux]), torch.cat([ivar, empty.ivar])
    narrow_coverage(flux, ivar, rng, share=0.06)
    boxes = [torch.full((quasars,), 0), torch.full((galaxies,), 1), 2 + shining[2].kind.cpu()]
    boxes = torch.cat([*boxes, torch.full((nothing,), NOTHING)]).to(rng.device)
    z = torch.cat([shining[0].z, shining[1].z, torch.zeros(stars + nothing, device=rng.device)])
    return flux, torch.stack([boxes, z], 1), torch.cat([part.sn for part in (*shining, empty)])


def object_batches(batch_size: int, seed: int, device: Device = "cpu"):
    """Endless fresh objects of all classes for `train`, as `quasar_batches`: step -> (spectra, targets (batch, 2)).

    >>> spectra, target = object_batches(4, seed=1)(0)
    >>> spectra.shape, target.shape
    (torch.Size([4, 1, 4618]), torch.Size([4, 2]))
    """

    def simulate(rng):
        flux, target, _ = simulate_objects(batch_size, rng, device)
        return standardise(flux)[:, None], target

    return batch_function(simulate, seed, device)


def strain_batches(
    batch_size: int,
    seed: int,
    device: Device = "cpu",
    prepare: Callable = whiten,
    off: float = 0.2,
    glitches: float = 0.0,
    loud: int = 0,
):
    """Endless fresh samples of strain for `train`, as `quasar_batches`: step -> (strain (n, 3, 4096), signal (n,)).

    `prepare` is what is done to the strain before the network sees it. In a share `off` a detector does not run, in a
    share `glitches` one has a glitch. In the first `loud` batches the signals are louder, `LOUDER` times to begin with,
    then ever less: what is easy comes first.

    >>> strain, signal = strain_batches(2, seed=1)(0)
    >>> strain.shape, signal.shape
    (torch.Size([2, 3, 4096]), torch.Size([2]))
    """
    start = batch_function(lambda rng: rng, seed, device)

    def batch(step):
        louder = LOUDER ** max(0.0, 1 - step / loud) if loud else 1.0
        samples = simulate_strain(batch_size, start(step), device, off=off, glitches=glitches, louder=louder)
        return prepare(samples.strain), samples.signal

    return batch


def batch_function(simulate: Callable, seed: int, device: Device = "cpu"):
    """Batches for `train` that `simulate` (generator -> batch) makes, each from a seed of its own: step -> batch."""
    batch_seed(seed, 0)  # refuses a bad seed now, not when training starts
    return lambda step: simulate(torch.Generator(device).manual_seed(batch_seed(seed, step)))


def batch_seed(seed: int, step: int):
    """Seed of a training batch: unlike any other batch's, and from 2**31 up, where no test set's seed may lie.

    Torch's generator on the CPU looks at the lowest 32 bits of a seed only: 11 bits are the training's, 20 the batch's.

    >>> batch_seed(1, 0) != batch_seed(1, 1), batch_seed(1, 0) >= 2**31
    (True, True)
    """
    if not 1 <= seed < 2**11 or not 0 <= step < 2**20:
        raise ValueError(f"seed {seed}, batch {step}: training seeds are 1 to 2047, batches less than 1,048,576.")
    return 2**31 + seed * 2**20 + step


def dataset_batches(inputs: Tensor, targets: Tensor, batch_size: int, seed: int, rows: ArrayLike | None = None):
    """A fixed data set for `train`, in a new order every epoch: a function from the number of a batch to the batch.

    Parameters
    ----------
    inputs, targets : tensors (n, ...)
        On one device. Inputs may be in half precision and lie on the disk, as those of `survey.Survey` do.
    batch_size, seed : int
    rows : integer array, optional
        Train on these rows only.

    >>> batches = dataset_batches(torch.arange(4.0), torch.arange(4), 2, seed=1)
    >>> sorted(batches(0)[1].tolist() + batches(1)[1].tolist())  # an epoch: each once
    [0, 1, 2, 3]
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
