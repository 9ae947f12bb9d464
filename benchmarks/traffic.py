"""What one training step asks of the machine: how many operations, and how many bytes read and written."""

import math

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

MAKES_NO_TRAFFIC = {"empty", "empty_like", "new_empty", "empty_strided", "detach", "alias"}


class Traffic(TorchDispatchMode):
    """Context that counts, for every operation of torch inside it, what it must read, write and multiply at least.

    Attributes
    ----------
    bytes : int
        Of the operands and results of all operations, each operation by itself: as if there were no caches.
    operations : float
        Floating-point operations of matrix products and Fourier transforms (2.5 n log2 n for n real numbers).
    """

    def __init__(self):
        super().__init__()
        self.bytes, self.operations = 0, 0.0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        name = function.overloadpacket.__name__
        if function.is_view or name in MAKES_NO_TRAFFIC:
            return result
        arrays = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, torch.Tensor)]
        self.bytes += sum(array.numel() * array.element_size() for array in arrays)
        if name in ("mm", "bmm", "addmm"):
            inner = args[-1].shape[-2]
            self.operations += (8 if result.is_complex() else 2) * result.numel() * inner
        elif name in ("_fft_r2c", "_fft_c2r"):
            real = args[0] if name == "_fft_r2c" else result
            self.operations += 2.5 * real.numel() * math.log2(real.shape[-1])
        elif name == "convolution":
            self.operations += 2 * result.numel() * args[1][0].numel()
        elif name == "convolution_backward":
            self.operations += 2 * sum(args[10][:2]) * args[0].numel() * args[2][0].numel()
        return result
