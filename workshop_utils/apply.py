"""What an astronomer uses at the end: her own files in, a table out, with the networks that ship with the course."""

import functools
import os

import numpy as np
import pandas as pd
import torch

from .networks import MatchedFilterNetwork, ShiftNetwork, classifier
from .scores import temper
from .sources import shipped
from .spectra import read_sdss, standardise
from .strain import (
    DETECTORS,
    HIGH,
    LOW,
    N_SAMPLES,
    StrainError,
    check_strain,
    design_asd,
    measure_asd,
    tukey,
    whiten,
)
from .training import CLASSES, load_checkpoint, predict

REDSHIFT_CHECKPOINT = "checkpoints/redshift_shift.safetensors"
CLASS_CHECKPOINT = "checkpoints/quasar_or_galaxy.safetensors"
WAVES_CHECKPOINT = "checkpoints/gravitational_waves.safetensors"
BATCH = 64
NEEDED = 16  # samples from which a noise spectrum can be measured
DESIGN_ALPHA, MEASURED_ALPHA = 0.1, 0.2  # tapers, see `strain.tukey`
SUREST = 30.0  # ln odds that no answer exceeds: what the noise does once in 1e13 samples nobody has seen


def measure_redshift(files):
    """Measure the redshifts of quasar spectra.

    Parameters
    ----------
    files : path or list of paths
        SDSS FITS files of any vintage, as downloaded.

    Returns
    -------
    pandas.DataFrame
        Index `file`. Columns z (most probable redshift), z_low and z_high (the shortest interval that holds 68 % of the
        probability), confidence (0-1: the probability that z is right within 6,000 km/s) and problem (empty, or one
        sentence on why the file could not be used, the numbers then being NaN).

    Raises
    ------
    ValueError
        If none of the files can be used; the message gives the first reasons.

    >>> from workshop_utils.sources import real_spectra
    >>> table = measure_redshift(real_spectra().file[:2])
    >>> table.z.round(2).tolist()
    [1.9, 0.3]
    """
    network = redshift_network()

    def answer(flux):
        return summarise_probability(network(flux).softmax(1), network.z)

    return tabulate(files, answer, ["z", "z_low", "z_high", "confidence"])


def classify_spectra(files):
    """Tell quasars from galaxies.

    Parameters
    ----------
    files : path or list of paths
        SDSS FITS files of any vintage, as downloaded.

    Returns
    -------
    pandas.DataFrame
        Index `file`. Columns p_quasar and p_galaxy (probabilities; they sum to 1, because the network knows no third
        class: whatever a star or an empty fibre is called, it is wrong) and problem (empty, or one sentence on why the
        file could not be used, the numbers then being NaN). They take both classes for equally frequent.

    Raises
    ------
    ValueError
        If none of the files can be used; the message gives the first reasons.

    >>> from workshop_utils.sources import real_spectra
    >>> table = classify_spectra(real_spectra().file[:2])
    >>> table.columns.tolist()
    ['p_quasar', 'p_galaxy', 'problem']
    """
    network, temperature = class_network()

    def answer(flux):
        return temper(network(flux), temperature)

    return tabulate(files, answer, [f"p_{name}" for name in CLASSES])


def detect_waves(strain, asd=None):
    """Find gravitational waves of merging black holes.

    Parameters
    ----------
    strain : array or tensor, shape (n, 3, 4096) or (3, 4096)
        H1, L1, V1, 2 s at 2,048 Hz, as recorded (in strain, float32 or float64); a row of zeros means that the
        detector was off. A merger is looked for between 1.3 and 2.0 s: slide windows over longer records.
    asd : tensor, shape (3, k), optional
        Noise, as `strain.measure_asd` returns it. Without it the design's for detectors whose noise is as designed
        (such as the competition's); for others it is measured over the samples given, at least 16.

    Returns
    -------
    float64 array, shape (n,)
        Probability of a signal, where half of the samples hold one (as in training and in the competition).

    Raises
    ------
    StrainError (a ValueError)
        For strain that cannot be used (see `strain.check_strain`), and where a noise spectrum must and cannot be
        measured.

    >>> from workshop_utils.simulate import simulate_strain
    >>> detect_waves(simulate_strain(2, seed=1).strain).shape
    (2,)
    """
    strain = check_strain(strain)
    asd, alpha = noise_of(strain) if asd is None else (asd, MEASURED_ALPHA)
    white = whiten(strain, asd, alpha=alpha)
    log_odds = predict(waves_network(), white, BATCH)[:, 0].double()
    return torch.sigmoid(SUREST * torch.tanh(log_odds / SUREST)).numpy()


def noise_of(strain, tolerance=0.25):
    """Noise of the detectors: the design's where it fits the samples (n, 3, 4096), else measured.

    It fits where the ratio of measured to designed asd, in each of eight parts of the band from 20 to 500 Hz (in all of
    it, for few samples), lies within `tolerance` of 1. The ratio is a median over frequencies and samples, which a
    signal hardly moves. Real noise has no lower end at 10 Hz; it is measured, and to be whitened, with a longer taper,
    through which less of it leaks.

    Returns
    -------
    asd : (3, 2049) tensor
    alpha : float
        Of the taper to whiten with.

    >>> from workshop_utils.simulate import simulate_strain
    >>> asd, alpha = noise_of(simulate_strain(2, seed=1, signals=0).strain)
    >>> asd.shape, alpha == DESIGN_ALPHA  # the design's noise fits
    (torch.Size([3, 2049]), True)
    """
    frequency = np.linspace(0, 1024, 2049)
    asd = torch.as_tensor(design_asd(frequency), dtype=strain.dtype)
    alpha = DESIGN_ALPHA
    for i, name in enumerate(DETECTORS):
        on = strain[strain[:, i].abs().amax(-1) > 0, i]
        if not len(on):
            continue
        each = (measure_asd(on) / asd[i])[:, (frequency >= LOW) & (frequency < HIGH)]
        parts = each.unflatten(1, (8 if len(on) >= NEEDED else 1, -1)).transpose(0, 1).flatten(1)
        parts = parts.median(1).values / np.sqrt(np.log(2))  # the root of a periodogram's median, for a mean of 1
        if bool(((parts - 1).abs() < tolerance).all()):
            continue
        if len(on) < NEEDED:
            raise StrainError(
                f"{name}: its noise is {parts.min():.2g} to {parts.max():.2g} times the design's, and it cannot be "
                f"measured in {len(on)} samples; give at least {NEEDED}, or pass asd=measure_asd(of a longer record)."
            )
        alpha = MEASURED_ALPHA
        asd[i] = measure_asd(on[:, None], window=tukey(N_SAMPLES, alpha))[0]
    return asd, alpha


def tabulate(files, answer, columns):
    """Ask a network about files: a table with `columns` and problem, NaN in the rows of files that cannot be used.

    `answer` takes standardised spectra (n, 1, 4618) and returns numbers (n, column).
    """
    spectra, problems = read_files(files)
    rows = []
    with torch.no_grad():
        for start in range(0, len(spectra), BATCH):
            flux = np.array([spectrum.flux for spectrum in spectra[start : start + BATCH]])
            rows.append(np.asarray(answer(standardise(torch.from_numpy(flux))[:, None])))
    table = pd.DataFrame(np.nan, index=problems.index, columns=columns)
    table.loc[(problems == "").to_numpy()] = np.concatenate(rows)
    return table.assign(problem=problems)


def read_files(files):
    """Read spectra; a file that cannot be used does not stop the others.

    Returns
    -------
    spectra : list of Spectrum
        The good ones, in order.
    problems : pandas.Series of str, index `file`
        Empty for good files, else the reason.

    Raises
    ------
    ValueError
        If `files` is empty or none of them can be used.

    >>> from workshop_utils.sources import real_spectra
    >>> spectra, problems = read_files([real_spectra().file[0], 'no_such_file.fits'])
    >>> len(spectra), (problems == '').tolist()
    (1, [True, False])
    """
    if isinstance(files, str | os.PathLike):
        files = [files]
    names = [os.fspath(file) for file in files]
    if not names:
        raise ValueError("No files were given; pass the path of an SDSS spectrum, or a list of paths.")
    spectra, problems = [], []
    for name in names:
        try:
            spectra.append(read_sdss(name))
            problems.append("")
        except (ValueError, OSError) as error:
            problems.append(" ".join(str(error).split()))
    if not spectra:
        raise ValueError(f"None of the {len(names)} files can be used. " + " ".join(problems[:3]))
    return spectra, pd.Series(problems, index=pd.Index(names, name="file"), name="problem", dtype=object)


@functools.cache
def redshift_network():
    """The shift network with the weights that ship with the course, on the CPU."""
    network = ShiftNetwork()
    load_checkpoint(network, shipped(REDSHIFT_CHECKPOINT))
    return network


@functools.cache
def class_network():
    """The classifier that ships with the course, on the CPU, and the temperature that makes it honest."""
    network = classifier(len(CLASSES))
    card = load_checkpoint(network, shipped(CLASS_CHECKPOINT))
    return network, card["temperature"]


@functools.cache
def waves_network():
    """The detector of gravitational waves with the weights that ship with the course, on the CPU."""
    network = MatchedFilterNetwork()
    load_checkpoint(network, shipped(WAVES_CHECKPOINT))
    return network


def summarise_probability(probability, z, limit=0.02):
    """Redshift, 68 % interval and confidence from P(z).

    The redshift is the one that is right within `limit` with the highest probability: of all windows so wide, we take
    that which holds most, and in it the mean of ln(1 + z), which is not bound to the bins. The confidence is the
    probability within `limit` of it. (The single most probable bin would prefer a needle to a hill that holds more.)

    Parameters
    ----------
    probability : Tensor, shape (n, bin)
        P(z), each row with the sum 1.
    z : Tensor, shape (bin,)
        Redshifts of the bins, evenly spaced in ln(1 + z).
    limit : float
        Half the window in ln(1 + z); 0.02 is 6,000 km/s.

    Returns
    -------
    Tensor, shape (n, 4)
        Redshift, lower and upper end of the shortest 68 % interval, confidence (0 to 1).

    >>> z = torch.expm1(0.01 * torch.arange(100))
    >>> p = torch.zeros(1, 100)
    >>> p[0, 20], p[0, 69:72] = 0.4, 0.2  # a needle, and a hill that holds more
    >>> summarise_probability(p, z)[0, [0, 3]].tolist()
    [1.0137..., 0.6000...]
    """
    log_z = torch.log1p(z)
    step = float(log_z[1] - log_z[0])
    half = int(limit / step - 1e-4)
    sums = torch.nn.functional.pad(probability.double().cumsum(1), (half + 1, half), mode="replicate")
    sums[:, : half + 1] = 0
    window = log_z[(sums[:, 2 * half + 1 :] - sums[:, : -2 * half - 1]).argmax(1)][:, None]
    for _ in range(2):  # the second time the window is centred on what it holds
        near = torch.where((log_z - window).abs() < limit, probability, 0)
        total = near.sum(1)
        best = (near * log_z).sum(1) / total
        window = best[:, None]
    confidence = total.clamp(max=1)  # rounded, it may be 1.0000001
    low, high = shortest_interval(probability)
    edges = torch.stack([best, low * step, high * step], 1)
    return torch.cat([torch.expm1(edges), confidence[:, None]], 1)


def shortest_interval(probability, share=0.68):
    """Ends (n,), in bins, of the shortest run of bins that holds `share` of the probability (n, bin).

    A bin's probability is spread evenly over its width, so that the ends fall between bin centres and a narrow peak
    gets an interval narrower than a bin.
    """
    n, bins = probability.shape
    cumulative = torch.nn.functional.pad(probability.cumsum(1), (1, 0)).contiguous()
    cumulative = cumulative / cumulative[:, -1:]
    fine = torch.linspace(0, 1 - share, 513).expand(n, -1).contiguous()
    start, stop = quantile(cumulative, fine), quantile(cumulative, fine + share)
    best = (stop - start).argmin(1, keepdim=True)
    return start.gather(1, best)[:, 0] - 0.5, stop.gather(1, best)[:, 0] - 0.5


def quantile(cumulative, levels):
    """Positions (n, level), in bins, at which the cumulative distribution (n, bin + 1) reaches the levels."""
    upper = torch.searchsorted(cumulative, levels).clamp(1, cumulative.shape[1] - 1)
    low, high = cumulative.gather(1, upper - 1), cumulative.gather(1, upper)
    return upper - 1 + ((levels - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
