"""Simulated skies: batches of quasar and galaxy spectra on any torch device."""

from .galaxies import Galaxies, simulate_galaxies
from .quasars import Quasars, simulate_quasars

__all__ = ["Galaxies", "Quasars", "simulate_galaxies", "simulate_quasars"]
