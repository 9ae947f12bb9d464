"""A redshift, an interval and a confidence from a probability of each redshift."""

import torch
from torch import Tensor

from ..networks.parts import in_parts

PART = 500  # rows at a time, for what lies between is many times as large


def summarise_probability(probability: Tensor, z: Tensor, limit: float = 0.02, share: float = 0.68):
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
    share : float
        Of the probability, that the interval holds. `fit_interval` finds the one with which 68 % of redshifts lie
        inside.

    Returns
    -------
    Tensor, shape (n, 4)
        Redshift, lower and upper end of the shortest interval, confidence (0 to 1).

    >>> z = torch.expm1(0.01 * torch.arange(100))
    >>> p = torch.zeros(1, 100)
    >>> p[0, 20], p[0, 69:72] = 0.4, 0.2  # a needle, and a hill that holds more
    >>> summarise_probability(p, z)[0, [0, 3]].tolist()
    [1.0137..., 0.6000...]
    """
    if len(probability) > PART:
        return in_parts(lambda part: summarise_probability(part, z, limit, share), probability, PART)
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
    low, high = shortest_interval(probability, share)
    edges = torch.stack([best, low * step, high * step], 1)
    return torch.cat([torch.expm1(edges), confidence[:, None]], 1)


def fit_interval(probability: Tensor, z: Tensor, z_true: Tensor, wanted: float = 0.68):
    """Share of P(z) whose shortest interval holds the true redshift in a share `wanted` of a validation set.

    It is `wanted` itself where P(z) is honest at every level. One temperature rarely makes it so: rare blunders ask for
    wide wings, and all other intervals become too wide. Such a promise, kept by counting, is what conformal prediction
    makes (Vovk et al. 2005).

    Parameters
    ----------
    probability : Tensor, shape (n, bin)
    z : Tensor, shape (bin,)
    z_true : Tensor, shape (n,)

    Returns
    -------
    float

    >>> z = torch.expm1(0.01 * torch.arange(50))
    >>> honest = torch.zeros(1000, 50) + torch.tensor([0.01] * 10 + [0.04] * 20 + [0.005] * 20)
    >>> drawn = torch.multinomial(honest[0], 1000, replacement=True, generator=torch.Generator().manual_seed(1))
    >>> 0.6 < fit_interval(honest, z, z[drawn]) < 0.76
    True
    """
    step = float(torch.log1p(z)[1] - torch.log1p(z)[0])
    place = torch.log1p(z_true) / step
    low, high = 0.2, 0.98
    while high - low > 1e-3:
        share = (low + high) / 2
        left, right = shortest_interval(probability, share)
        inside = float(((left <= place) & (place <= right)).double().mean())
        low, high = (low, share) if inside > wanted else (share, high)
    return share


def shortest_interval(probability: Tensor, share: float = 0.68):
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


def quantile(cumulative: Tensor, levels: Tensor):
    """Positions (n, level), in bins, at which the cumulative distribution (n, bin + 1) reaches the levels."""
    upper = torch.searchsorted(cumulative, levels).clamp(1, cumulative.shape[1] - 1)
    low, high = cumulative.gather(1, upper - 1), cumulative.gather(1, upper)
    return upper - 1 + ((levels - low) / (high - low).clamp_min(1e-12)).clamp(0, 1)
