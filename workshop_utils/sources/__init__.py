"""Sources: where data come from. Folders are searched first; then files are downloaded and cached."""

from .archives import (
    BOSS_FOLDERS,
    FIRST_BOSS_PLATE,
    GW150914_ARCHIVE,
    GW150914_FILES,
    SDSS_ARCHIVE,
    SDSS_I_FOLDERS,
    fetch_gw150914,
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
    real_spectra,
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
    "GW150914_ARCHIVE",
    "GW150914_FILES",
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
    "fetch_gw150914",
    "fetch_sdss",
    "find_data",
    "kaggle_competition_file",
    "kaggle_file",
    "real_spectra",
    "shipped",
    "unzip",
    "write_text",
    "disk_errors_named",
    "atomic_write",
]
