"""Simulated skies: batches of quasar spectra on any torch device."""

from .quasars import Quasars, simulate_quasars

__all__ = ["Quasars", "simulate_quasars"]
