"""Simulated skies: batches of quasar and galaxy spectra and of strain, on any torch device."""

from .binaries import Strain, simulate_strain
from .galaxies import Galaxies, simulate_galaxies
from .quasars import Quasars, simulate_quasars

__all__ = ["Galaxies", "Quasars", "Strain", "simulate_galaxies", "simulate_quasars", "simulate_strain"]
