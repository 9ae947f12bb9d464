"""How the check cells of the notebooks judge an answer: with a reason, and without ever stopping the notebook."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .shapes import ArrayLike


def attempt(function: Any, *args: Any):
    """What the learner's function returns; the exception, as a value, if it raises one.

    >>> attempt(lambda x: 1 / x, 0)
    ZeroDivisionError('division by zero')
    """
    try:
        return function(*args)
    except Exception as error:
        return error


def is_close(answer: Any, truth: Any, tolerance: ArrayLike = 1e-6):
    """Whether an answer has the shape of the truth and is within `tolerance` of it everywhere (False for no numbers).

    Parameters
    ----------
    answer : anything
        Numbers, sequences, arrays and tensors are compared; all else is not close.
    truth : float or array
    tolerance : float or array

    >>> is_close([1.0, 2.0], [1.0, 2.001], tolerance=0.01), is_close([1.0], 1.0), is_close(None, 1.0)
    (True, True, False)
    """
    try:
        answer = answer.detach() if hasattr(answer, "detach") else answer  # a tensor that carries a gradient
        answer, truth = (np.asarray(values, dtype=float) for values in (answer, truth))
        if truth.ndim == 0 and answer.size == 1:  # a list or array of one number, for a number
            answer = answer.reshape(())
        return answer.shape == truth.shape and bool(np.all(np.abs(answer - truth) <= tolerance))
    except (TypeError, ValueError, RuntimeError):
        return False


def verdict(mistakes: Sequence[tuple], right: str):
    """Print "Not yet" with the first message that applies, else "Right"; return which of the two.

    Parameters
    ----------
    mistakes : list of (bool, str)
        Whether a mistake was made, and what to say then; usual mistakes first, the plain "wrong" last.
    right : str
        What to say if none was made.

    Returns
    -------
    bool

    >>> verdict([(True, 'too large.'), (False, 'too small.')], 'well done.')
    Not yet: too large.
    False
    """
    for made, message in mistakes:
        if made:
            print(f"Not yet: {message}")
            return False
    print(f"Right: {right}")
    return True
