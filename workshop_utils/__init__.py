"""Machine learning for astronomy: the tools behind the notebooks of the course."""

from importlib.metadata import version

from .apply import classify_spectra, detect_waves, find_mergers, identify_spectra, measure_redshift

__all__ = ["classify_spectra", "detect_waves", "find_mergers", "identify_spectra", "measure_redshift"]
__version__ = version("workshop_utils")
