"""Make data/real: the real sky that ships with the course, for evaluation only.

    python tools/make_real_sky.py FOLDER

FOLDER holds the originals: spec-PLATE-MJD-FIBER.fits of SDSS, arrays of spectra (gasnet3_3600_9200.npz: loglam, flux,
ivar, z, cls, object) and the strain files of GWOSC (32 s, *-32.hdf5), in any folders below it. Spectra that are listed
in the tables of data/real and missing in FOLDER are fetched from the archive of SDSS (those of the arrays are then not
cut to 3,600-9,200 A). The tables are written by hand: labels.csv lists the spectra, events.csv the strain.

Nine spectra stay as the archive has them, for the lesson of reading a file. The others keep the columns that the course
reads, compressed: flux rounded to a sixteenth of the median noise or finer, ivar to 1 in 64. Strain is brought to
2,048 Hz, as `strain.read_gwosc` does it, and stored as float32 in the layout of GWOSC.
"""

import argparse
import bz2
import io
import re
import shutil
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
from astropy.io import fits

from workshop_utils.sources import fetch_sdss
from workshop_utils.spectra import read_sdss
from workshop_utils.spectra.grid import usable
from workshop_utils.strain import SAMPLE_RATE, read_gwosc

REAL = Path(__file__).resolve().parents[1] / "data" / "real"
NAME = re.compile(r"spec-(\d{4,5}-\d{5}-\d{4})\.fits$")


def find_originals(folder):
    """Path of each original spectrum below a folder, by plate-mjd-fiber."""
    return {match[1]: path for path in sorted(folder.rglob("spec-*.fits")) if (match := NAME.search(path.name))}


def find_arrays(folder):
    """Spectra kept as arrays, by plate-mjd-fiber: loglam, flux, ivar, class, z."""
    found = {}
    for path in sorted(folder.rglob("*.npz")):
        with np.load(path, allow_pickle=False) as held:
            if not {"loglam", "flux", "ivar", "z", "cls", "object"} <= set(held):
                continue
            columns = (held[name] for name in ("flux", "ivar", "cls", "z"))
            for name, *row in zip(held["object"], *columns, strict=True):
                found[str(name)] = (held["loglam"], *row)
    return found


def thin(loglam, flux, ivar, row):
    """A spectrum as a FITS file, in bytes: what the course reads, rounded below its noise, compressed."""
    good = usable(flux, ivar)
    step = 2.0 ** np.floor(np.log2(np.median(ivar[good] ** -0.5) / 16))
    flux = np.where(good, np.round(flux / step) * step, 0)
    mantissa, exponent = np.frexp(np.where(good, ivar, 0))
    ivar = np.ldexp(np.round(mantissa * 128) / 128, exponent)
    coadd = fits.BinTableHDU.from_columns(
        [fits.Column(name, "E", array=values) for name, values in (("flux", flux), ("loglam", loglam), ("ivar", ivar))],
        name="COADD",
    )
    kind, z, sn = row
    columns = [fits.Column("CLASS", "6A", array=[kind]), fits.Column("Z", "E", array=[z])]
    table = fits.BinTableHDU.from_columns([*columns, fits.Column("SN_MEDIAN_ALL", "E", array=[sn])], name="SPECOBJ")
    out = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), coadd, table]).writeto(out)
    return bz2.compress(out.getvalue())


def read_original(path):
    """Columns loglam, flux, ivar and the row (class, z, S/N) of an original file of SDSS."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with fits.open(path, memmap=False) as hdus:
            coadd, row = hdus[1].data, hdus[2].data[0]
            columns = [np.array(coadd[name], np.float64) for name in ("loglam", "flux", "ivar")]
            names = {name.lower(): name for name in hdus[2].data.names}
            sn = next((row[names[name]] for name in ("sn_median_all", "sn_median") if name in names), np.nan)
            return *columns, (str(row[names["class"]]).strip(), float(row[names["z"]]), float(sn))


def write_spectra(labels, folder):
    """Write the spectra of the table of labels into data/real/spectra; each reads back by `read_sdss`."""
    originals, arrays = find_originals(folder), find_arrays(folder)
    (REAL / "spectra").mkdir(parents=True, exist_ok=True)
    for row in labels.itertuples():
        name, target = row.plate_mjd_fiber, REAL / row.file
        if name in arrays:
            loglam, flux, ivar, kind, z = arrays[name]
            good = usable(flux, ivar)
            stored = kind, z, np.median(flux[good] * np.sqrt(ivar[good]))
            target.write_bytes(thin(loglam, flux.astype(float), ivar.astype(float), stored))
        else:
            source = originals.get(name) or fetch_sdss(*name.split("-"))
            if target.suffix == ".fits":
                shutil.copyfile(source, target)
            else:
                target.write_bytes(thin(*read_original(source)))
        read_sdss(target)


def write_strain(events, folder):
    """Write the strain of the table of events into data/real/strain, at 2,048 Hz."""
    (REAL / "strain").mkdir(parents=True, exist_ok=True)
    originals = {(each.start, each.detector): (path, each) for path, each in read_all_strain(folder)}
    for row in events.itertuples():
        found = (
            found
            for (start, detector), found in originals.items()
            if detector == row.detector and start <= row.gps < start + len(found[1].strain) / SAMPLE_RATE
        )
        source, record = next(found, (None, None))
        if source is None:
            raise SystemExit(f"{folder}: no 32 s of {row.detector} around {row.event}; get the file from gwosc.org.")
        with h5py.File(source, "r") as old, h5py.File(REAL / row.file, "w", track_order=True) as new:
            old.copy("meta", new)
            simple = new.create_group("quality/simple")
            for name in ("DQmask", "DQShortnames", "DQDescriptions"):
                simple[name] = old["quality/simple"][name][:]
            values = record.strain.astype(np.float32)
            strain = new.create_dataset("strain/Strain", data=values, compression=9, shuffle=True, chunks=True)
            strain.attrs["Xspacing"], strain.attrs["Xstart"] = 1 / SAMPLE_RATE, record.start
            strain.attrs["Npoints"], strain.attrs["Xunits"] = len(values), "second"


def read_all_strain(folder):
    """Path and record of every strain file below a folder."""
    return [(path, read_gwosc(path)) for path in sorted(folder.rglob("*-32.hdf5"))]


def main():
    """Write data/real from the tables in it and a folder of originals."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    write_spectra(pd.read_csv(REAL / "labels.csv"), folder)
    write_strain(pd.read_csv(REAL / "events.csv"), folder)
    total = sum(path.stat().st_size for path in REAL.rglob("*") if path.is_file())
    print(f"{REAL}: {total / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
