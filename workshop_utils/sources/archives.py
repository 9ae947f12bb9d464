"""Public archives: spectra of SDSS, strain of GW150914."""

import contextlib

from .download import fetch
from .folders import cache_folder, find_data
from .writing import DownloadError

# Science Archive Server, data release 17: www.sdss4.org/dr17/spectro/spectro_access, /dr17/data_access/bulk
SDSS_ARCHIVE = "https://data.sdss.org/sas/dr17"
BOSS_FOLDERS = ("eboss/spectro/redux/v5_13_2",)
SDSS_I_FOLDERS = ("sdss/spectro/redux/26", "sdss/spectro/redux/103", "sdss/spectro/redux/104")
FIRST_BOSS_PLATE = 3510

# Gravitational Wave Open Science Center, the catalogue GWTC-1: gwosc.org/eventapi/html/GWTC-1-confident/GW150914/v3
GW150914_ARCHIVE = "https://gwosc.org/eventapi/json/GWTC-1-confident/GW150914/v3"
GW150914_FILES = ("H-H1_GWOSC_4KHZ_R1-1126259447-32.hdf5", "L-L1_GWOSC_4KHZ_R1-1126259447-32.hdf5")


def fetch_sdss(plate, mjd, fiber):
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


def fetch_gw150914(folder=None):
    """Fetch the strain of the first detection: 32 s around GW150914, 4,096 Hz, as HDF5 files of GWOSC (2 MB).

    Parameters
    ----------
    folder : str or Path, optional
        Where the folder "gw150914" with H-H1*.hdf5 and L-L1*.hdf5 lies, see ``find_data``.

    Returns
    -------
    list of Path
        The files of H1 and L1, in a data folder, if they are there, else in the cache.

    Raises
    ------
    DownloadError
    """
    with contextlib.suppress(FileNotFoundError):
        held = find_data("gw150914", folder)
        paths = [next(iter(sorted(held.glob(f"{name[:4]}*.hdf5"))), None) for name in GW150914_FILES]
        if all(paths):
            return paths
    return [fetch(f"{GW150914_ARCHIVE}/{name}", cache_folder() / "gw150914" / name) for name in GW150914_FILES]
