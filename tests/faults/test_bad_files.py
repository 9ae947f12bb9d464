"""Strange files: each gives the right answer, or an error that names the file and the cause, and in good time.

None hangs, runs code, takes much memory, or lets NaN through in silence.
"""

import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from astropy.io import fits
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save
from torch import nn

from conftest import quasar
from workshop_utils import measure_redshift
from workshop_utils.simulate.files import write_kaggle
from workshop_utils.sources import DownloadError, own_spectra, unzip
from workshop_utils.spectra import N_PIXELS, SpectrumError, kaggle_blocks, kaggle_labels, read_sdss, standardise
from workshop_utils.strain import StrainError, g2net_labels, read_g2net, read_gwosc
from workshop_utils.survey import SurveyError, open_survey, prepare_spectra
from workshop_utils.training import load_checkpoint, load_state, save_checkpoint

NATIVE = 3.5530 + 1e-4 * np.arange(4622)
ERRORS = (SpectrumError, StrainError, SurveyError, DownloadError, ValueError, FileNotFoundError)


@pytest.fixture(autouse=True)
def no_hang():
    """A reader that takes longer than half a minute hangs."""
    if os.name != "posix":
        yield
        return
    import signal

    def hang(*_):
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(30)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def refused(read, path, words=""):
    """Reading fails, with one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ERRORS, match=words) as caught:
            read(path)
    message = str(caught.value)
    assert Path(path).name in message and "\n" not in message.strip(), message
    return message


def cases(table):
    return pytest.mark.parametrize("case", table, ids=str)


# --------------------------------------------------------------------------------------------- FITS


def write_fits(path, flux=None, ivar=None, loglam=NATIVE, names=("flux", "loglam", "ivar"), dtype=">f4", row=None):
    """A quasar of redshift 2 as SDSS lays it out, with any part of it changed."""
    default = quasar(NATIVE)
    flux, ivar = default[0] if flux is None else flux, default[1] if ivar is None else ivar
    columns = dict(zip(names, (flux, loglam, ivar), strict=True))
    table = Table({name: np.asarray(values, dtype) for name, values in columns.items()})
    row = {"CLASS": ["QSO"], "Z": [2.0], "SN_MEDIAN_ALL": [5.0]} if row is None else row
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="COADD"), fits.BinTableHDU(Table(row), name="SPECOBJ")]
    fits.HDUList(hdus).writeto(path, overwrite=True)
    return path


def changed(name, change):
    """A file with one column changed."""

    def make(path):
        values = dict(zip(("flux", "ivar"), quasar(NATIVE), strict=True)) | {"loglam": NATIVE.copy()}
        values[name] = change(values[name].copy())
        write_fits(path, **values)

    return make


def with_bytes(make, change):
    """A file with its bytes changed."""

    def write(path):
        make(path)
        path.write_bytes(change(bytearray(path.read_bytes())))

    return write


def put(values, where, what):
    values[where] = what
    return values


def bloat(data):
    """A header that says the table is of 10^12 rows."""
    at = data.index(b"NAXIS2  =", 2880)
    data[at : at + 30] = b"NAXIS2  =        1000000000000"
    return data


def many_cards(path):
    """A header of 2 MB."""
    write_fits(path)
    data = path.read_bytes()
    end = data.index(b"END" + b" " * 77)
    cards = b"".join(f"COMMENT {i}".ljust(80).encode() for i in range(36 * 700))  # 700 blocks of 2,880 bytes
    path.write_bytes(data[:end] + cards + data[end:])


def in_units(factor):
    flux, ivar = quasar(NATIVE)
    return lambda path: write_fits(path, flux * factor, ivar * factor**-2, dtype="f8")


def replaced(old, new):
    return lambda data: data.replace(old, new)


def repeated(path):
    order = np.sort(np.r_[np.arange(4622), 1000, 1001, 1002])
    flux, ivar = quasar(NATIVE)
    write_fits(path, flux[order], ivar[order], NATIVE[order])


def table_of_other_shape(path):
    """Each row holds an array, as in spectra of other surveys."""
    flux, ivar = quasar(NATIVE)
    write_fits(path, flux[None], ivar[None], NATIVE[None])


def compressed_image(path):
    image = fits.CompImageHDU(np.arange(100.0).reshape(10, 10))
    fits.HDUList([fits.PrimaryHDU(), image]).writeto(path)


GOOD_FITS = {  # read, and the redshift is found
    "as SDSS writes it": lambda path: write_fits(path),
    "little-endian in memory, written as float64": lambda path: write_fits(path, dtype="<f8"),
    "flux as whole numbers": lambda path: write_fits(path, np.rint(100 * quasar(NATIVE)[0]), quasar(NATIVE)[1] / 1e4),
    "names in capitals": lambda path: write_fits(path, names=("FLUX", "LOGLAM", "IVAR")),
    "flux in erg/s/cm2/A: 1e17 times too small": in_units(1e-17),
    "flux 1e17 times too large": in_units(1e17),
    "flux 1e30 times too small": in_units(1e-30),
    "a tenth of the pixels NaN": changed("flux", lambda flux: put(flux, slice(0, None, 10), np.nan)),
    "a tenth of the pixels inf": changed("flux", lambda flux: put(flux, slice(3, None, 10), np.inf)),
    "one pixel of 1e30": changed("flux", lambda flux: put(flux, 2000, 1e30)),
    "ivar NaN in places": changed("ivar", lambda ivar: put(ivar, slice(0, None, 7), np.nan)),
    "ivar negative in places": changed("ivar", lambda ivar: put(ivar, slice(0, None, 7), -1)),
    "ivar inf in places": changed("ivar", lambda ivar: put(ivar, slice(0, None, 7), np.inf)),
    "bytes appended": with_bytes(write_fits, lambda data: data + bytes(2880)),
    "a header of 2 MB": many_cards,
    "a redshift row of NaN": lambda path: write_fits(path, row={"CLASS": [""], "Z": [np.nan]}),
    "a redshift row of text": lambda path: write_fits(path, row={"CLASS": ["QSO"], "Z": ["two"]}),
    "a redshift row of arrays": lambda path: write_fits(path, row={"CLASS": ["QSO"], "Z": [[2.0, 2.1]]}),
    "one pixel of 1e300": lambda path: write_fits(path, put(quasar(NATIVE)[0], 2000, 1e300), dtype="f8"),
    "one row that holds arrays": table_of_other_shape,
    "a redshift row of other names": lambda path: write_fits(path, row={"A": [1]}),
}
BAD_FITS = {
    "no bytes": (lambda path: path.touch(), "is empty"),
    "zeros": (lambda path: path.write_bytes(bytes(20_000)), "not a FITS file"),
    "text": (lambda path: path.write_text("wavelength flux\n1 2\n"), "not a FITS file"),
    "a web page": (lambda path: path.write_text("<!DOCTYPE html>" * 500), "not a FITS file"),
    "only the primary header": (with_bytes(write_fits, lambda data: data[:2880]), "no COADD table|cut off"),
    "half": (with_bytes(write_fits, lambda data: data[: len(data) // 2]), "cut off"),
    "one byte short": (with_bytes(write_fits, lambda data: data[:-1]), "cut off"),
    "no header of the table": (with_bytes(write_fits, lambda data: put(data, slice(2880, 5760), b"\xff" * 2880)), ""),
    "10^12 rows by the header": (with_bytes(write_fits, bloat), ""),
    "rows of 13 bytes": (with_bytes(write_fits, replaced(b"NAXIS1  = %20d" % 12, b"NAXIS1  = %20d" % 13)), ""),
    "an image": (lambda path: fits.PrimaryHDU(np.ones((50, 50))).writeto(path), "no COADD table"),
    "a compressed image": (compressed_image, "no COADD table|columns"),
    "no flux": (lambda path: write_fits(path, names=("flx", "loglam", "ivar")), "columns flux, loglam and ivar"),
    "no ivar": (lambda path: write_fits(path, names=("flux", "loglam", "sky")), "columns flux, loglam and ivar"),
    "text in place of flux": (lambda path: write_fits(path, np.full(4622, "x"), dtype="U8"), "does not hold numbers"),
    "wavelengths in A": (changed("loglam", lambda loglam: 10**loglam), "log10"),
    "wavelengths in nm, log10": (changed("loglam", lambda loglam: loglam - 1), "no usable pixel between"),
    "wavelengths in metres, log10": (changed("loglam", lambda loglam: loglam - 10), "no usable pixel|log10"),
    "wavelengths shuffled": (changed("loglam", lambda loglam: np.random.default_rng(0).permutation(loglam)), "ascend"),
    "wavelengths falling": (changed("loglam", lambda loglam: loglam[::-1]), "ascend"),
    "rows repeated": (repeated, "ascend"),
    "one wavelength NaN": (changed("loglam", lambda loglam: put(loglam, 7, np.nan)), "finite"),
    "flux NaN": (changed("flux", lambda flux: flux * np.nan), "flux not finite"),
    "flux inf": (changed("flux", lambda flux: flux * np.inf), "flux not finite"),
    "flux 0 everywhere": (changed("flux", lambda flux: 0 * flux), "the same in every pixel"),
    "flux 7 everywhere": (changed("flux", lambda flux: 0 * flux + 7), "the same in every pixel"),
    "ivar 0": (changed("ivar", lambda ivar: 0 * ivar), "ivar is 0"),
    "one good pixel": (changed("ivar", lambda ivar: put(0 * ivar, 2000, 1)), "only 1 usable"),
    "ten good pixels": (changed("ivar", lambda ivar: put(0 * ivar, slice(2000, 2010), 1)), "only 10 usable"),
    "two pixels": (lambda path: write_fits(path, np.ones(2), np.ones(2), NATIVE[:2]), "only 2 usable pixels"),
    "no rows": (lambda path: write_fits(path, np.ones(0), np.ones(0), np.ones(0)), "at least two"),
}


@cases(GOOD_FITS)
def test_odd_fits_files_that_hold_a_spectrum(tmp_path, case, count):
    GOOD_FITS[case](tmp_path / "spec.fits")
    table = measure_redshift([tmp_path / "spec.fits"])
    assert table.problem.iloc[0] == "" and table.z.iloc[0] == pytest.approx(2.0, abs=0.03)
    spectrum = read_sdss(tmp_path / "spec.fits")
    assert np.isfinite(spectrum.flux).all() and np.isfinite(spectrum.ivar).all() and (spectrum.ivar >= 0).all()
    count("odd and bad files of a name, each answered rightly or refused")


@cases(BAD_FITS)
def test_bad_fits_files_are_refused(tmp_path, case, count):
    make, words = BAD_FITS[case]
    make(tmp_path / "spec.fits")
    refused(read_sdss, tmp_path / "spec.fits", words)
    message = refused(measure_redshift, tmp_path / "spec.fits")
    assert message.startswith("None of the 1 files can be used")
    count("odd and bad files of a name, each answered rightly or refused")


@given(st.data())
def test_bit_flips_in_fits_are_answered_or_refused(flip_fits, data):
    """Any bit of a FITS file flipped: the redshift, or an error that names the file; never a number that is none."""
    path, whole = flip_fits
    bits = data.draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=1, max_size=20))
    path.write_bytes(flipped(whole, bits))
    outcome(read_spectrum, path)


@given(st.floats(0, 1), st.binary(max_size=3000))
def test_fits_cut_anywhere_and_mended_with_noise(flip_fits, share, noise):
    path, whole = flip_fits
    path.write_bytes(whole[: int(share * len(whole))] + noise)
    outcome(read_spectrum, path)


@pytest.fixture(scope="module")
def flip_fits(tmp_path_factory):
    path = write_fits(tmp_path_factory.mktemp("flip") / "spec.fits")
    return path, path.read_bytes()


def flipped(data, bits):
    data = bytearray(data)
    for bit in bits:
        data[bit // 8] ^= 1 << bit % 8
    return data


def read_spectrum(path):
    spectrum = read_sdss(path)
    assert spectrum.flux.shape == spectrum.ivar.shape == (N_PIXELS,)
    return [spectrum.flux, spectrum.ivar, standardise(spectrum.flux)]


def outcome(read, path):
    """What is read is finite, or it is refused with one line that names the file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read(path)
        except ERRORS as error:
            assert Path(path).name in str(error) and "\n" not in str(error).strip()
        else:
            assert all(np.isfinite(np.asarray(part)).all() for part in found)


# --------------------------------------------------------------------------------------------- HDF5


def survey_file(path, n=8, **changes):
    """A Kaggle file of `n` spectra; `changes` replace data sets, None takes one away."""
    write_kaggle(path, n, seed=3)
    with h5py.File(path, "a") as file:
        for name, change in changes.items():
            values = file[name][:]
            del file[name]
            if change is not None:
                file[name] = change(values)
    return path


def read_survey_file(path):
    labels = kaggle_labels(path)
    return [flux for flux in kaggle_blocks(path, labels["row"])] + [labels["z"], labels["thing_id"]]


class Evil:
    """What pickle runs when it is loaded."""

    def __reduce__(self):
        return os.mkdir, ("executed",)


GOOD_HDF5 = {
    "as it is": {},
    "big-endian": dict(flux=lambda flux: flux.astype(">f4"), z_vi=lambda z: z.astype(">f8")),
    "float64": dict(flux=lambda flux: flux.astype("f8")),
    "labels as bytes of numbers": dict(z_conf=lambda conf: conf.astype("i1"), thing_id=lambda ids: ids.astype("u4")),
    "no experts' redshift in half of the rows": dict(z_vi=lambda z: put(z, slice(0, None, 2), np.nan)),
    "every object twice": dict(thing_id=lambda ids: ids // 2),
}
BAD_HDF5 = {
    "no flux": (dict(flux=None), "no data set flux"),
    "no redshift": (dict(z_vi=None), "no data set z_vi"),
    "no object": (dict(thing_id=None), "no data set thing_id"),
    "other pixels": (dict(flux=lambda flux: flux[:, :4000]), "4618 pixels"),
    "turned": (dict(flux=lambda flux: flux.T.copy()), "4618 pixels"),
    "one spectrum alone": (dict(flux=lambda flux: flux[0]), "4618 pixels"),
    "flux of text": (dict(flux=lambda flux: np.full(flux.shape, b"x")), "flux holds"),
    "flux of complex numbers": (dict(flux=lambda flux: flux + 1j), "flux holds"),
    "labels of text": (dict(z_vi=lambda z: np.full(z.shape, b"two")), "z_vi holds"),
    "fewer labels": (dict(z_vi=lambda z: z[:-1]), "other lengths"),
    "labels as a table": (dict(z_vi=lambda z: z[:, None]), "other lengths"),
    "redshift a single number": (dict(z_vi=lambda z: z[0]), "other lengths"),
}


@cases(GOOD_HDF5)
def test_odd_hdf5_files_that_hold_spectra(tmp_path, case, count):
    path = survey_file(tmp_path / "survey.h5", **GOOD_HDF5[case])
    flux, z, thing = read_survey_file(path)
    assert flux.dtype == np.float32 and flux.dtype.isnative and len(flux) == len(z) > 0
    assert np.isfinite(flux).all() and np.isfinite(z).all() and thing.dtype.kind in "iu"
    count("odd and bad files of a name, each answered rightly or refused")


@cases(BAD_HDF5)
def test_bad_hdf5_files_are_refused(tmp_path, case, count):
    changes, words = BAD_HDF5[case]
    refused(read_survey_file, survey_file(tmp_path / "survey.h5", **changes), words)
    count("odd and bad files of a name, each answered rightly or refused")


def group_of_its_name(path):
    with h5py.File(path, "w") as file:
        file.create_group("flux")


def linked_elsewhere(path):
    with h5py.File(path, "w") as file:
        file["flux"] = h5py.ExternalLink("/etc/passwd", "flux")


def lost_filter(path):
    """Compressed and then overwritten in the middle."""
    with h5py.File(path, "w") as file:
        flux = np.random.default_rng(0).normal(size=(8, N_PIXELS)).astype("f4")
        file.create_dataset("flux", data=flux, compression="gzip")
        for name in ("z_vi", "thing_id", "sn_median_all", "class_person", "plate", "mjd", "fiberid", "z_conf"):
            file[name] = np.full(8, 3)
    data = bytearray(path.read_bytes())
    data[20_000:60_000] = bytes(40_000)
    path.write_bytes(data)


STRANGE_HDF5 = {
    "empty": lambda path: path.touch(),
    "text": lambda path: path.write_text("flux\n"),
    "a web page": lambda path: path.write_text("<html>"),
    "still zipped": lambda path: zipfile.ZipFile(path, "w").close(),
    "FITS": lambda path: write_fits(path),
    "half": lambda path: with_bytes(survey_file, lambda data: data[: len(data) // 2])(path),
    "one byte short": lambda path: with_bytes(survey_file, lambda data: data[:-1])(path),
    "a group in place of flux": group_of_its_name,
    "a link out of the file": linked_elsewhere,
    "a damaged block": lost_filter,
}


@cases(STRANGE_HDF5)
def test_strange_hdf5_files_are_refused(tmp_path, case, count):
    STRANGE_HDF5[case](tmp_path / "survey.h5")
    refused(read_survey_file, tmp_path / "survey.h5")
    refused(lambda path: prepare_spectra(path, tmp_path / "prepared"), tmp_path / "survey.h5")
    assert not (tmp_path / "prepared").exists()
    count("odd and bad files of a name, each answered rightly or refused")


@given(st.data())
def test_bit_flips_in_hdf5_are_answered_or_refused(flip_hdf5, data):
    """Bits flipped in the part of an HDF5 file that says what lies where, the first and last 4 kB."""
    path, whole = flip_hdf5
    ends = st.one_of(st.integers(0, 8 * 4096), st.integers(8 * (len(whole) - 4096), 8 * len(whole) - 1))
    path.write_bytes(flipped(whole, data.draw(st.lists(ends, min_size=1, max_size=10))))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            found = read_survey_file(path)
        except ERRORS as error:
            assert "survey.h5" in str(error)
        else:
            assert np.isfinite(np.asarray(found[-2], float)).all()


@pytest.fixture(scope="module")
def flip_hdf5(tmp_path_factory):
    path = survey_file(tmp_path_factory.mktemp("flip") / "survey.h5")
    return path, path.read_bytes()


def gwosc_file(path, strain=None, rate=4096, seconds=4, **more):
    """A strain file as GWOSC lays it out."""
    if strain is None:
        strain = 1e-19 * np.random.default_rng(0).normal(size=rate * seconds)
    with h5py.File(path, "w") as file:
        file["strain/Strain"] = strain
        file["strain/Strain"].attrs["Xspacing"] = more.get("spacing", 1 / rate)
        file["meta/GPSstart"], file["meta/Detector"] = 1126259446, "H1"
        file["quality/simple/DQmask"] = more.get("mask", np.full(seconds, 127, np.uint32))
        names = [b"DATA", b"CBC_CAT1", b"CBC_CAT2", b"CBC_CAT3", b"BURST_CAT1", b"BURST_CAT2", b"BURST_CAT3"]
        file["quality/simple/DQShortnames"] = names
        for name in more.get("drop", ()):
            del file[name]
    return path


NOISE = 1e-19 * np.random.default_rng(1).normal(size=16384)
BAD_GWOSC = {
    "NaN where there are no data": (lambda path: gwosc_file(path, put(NOISE.copy(), slice(99, 500), np.nan)), "gap of"),
    "all NaN": (lambda path: gwosc_file(path, NOISE * np.nan), "no good data"),
    "all zero": (lambda path: gwosc_file(path, 0 * NOISE), "all values are 0"),
    "1e21 times too large": (lambda path: gwosc_file(path, NOISE * 1e21), "no strain"),
    "too slow": (lambda path: gwosc_file(path, rate=512), "512 Hz"),
    "spacing 0": (lambda path: gwosc_file(path, spacing=0.0), ""),
    "spacing NaN": (lambda path: gwosc_file(path, spacing=np.nan), ""),
    "spacing negative": (lambda path: gwosc_file(path, spacing=-1 / 4096), "Hz"),
    "two rows": (lambda path: gwosc_file(path, NOISE.reshape(2, -1)), "one row"),
    "text": (lambda path: gwosc_file(path, np.full(100, b"loud")), ""),
    "flagged as bad": (lambda path: gwosc_file(path, mask=np.array([127, 0, 127, 127], np.uint32)), "flagged as bad"),
    "a mask of another length": (lambda path: gwosc_file(path, mask=np.full(3, 127, np.uint32)), ""),
    "no strain": (lambda path: gwosc_file(path, drop=["strain"]), "no strain of GWOSC"),
    "no start": (lambda path: gwosc_file(path, drop=["meta/GPSstart"]), "no meta/GPSstart"),
    "text file": (lambda path: path.write_text("0 1 2"), "neither HDF5 nor text"),
    "half": (with_bytes(gwosc_file, lambda data: data[: len(data) // 2]), "no whole file of strain"),
}


@cases(BAD_GWOSC)
def test_bad_gwosc_files_are_refused(tmp_path, case, count):
    make, words = BAD_GWOSC[case]
    make(tmp_path / "H1.hdf5")
    refused(read_gwosc, tmp_path / "H1.hdf5", words)
    count("odd and bad files of a name, each answered rightly or refused")


def test_a_good_gwosc_file_is_read(tmp_path):
    record = read_gwosc(gwosc_file(tmp_path / "H1.hdf5"))
    assert record.strain.shape == (8192,) and 0 < np.abs(record.strain).max() < 1e-17 and record.detector == "H1"
    spacing = gwosc_file(tmp_path / "big.hdf5", NOISE.astype(">f4"))
    assert np.isfinite(read_gwosc(spacing).strain).all()


# --------------------------------------------------------------------------------------------- npy

STRAIN = 1e-20 * np.random.default_rng(2).normal(size=(3, 4096))


def npy(values, **options):
    return lambda path: np.save(path, values, **options)


def with_header(header, data=b""):
    """An npy file whose header says what it likes."""
    return lambda path: path.write_bytes(b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data)


def of_shape(shape, data=b""):
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return with_header(header + b" " * (-(len(header) + 11) % 64) + b"\n", data)


GOOD_NPY = {
    "float64": npy(STRAIN),
    "float32": npy(STRAIN.astype("f4")),
    "big-endian": npy(STRAIN.astype(">f8")),
    "columns first": npy(np.asfortranarray(STRAIN)),
    "a detector off": npy(put(STRAIN.copy(), 2, 0)),
    "weak: 1e-23": npy(1e-3 * STRAIN),
}
BAD_NPY = {
    "empty": (lambda path: path.touch(), "no whole .npy"),
    "text": (lambda path: path.write_text("1 2 3"), "no whole .npy"),
    "a web page": (lambda path: path.write_text("<html>"), "no whole .npy"),
    "pickled objects": (npy(np.array([Evil()], object), allow_pickle=True), "no whole .npy"),
    "a bare pickle": (lambda path: path.write_bytes(pickle.dumps(Evil())), "no whole .npy"),
    "an npz archive": (lambda path: np.savez(path.open("wb"), STRAIN), "shape|no whole"),
    "half": (with_bytes(npy(STRAIN), lambda data: data[: len(data) // 2]), "no whole .npy"),
    "only the header": (with_bytes(npy(STRAIN), lambda data: data[:128]), "no whole .npy"),
    "10^15 samples by the header": (of_shape((10**9, 10**6)), "no whole .npy"),
    "a negative shape": (of_shape((-3, 4096), data=bytes(1000)), "no whole .npy|shape"),
    "a header of code": (with_header(b"__import__('os').mkdir('executed')".ljust(118)), "no whole .npy"),
    "a header of 65 kB": (with_header(b"(" * 65535), "no whole .npy"),
    "turned": (npy(STRAIN.T), "shape"),
    "two detectors": (npy(STRAIN[:2]), "shape"),
    "no axis": (npy(np.float64(1e-21)), "shape"),
    "one sample more": (npy(np.pad(STRAIN, ((0, 0), (0, 1)))), "shape"),
    "whole numbers": (npy((STRAIN * 1e22).astype(int)), "float|no strain|number|type"),
    "complex": (npy(STRAIN + 1j * STRAIN), ""),
    "text inside": (npy(np.full((3, 4096), "loud")), ""),
    "truth values": (npy(STRAIN > 0), ""),
    "NaN": (npy(put(STRAIN.copy(), (0, 7), np.nan)), "nan|finite|NaN"),
    "inf": (npy(put(STRAIN.copy(), (0, 7), np.inf)), "inf|finite"),
    "all zero": (npy(0 * STRAIN), "zero|off"),
    "whitened: 1e21 times too large": (npy(STRAIN * 1e21), "strain"),
    "underflown: 1e-60": (npy(STRAIN * 1e-40), "strain"),
}


@cases(GOOD_NPY)
def test_odd_npy_files_that_hold_strain(tmp_path, case, count):
    GOOD_NPY[case](tmp_path / "0a1b2c.npy")
    strain = read_g2net(tmp_path / "0a1b2c.npy")
    truth = np.load(tmp_path / "0a1b2c.npy")
    assert strain.dtype == np.float32 and strain.shape == (1, 3, 4096)
    np.testing.assert_allclose(strain[0], truth, rtol=1e-6)  # nothing underflows
    count("odd and bad files of a name, each answered rightly or refused")


@cases(BAD_NPY)
def test_bad_npy_files_are_refused(tmp_path, case, count, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make, words = BAD_NPY[case]
    make(tmp_path / "0a1b2c.npy")
    refused(read_g2net, tmp_path / "0a1b2c.npy", words)
    assert not (tmp_path / "executed").exists()
    count("odd and bad files of a name, each answered rightly or refused")


@given(st.data())
def test_bit_flips_in_npy_are_answered_or_refused(flip_npy, data):
    path, whole = flip_npy
    bits = st.one_of(st.integers(0, 8 * 128), st.integers(0, 8 * len(whole) - 1))
    path.write_bytes(flipped(whole, data.draw(st.lists(bits, min_size=1, max_size=10))))
    outcome(read_g2net, path)


@pytest.fixture(scope="module")
def flip_npy(tmp_path_factory):
    path = tmp_path_factory.mktemp("flip") / "0a1b2c.npy"
    np.save(path, STRAIN)
    return path, path.read_bytes()


# --------------------------------------------------------------------------------------------- csv


@pytest.fixture
def labelled(tmp_path):
    """Folder of three samples of strain, and write(text) for their table."""
    for name in ("000a", "000b", "000c"):
        np.save(tmp_path / f"{name}.npy", STRAIN)

    def write(content):
        path = tmp_path / "training_labels.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return tmp_path

    return write


GOOD = "id,target\n000a,0\n000b,1\n000c,0\n"
GOOD_CSV = {
    "as it is": GOOD,
    "lines end as on Windows": GOOD.replace("\n", "\r\n"),
    "a byte order mark": "\ufeff" + GOOD,
    "in another order": "id,target\n000c,0\n000a,0\n000b,1\n",
    "a column more": GOOD.replace("\n", ",x\n"),
    "columns turned": "target,id\n0,000a\n1,000b\n0,000c\n",
    "no end of line": GOOD.rstrip(),
    "quoted": GOOD.replace("000a", '"000a"'),
}
BAD_CSV = {
    "empty": ("", "no table"),
    "only names": ("id,target\n", "no label|without|move"),
    "names missing": (GOOD.removeprefix("id,target\n"), "columns are"),
    "names changed": (GOOD.replace("target", "label"), "columns are"),
    "a web page": ("<!DOCTYPE html><html>Please log in</html>", "columns are|no table"),
    "bytes that are no text": (bytes(range(128, 256)) * 50, "no table"),
    "zeros": (bytes(1000), "columns are|no table"),
    "an id twice": (GOOD + "000a,1\n", "twice"),
    "a label without a file": (GOOD + "000d,1\n", "no file"),
    "a file without a label": (GOOD.replace("000c,0\n", ""), "no label"),
    "target 2": (GOOD.replace("000b,1", "000b,2"), "0 or 1"),
    "target -1": (GOOD.replace("000b,1", "000b,-1"), "0 or 1"),
    "target NaN": (GOOD.replace("000b,1", "000b,nan"), "0 or 1"),
    "target missing": (GOOD.replace("000b,1", "000b,"), "0 or 1"),
    "target text": (GOOD.replace("000b,1", "000b,signal"), "0 or 1"),
    "an id that leads out": (GOOD.replace("000a", "../000a"), "no file"),
    "a quote never closed": (GOOD.replace("000b", '"000b'), "no table|0 or 1|no file"),
    "semicolons": (GOOD.replace(",", ";"), "columns are"),
}


@cases(GOOD_CSV)
def test_odd_tables_that_hold_labels(labelled, case, count):
    table = g2net_labels(labelled(GOOD_CSV[case]))
    assert dict(zip(table["id"], table["target"], strict=True)) == {"000a": 0, "000b": 1, "000c": 0}
    count("odd and bad files of a name, each answered rightly or refused")


@cases(BAD_CSV)
def test_bad_tables_are_refused(labelled, case, count):
    content, words = BAD_CSV[case]
    folder = labelled(content)
    with pytest.raises(StrainError, match=words) as caught:
        g2net_labels(folder)
    assert str(folder) in str(caught.value) and "\n" not in str(caught.value)
    count("odd and bad files of a name, each answered rightly or refused")


ROWS = "file,class,z\nspec-0001-00001-0001.fits,QSO,2.0\n"
BAD_LABELS = {
    "empty": ("", "no table"),
    "no column file": (ROWS.replace("file", "name"), "file, class, z"),
    "no column z": (ROWS.replace("z\n", "redshift\n").replace(",z", ""), "file, class, z"),
    "redshift of text": (ROWS.replace("2.0", "two"), "number"),
    "no text": (bytes(range(128, 256)) * 9, "no table"),
    "a web page": ("<!DOCTYPE html><html>\n<body>a,b,c,d\n", "file, class, z|no table"),
}


@cases(BAD_LABELS)
def test_bad_labels_of_spectra_are_refused(tmp_path, case, count):
    content, words = BAD_LABELS[case]
    (tmp_path / "sdss").mkdir()
    write_fits(tmp_path / "sdss" / "spec-0001-00001-0001.fits")
    path = tmp_path / "sdss" / "labels.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(lambda path: own_spectra(tmp_path), path, words)
    count("odd and bad files of a name, each answered rightly or refused")


ODD_LABELS = {
    "a file that is not there": (ROWS + "spec-0009-00009-0009.fits,QSO,1\n", 1),
    "a row twice": (ROWS + ROWS.splitlines()[1] + "\n", 1),
    "a path that leads out": (ROWS + "../outside.fits,QSO,1\n/etc/passwd,QSO,1\n", 1),
    "no name": (ROWS + ",QSO,1\n", 1),
}


@cases(ODD_LABELS)
def test_odd_labels_of_spectra(tmp_path, case, count):
    content, n = ODD_LABELS[case]
    (tmp_path / "sdss").mkdir()
    for place in ("sdss/spec-0001-00001-0001.fits", "outside.fits"):
        write_fits(tmp_path / place)
    (tmp_path / "sdss" / "labels.csv").write_text(content)
    table = own_spectra(tmp_path)
    assert len(table) == n and np.isfinite(table["z"]).all()
    count("odd and bad files of a name, each answered rightly or refused")


@given(st.binary(max_size=300))
def test_tables_of_any_bytes_are_read_or_refused(any_table, content):
    (any_table / "training_labels.csv").write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            g2net_labels(any_table, partial=True)
        except StrainError as error:
            assert "training_labels.csv" in str(error)


@pytest.fixture(scope="module")
def any_table(tmp_path_factory):
    return tmp_path_factory.mktemp("table")


# --------------------------------------------------------------------------------------------- safetensors


def network():
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def weights(**changes):
    """A checkpoint with some tensors changed; None takes one away."""

    def make(path):
        tensors = {name: value.clone() for name, value in network().state_dict().items()} | changes
        path.write_bytes(save({name: value for name, value in tensors.items() if value is not None}, {"card": "{}"}))

    return make


def header_says(header, data=b"", length=None):
    """A safetensors file whose header says what it likes."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def card(text):
    return lambda path: path.write_bytes(save(network().state_dict(), {"card": text}))


F32 = {"dtype": "F32", "shape": [4, 3], "data_offsets": [0, 48]}
BAD_SAFETENSORS = {
    "empty": (lambda path: path.touch(), "damaged"),
    "text": (lambda path: path.write_text("weights"), "damaged"),
    "a web page": (lambda path: path.write_text("<!DOCTYPE html>" * 30), "damaged"),
    "a pickle, as torch.save writes it": (lambda path: torch.save(network().state_dict(), path), "damaged"),
    "a bare pickle": (lambda path: path.write_bytes(pickle.dumps(Evil())), "damaged"),
    "half": (with_bytes(weights(), lambda data: data[: len(data) // 2]), "damaged"),
    "one byte short": (with_bytes(weights(), lambda data: data[:-1]), "damaged"),
    "one byte more": (with_bytes(weights(), lambda data: data + b"\0"), "damaged"),
    "a header of 2^60 bytes": (header_says({}, length=2**60), "damaged"),
    "a header of 150 MB": (header_says(b" " * 150, length=150_000_000), "damaged"),
    "a header that is no JSON": (header_says(b"{" * 100), "damaged"),
    "a header as deep as a well": (header_says(b"[" * 100_000), "damaged"),
    "another shape than its data": (header_says({"0.weight": {**F32, "shape": [400, 300]}}, bytes(48)), "damaged"),
    "offsets beyond the end": (header_says({"0.weight": {**F32, "data_offsets": [0, 10**12]}}, bytes(48)), "damaged"),
    "offsets that go back": (header_says({"0.weight": {**F32, "data_offsets": [48, 0]}}, bytes(48)), "damaged"),
    "two tensors on one place": (header_says({"0.weight": F32, "0.bias": F32}, bytes(48)), "damaged"),
    "an unknown type": (header_says({"0.weight": {**F32, "dtype": "F99"}}, bytes(48)), "damaged"),
    "a shape of 2^63": (header_says({"0.weight": {**F32, "shape": [2**63, 2**63]}}, bytes(48)), "damaged"),
    "other shapes": (weights(**{"0.weight": torch.zeros(5, 3)}), "another shape"),
    "a name missing": (weights(**{"0.weight": None}), "another shape"),
    "a name more": (weights(extra=torch.zeros(3)), "another shape"),
    "no tensor": (header_says({}), "another shape"),
    "NaN in the weights": (weights(**{"0.weight": torch.full((4, 3), torch.nan)}), "no number"),
    "inf in the weights": (weights(**{"0.bias": torch.full((4,), torch.inf)}), "no number"),
    "a card that is no JSON": (card("{'seed': 1}"), "card"),
    "a card that is a list": (card("[1, 2]"), "card"),
}


@cases(BAD_SAFETENSORS)
def test_bad_checkpoints_are_refused(tmp_path, case, count, monkeypatch):
    """And the network keeps the weights it had."""
    monkeypatch.chdir(tmp_path)
    make, words = BAD_SAFETENSORS[case]
    make(tmp_path / "net.safetensors")
    untouched = network()
    before = [value.clone() for value in untouched.state_dict().values()]
    refused(lambda path: load_checkpoint(untouched, path), tmp_path / "net.safetensors", words)
    assert all(torch.equal(a, b) for a, b in zip(before, untouched.state_dict().values(), strict=True))
    assert not (tmp_path / "executed").exists()
    count("odd and bad files of a name, each answered rightly or refused")


GOOD_SAFETENSORS = {
    "as it is": weights(),
    "no card": lambda path: path.write_bytes(save(network().state_dict())),
    "half precision": lambda path: path.write_bytes(
        save({k: v.half() if v.is_floating_point() else v for k, v in network().state_dict().items()})
    ),
    "a card that asks for other shapes": card('{"network": "CNN", "kernels": [9, 9], "parameters": 1000000}'),
}


@cases(GOOD_SAFETENSORS)
def test_odd_checkpoints_that_hold_the_network(tmp_path, case, count):
    """What a card says is never obeyed: the shapes are those of the network one has."""
    GOOD_SAFETENSORS[case](tmp_path / "net.safetensors")
    loaded = network()
    assert isinstance(load_checkpoint(loaded, tmp_path / "net.safetensors"), dict)
    assert loaded(torch.ones(2, 3)).isfinite().all() and not loaded.training
    count("odd and bad files of a name, each answered rightly or refused")


BAD_STATES = {
    "no state": {"card": "{}"},
    "a state that is no JSON": {"state": "step 3"},
    "a state that is a list": {"state": "[]"},
    "a state without a step": {"state": '{"seconds": 1.0}'},
    "a step of text": {"state": '{"step": "x", "seconds": 1.0, "history": [], "loss_sum": 0.0}'},
}


@cases(BAD_STATES)
def test_bad_states_of_a_training_are_refused(tmp_path, case, count):
    one = network()
    tensors = {f"network.{name}": value for name, value in one.state_dict().items()}
    (tmp_path / "state.safetensors").write_bytes(save(tensors, BAD_STATES[case]))
    refused(lambda path: load_state(path, one, torch.optim.Adam(one.parameters())), tmp_path / "state.safetensors")
    count("odd and bad files of a name, each answered rightly or refused")


@given(st.data())
def test_bit_flips_in_safetensors_are_answered_or_refused(flip_safetensors, data):
    path, whole = flip_safetensors
    path.write_bytes(flipped(whole, data.draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=1, max_size=10))))

    def read(path):
        loaded = network()
        load_checkpoint(loaded, path)
        return [value for value in loaded.state_dict().values()]

    outcome(read, path)


@pytest.fixture(scope="module")
def flip_safetensors(tmp_path_factory):
    path = tmp_path_factory.mktemp("flip") / "net.safetensors"
    save_checkpoint(network(), path, {"seed": 3})
    return path, path.read_bytes()


# --------------------------------------------------------------------------------------------- zip


def archive(*members, **options):
    def make(path):
        with zipfile.ZipFile(path, "w", **options) as files:
            for name, content in members:
                files.writestr(name, content)

    return make


def link(path):
    """A member that is a symbolic link to a file outside."""
    with zipfile.ZipFile(path, "w") as files:
        member = zipfile.ZipInfo("q.h5")
        member.external_attr = 0o120777 << 16
        files.writestr(member, "/etc/passwd")


def encrypted(path):
    archive(("q.h5", b"content"))(path)
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)


def of_method(method):
    def make(path):
        archive(("q.h5", b"content"))(path)
        data = bytearray(path.read_bytes())
        for signature, offset in ((b"PK\3\4", 8), (b"PK\1\2", 10)):
            data[data.index(signature) + offset] = method
        path.write_bytes(data)

    return make


CONTENT = bytes(range(256)) * 40
BAD_ZIP = {
    "empty": (lambda path: path.touch(), "damaged"),
    "text": (lambda path: path.write_text("PK"), "damaged"),
    "half": (with_bytes(archive(("q.h5", CONTENT)), lambda data: data[: len(data) // 2]), "damaged"),
    "one byte changed": (with_bytes(archive(("q.h5", CONTENT)), lambda data: put(data, 500, 0xFF)), "damaged"),
    "compressed, one byte changed": (
        with_bytes(
            archive(("q.h5", CONTENT), compression=zipfile.ZIP_DEFLATED), lambda data: put(data, 200, data[200] ^ 0xFF)
        ),
        "damaged",
    ),
    "a list of contents that says it lies further on": (
        with_bytes(archive(("q.h5", CONTENT)), lambda data: put(data, len(data) - 5, data[-5] ^ 0x40)),
        "damaged",
    ),
    "nothing inside": (archive(), "holds no q.h5"),
    "another file": (archive(("a.h5", CONTENT)), "holds no q.h5"),
    "a folder of that name": (archive(("q.h5/", b"")), "holds no q.h5"),
    "a path with ..": (archive(("../q.h5", CONTENT)), "lead out"),
    "a path with .. beside a good one": (archive(("q.h5", CONTENT), ("a/../../b", b"")), "lead out"),
    "an absolute path": (archive(("/q.h5", CONTENT)), "lead out"),
    "an absolute path of Windows": (archive(("C:\\q.h5", CONTENT)), "lead out"),
    "a path with ..\\": (archive(("..\\q.h5", CONTENT)), "lead out"),
    "a share of Windows": (archive(("\\\\server\\share\\q.h5", CONTENT)), "lead out"),
    "with a password": (encrypted, "damaged|password"),
    "an unknown compression": (of_method(99), "damaged"),
    "LZMA, but not": (of_method(14), "damaged"),
}


@cases(BAD_ZIP)
def test_bad_archives_are_refused(tmp_path, case, count):
    """Nothing is left of them, and nothing appears outside the folder."""
    make, words = BAD_ZIP[case]
    (tmp_path / "in").mkdir()
    make(tmp_path / "in" / "q.h5.zip")
    refused(lambda path: unzip(path, "q.h5", tmp_path / "in" / "q.h5"), tmp_path / "in" / "q.h5.zip", words)
    assert [file.name for file in tmp_path.rglob("*") if file.is_file()] == ["q.h5.zip"]
    count("odd and bad files of a name, each answered rightly or refused")


def test_a_link_in_an_archive_is_no_way_out(tmp_path, count):
    """Its text is unpacked, not followed."""
    link(tmp_path / "q.h5.zip")
    unzip(tmp_path / "q.h5.zip", "q.h5", tmp_path / "q.h5")
    assert not (tmp_path / "q.h5").is_symlink() and (tmp_path / "q.h5").read_text() == "/etc/passwd"
    count("odd and bad files of a name, each answered rightly or refused")


@given(st.data())
def test_bit_flips_in_zip_are_answered_or_refused(flip_zip, data):
    folder, whole = flip_zip
    bits = data.draw(st.lists(st.integers(0, 8 * len(whole) - 1), min_size=1, max_size=10))
    (folder / "q.h5.zip").write_bytes(flipped(whole, bits))
    try:
        unzip(folder / "q.h5.zip", "q.h5", folder / "q.h5")
    except ERRORS as error:
        assert "q.h5.zip" in str(error) and not (folder / "q.h5").exists()
    else:
        assert (folder / "q.h5").read_bytes() == CONTENT
        (folder / "q.h5").unlink()


@pytest.fixture(scope="module")
def flip_zip(tmp_path_factory):
    folder = tmp_path_factory.mktemp("flip")
    buffer = io.BytesIO()
    archive(("q.h5", CONTENT), compression=zipfile.ZIP_DEFLATED)(buffer)
    return folder, buffer.getvalue()


# --------------------------------------------------------------------------------------------- prepared surveys


def test_bad_prepared_surveys_are_refused(tmp_path, count):
    folder = tmp_path / "prepared"
    prepare_spectra(survey_file(tmp_path / "survey.h5", 20), folder)
    values, labels, card = (folder / name for name in ("values.npy", "labels.csv", "card.json"))
    whole = {file: file.read_bytes() for file in (values, labels, card)}

    def damage(file, change, words, **check):
        file.write_bytes(bytes(change(bytearray(whole[file]))))
        refused(lambda path: open_survey(path, **check), folder, words)
        file.write_bytes(whole[file])
        count("odd and bad files of a name, each answered rightly or refused")

    damage(values, lambda data: data[:-10], "not whole")
    damage(values, lambda data: b"", "not whole")
    damage(values, lambda data: put(data, 5000, data[5000] ^ 1), "differ from their checksums", check=True)
    damage(labels, lambda data: data[:-10], "damaged or was edited")
    damage(card, lambda data: data[:-10], "card.json")
    damage(card, lambda data: b"[]", "card.json")
    damage(card, lambda data: b"{}", "card.json")
    assert len(open_survey(folder, check=True).labels)
