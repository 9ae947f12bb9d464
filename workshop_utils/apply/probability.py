"""A redshift, an interval and a confidence from a probability of each redshift."""

import torch


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
