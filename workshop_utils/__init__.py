"""Machine learning for astronomy: the tools behind the notebooks of the course."""

from .apply import measure_redshift

__all__ = ["measure_redshift"]
__version__ = "0.1.0"
