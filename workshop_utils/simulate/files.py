"""Simulated spectra as files: laid out like those of SDSS, so that whatever reads the one reads the other."""

import os
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.table import Table

from ..spectra import LOGLAM


def write_sdss(quasars, folder):
    """Write simulated quasars as FITS files like those of SDSS: HDU 1 the spectrum, HDU 2 class and redshift.

    Parameters
    ----------
    quasars : Quasars
        From `simulate_quasars`.
    folder : str or Path
        Made if it is not there. The names, spec-0000-00000-NNNN.fits, are those of no real plate.

    Returns
    -------
    list of str
        The files, in the order of the quasars.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    files = []
    for i, (flux, ivar, z, sn) in enumerate(zip(*(column.cpu().numpy() for column in quasars), strict=True)):
        recorded = slice(*(np.flatnonzero(ivar)[[0, -1]] + [0, 1]))
        columns = {"flux": flux, "loglam": LOGLAM.astype(np.float32), "ivar": ivar}
        coadd = {name: values[recorded] for name, values in columns.items()}
        row = {"CLASS": ["QSO"], "Z": [z], "ZWARNING": [0], "SN_MEDIAN_ALL": [sn]}
        hdus = [fits.PrimaryHDU(), *(fits.table_to_hdu(Table(part)) for part in (coadd, row))]
        hdus[0].header["ORIGIN"] = "simulated"
        hdus[1].name, hdus[2].name = "COADD", "SPECOBJ"
        files.append(str(Path(folder) / f"spec-0000-00000-{i + 1:04d}.fits"))
        fits.HDUList(hdus).writeto(files[-1] + ".part", overwrite=True)
        os.replace(files[-1] + ".part", files[-1])
    return files
