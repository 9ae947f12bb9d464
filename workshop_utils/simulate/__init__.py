"""Simulated skies, in batches on any torch device: quasars, galaxies, stars and empty fibres; and strain."""

from .binaries import Strain, simulate_strain
from .galaxies import Galaxies, simulate_galaxies
from .quasars import Quasars, simulate_quasars
from .sky import simulate_empty
from .stars import Stars, simulate_stars

__all__ = [
    "Galaxies",
    "Quasars",
    "Stars",
    "Strain",
    "simulate_empty",
    "simulate_galaxies",
    "simulate_quasars",
    "simulate_stars",
    "simulate_strain",
]
