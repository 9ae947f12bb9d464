"""Sources: where data come from. Folders are searched first; then files are downloaded and cached."""

from .archives import (
    BOSS_FOLDERS,
    FIRST_BOSS_PLATE,
    SDSS_ARCHIVE,
    SDSS_I_FOLDERS,
    fetch_sdss,
)
from .download import (
    CONNECTION_ERRORS,
    PAUSE,
    TRIES,
    fetch,
)
from .folders import (
    DATA,
    KAGGLE_INPUT,
    cache_folder,
    find_data,
    shipped,
)
from .kaggle import (
    KAGGLE_COMPETITION,
    KAGGLE_DATASET,
    KAGGLE_REFUSALS,
    KAGGLE_SECRETS,
    SILENCE,
    kaggle_competition_file,
    kaggle_file,
    unzip,
)
from .real_sky import (
    own_spectra,
    real_events,
    real_spectra,
    real_strain,
    remedy,
)
from .writing import (
    ORPHAN_AGE,
    DownloadError,
    atomic_write,
    disk_errors_named,
    write_text,
)

__all__ = [
    "BOSS_FOLDERS",
    "CONNECTION_ERRORS",
    "DATA",
    "DownloadError",
    "FIRST_BOSS_PLATE",
    "KAGGLE_COMPETITION",
    "KAGGLE_DATASET",
    "KAGGLE_INPUT",
    "KAGGLE_REFUSALS",
    "KAGGLE_SECRETS",
    "ORPHAN_AGE",
    "PAUSE",
    "SDSS_ARCHIVE",
    "SDSS_I_FOLDERS",
    "SILENCE",
    "TRIES",
    "cache_folder",
    "fetch",
    "fetch_sdss",
    "find_data",
    "kaggle_competition_file",
    "kaggle_file",
    "own_spectra",
    "real_events",
    "real_spectra",
    "real_strain",
    "remedy",
    "shipped",
    "unzip",
    "write_text",
    "disk_errors_named",
    "atomic_write",
]
