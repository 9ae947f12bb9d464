"""Types of what the course's functions take, tensors by their shapes; the tests check them at every call.

(By jaxtyping and beartype.)

>>> import torch
>>> isinstance(torch.zeros(2, 3, 4096), Strain), isinstance(torch.zeros(3, 4096), Strain)
(True, False)
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Complex, Float
from torch import Tensor

ArrayLike = np.ndarray | np.generic | Tensor | pd.Series | Sequence | float  # what numpy makes an array of
Seed = int | torch.Generator  # a generator goes on from where it is
Device = str | torch.device

Number = Float[Tensor, ""]
PerObject = Float[Tensor, " batch"]  # one number for each, such as its redshift
Spectra = Float[Tensor, "batch pixel"]
Channels = Float[Tensor, "batch channel pixel"]  # what a convolution takes
AnyChannels = Float[Tensor, "*batch channel pixel"]  # or a single one
Features = Float[Tensor, "*batch feature position"]  # what it gives
Outputs = Float[Tensor, "batch output"]
BinScores = Float[Tensor, "batch bin"]  # logarithms of unnormalised probabilities, a bin of redshift each
Bins = Float[Tensor, " bin"]
Strain = Float[Tensor, "batch detector sample"]
Templates = Complex[Tensor, "template detector frequency"]
SnrSeries = Complex[Tensor, "batch template detector time"]  # of a matched filter
TemplateScores = Float[Tensor, "batch template step"]
CoincidentSnr = Float[Tensor, "batch template step detector"]
