"""Sliders where ipywidgets is installed; where it is not, the same figure once."""

from collections.abc import Callable


def slide(function: Callable, **sliders: tuple[float, float, float, float]):
    """Call a function again whenever one of its sliders is moved and released.

    Parameters
    ----------
    function : function
        Draws something; takes a number by each name in `sliders`.
    **sliders : (value, low, high, step)
        Where each slider begins, its ends and its step.

    >>> slide(lambda z: print(f"drawn at z = {z}"), z=(2.0, 0, 5, 0.1))  # doctest: +SKIP
    """
    try:
        from ipywidgets import FloatSlider, interact
    except ImportError:
        print("There are no sliders here (pip install ipywidgets): change the numbers in the cell and run it again.")
        function(**{name: value for name, (value, *_) in sliders.items()})
        return
    made = {
        name: FloatSlider(value, min=low, max=high, step=step, description=name, continuous_update=False)
        for name, (value, low, high, step) in sliders.items()
    }
    interact(function, **made)
