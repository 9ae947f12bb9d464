"""Simulated skies as files, laid out like those of SDSS and Kaggle, so that what reads the one reads the other."""

import hashlib
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import torch
from astropy.io import fits
from astropy.table import Table

from ..sources import atomic_write
from ..spectra import LOGLAM, N_PIXELS, WAVELENGTH
from . import galaxies, quasars


def write_sdss(sources, folder):
    """Write simulated quasars as FITS files like those of SDSS: HDU 1 the spectrum, HDU 2 class and redshift.

    Parameters
    ----------
    sources : Quasars
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
    for i, (flux, ivar, z, sn) in enumerate(zip(*(column.cpu().numpy() for column in sources), strict=True)):
        recorded = slice(*(np.flatnonzero(ivar)[[0, -1]] + [0, 1]))
        columns = {"flux": flux, "loglam": LOGLAM.astype(np.float32), "ivar": ivar}
        coadd = {name: values[recorded] for name, values in columns.items()}
        row = {"CLASS": ["QSO"], "Z": [z], "ZWARNING": [0], "SN_MEDIAN_ALL": [sn]}
        hdus = [fits.PrimaryHDU(), *(fits.table_to_hdu(Table(part)) for part in (coadd, row))]
        hdus[0].header["ORIGIN"] = "simulated"
        hdus[1].name, hdus[2].name = "COADD", "SPECOBJ"
        files.append(str(Path(folder) / f"spec-0000-00000-{i + 1:04d}.fits"))
        with atomic_write(files[-1]) as beside:
            fits.HDUList(hdus).writeto(beside)
    return files


def write_kaggle(path, n, kind="quasar", seed=0, block=1024):
    """Write simulated spectra as a file like those of the Kaggle data set "sdss-iii-iv" (HDF5), of any size.

    The names and shapes of all its data sets are those of `dr16q-log-zvi-quasar.h5` (or `-galaxy.h5`). As in the
    survey, experts did not look at all spectra, were not sure of all, and found other classes; a tenth of the objects
    was observed twice in a row. Memory: a few blocks.

    Parameters
    ----------
    path : str or Path
    n : int
        Number of spectra.
    kind : str
        "quasar" or "galaxy": which simulation fills `flux`.
    seed : int
    block : int
        Spectra simulated and written at a time.

    Returns
    -------
    str or Path
        `path`, as given.

    >>> import tempfile
    >>> path = write_kaggle(Path(tempfile.mkdtemp()) / 'k.h5', 4)
    >>> path.name
    'k.h5'
    """
    rng, random = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    draw, simulate = {
        "quasar": (quasars.draw_redshifts, quasars.simulate_quasars),
        "galaxy": (galaxies.draw_redshifts, galaxies.simulate_galaxies),
    }[kind]
    z = draw(n, rng).double().numpy()
    again = 1 + np.flatnonzero(random.random(n - 1) < 0.1)  # observed again: the object of the row before
    z[again] = z[again - 1]
    with atomic_write(path) as beside, h5py.File(beside, "w") as file:
        file.attrs["origin"] = "simulated"
        file["wavelength"], file["wavelength_log"] = WAVELENGTH, LOGLAM
        for name in ("flux", "flux_norm"):
            file.create_dataset(name, (n, N_PIXELS), np.float32)
        sn = np.empty(n, np.float32)
        for rows in (slice(start, min(start + block, n)) for start in range(0, n, block)):
            spectra = simulate(rows.stop - rows.start, rng, z=z[rows])
            flux, z[rows], sn[rows] = (part.numpy() for part in (spectra.flux, spectra.z, spectra.sn))
            file["flux"][rows], file["flux_norm"][rows] = flux, kaggle_norm(flux)
        for name, values in kaggle_columns(z, sn, again, kind, random).items():
            file[name] = values
    return path


def kaggle_norm(flux):
    """Flux (n, 4618) as the data set's `flux_norm`: standardised, minus its minimum, plus 0.001, over its maximum."""
    norm = (flux - flux.mean(1, keepdims=True)) / flux.std(1, keepdims=True)
    norm += 0.001 - norm.min(1, keepdims=True)
    return norm / norm.max(1, keepdims=True)


def kaggle_columns(z, sn, again, kind, random):
    """Columns (n,) of a Kaggle file beside the spectra: what an expert and three programs made of each object."""
    n, quasar = len(z), kind == "quasar"
    looked_at = random.random(n) < 0.9
    classes, shares = ([3, 30, 1, 4, 50], [0.8, 0.1, 0.04, 0.04, 0.02]) if quasar else ([4, 1, 3], [0.9, 0.05, 0.05])
    person = np.where(looked_at, random.choice(classes, n, p=shares), 0)
    confidence = np.where(looked_at, random.choice([1, 2, 3], n, p=[0.05, 0.1, 0.85]), 0)
    thing_id = 100_000_000 + np.arange(n)
    thing_id[again] = thing_id[again - 1]
    thing_id[random.random(n) < 0.01] = -1
    plate, mjd, fiber = (random.integers(*limits, n) for limits in ((3510, 9000), (55000, 58000), (1, 1001)))
    spec = [f"spec-{p:04d}-{m}-{f:04d}.fits" for p, m, f in zip(plate, mjd, fiber, strict=True)]
    found = {name: z + 0.002 * (1 + z) * random.normal(size=n) for name in ("z_pipe", "z_pca", "z_qn")}
    return found | {
        "z": z,
        "z_vi": np.where(looked_at, z, -999.0),
        "z_conf": confidence,
        "z_dr12q": np.where(random.random(n) < 0.5, z, -1.0),
        "zwarn_pca": np.zeros(n, int),
        "class_person": person,
        "sn_median_all": sn,
        "bal_prob": np.where(person == 30, 0.9, 0.05) * random.random(n),
        "plate": plate,
        "mjd": mjd,
        "fiberid": fiber,
        "thing_id": thing_id,
        "index": np.arange(n),
        "sdss_name": np.array([f"sim{i:08d}" for i in range(n)], "S18"),
        "url": np.array(spec, "S32"),
        "deltachi2_pca": 1000 * random.random(n),
        "autoclass_dr14q": np.full(n, b"QSO" if quasar else b"GALAXY"),
        "autoclass_pqn": np.full(n, b"QSO" if quasar else b"GALAXY"),
        **{f"is_qso_{name}": np.full(n, int(quasar)) for name in ("dr12q", "final", "qn")},
    }


def write_g2net(blocks, folder):
    """Write strain as a tree of files like that of the g2net competition: train/a/b/c/abc....npy and their labels.

    Parameters
    ----------
    blocks : iterable of (strain (k, 3, 4096), target (k,)) tensors
        As many samples at a time as you like; float64 in the files, as in the competition's.
    folder : str or Path
        Must not be there yet.

    Returns
    -------
    Path
        `folder`
    """
    part, rows = Path(f"{folder}.part"), []
    if Path(folder).exists():
        raise FileExistsError(f"{folder} is there already; remove it, or choose another name.")
    shutil.rmtree(part, ignore_errors=True)  # of a run that was killed
    try:
        for strain, target in blocks:
            for one, has_signal in zip(strain.cpu().double().numpy(), target.cpu().tolist(), strict=True):
                name = hashlib.sha256(str(len(rows)).encode()).hexdigest()[:10]
                path = part / "train" / name[0] / name[1] / name[2] / f"{name}.npy"
                path.parent.mkdir(parents=True, exist_ok=True)
                np.save(path, one)
                rows.append(f"{name},{int(has_signal)}")
        (part / "training_labels.csv").write_text("\n".join(["id,target", *sorted(rows), ""]), encoding="utf-8")
        os.replace(part, folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Path(folder)
