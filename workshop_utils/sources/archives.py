"""Public archives: spectra of SDSS."""

import contextlib

from .download import fetch
from .folders import cache_folder, find_data
from .writing import DownloadError

# Science Archive Server, data release 17: www.sdss4.org/dr17/spectro/spectro_access, /dr17/data_access/bulk
SDSS_ARCHIVE = "https://data.sdss.org/sas/dr17"
BOSS_FOLDERS = ("eboss/spectro/redux/v5_13_2",)
SDSS_I_FOLDERS = ("sdss/spectro/redux/26", "sdss/spectro/redux/103", "sdss/spectro/redux/104")
FIRST_BOSS_PLATE = 3510


def fetch_sdss(plate: int | str, mjd: int | str, fiber: int | str):
    """Fetch one SDSS spectrum (data release 17, the "lite" file), known by plate, date and fibre.

    Parameters
    ----------
    plate, mjd, fiber : int
        As in the name of the file: spec-PLATE-MJD-FIBER.fits.

    Returns
    -------
    Path
        The file in a data folder, if it is there, else in the cache.

    Raises
    ------
    DownloadError
    """
    plate, mjd, fiber = int(plate), int(mjd), int(fiber)
    name = f"spec-{plate:04d}-{mjd}-{fiber:04d}.fits"
    with contextlib.suppress(FileNotFoundError):
        return find_data(f"sdss/{name}")
    for folder in BOSS_FOLDERS if plate >= FIRST_BOSS_PLATE else SDSS_I_FOLDERS:
        try:
            url = f"{SDSS_ARCHIVE}/{folder}/spectra/lite/{plate:04d}/{name}"
            return fetch(url, cache_folder() / "sdss-dr17" / name)
        except DownloadError as error:
            if error.status != 404:
                raise
    raise DownloadError(
        f"{name}: SDSS data release 17 has no such spectrum; look up plate, MJD and fibre "
        "at https://skyserver.sdss.org/dr17.",
        404,
    )
