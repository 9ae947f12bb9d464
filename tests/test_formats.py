"""Spectra as other surveys hand them out: one real quasar in every layout gives one redshift, or a reason why not."""

import bz2
import gzip

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.io import fits
from astropy.nddata import InverseVariance
from astropy.table import Table

from workshop_utils import identify_spectra
from workshop_utils.sources import real_spectra
from workshop_utils.spectra import Recorded, SpectrumError, read_spectra
from workshop_utils.spectra.formats import sort_columns, to_vacuum


@pytest.fixture(scope="module")
def quasar():
    """A real quasar of SDSS-I, its redshift, and what is found in its own file."""
    row = real_spectra().query("`class` == 'QSO' and 1.5 < z < 2.3").sort_values("sn_median", ascending=False).iloc[0]
    (recorded,) = read_spectra(row.file)
    return recorded, row.z


def to_air(vacuum):
    """The inverse of `to_vacuum`, by iteration."""
    air = np.array(vacuum)
    for _ in range(5):
        air *= vacuum / to_vacuum(air, True)
    return air


def image(rows, header, name="SPECTRUM"):
    hdu = fits.PrimaryHDU(np.asarray(rows, np.float32))
    hdu.header.update(header)
    return fits.HDUList([hdu])


def write_sp_spec(path, spectrum):
    """DR7 and before: rows of an image, the third the error, 0 where there is none."""
    error = np.where(spectrum.ivar > 0, np.maximum(spectrum.ivar, 1e-12) ** -0.5, 0)
    rows = [spectrum.flux, 0 * error, error, 0 * error, 0 * error]
    image(rows, {"COEFF0": spectrum.loglam[0], "COEFF1": 1e-4, "VACUUM": True}).writeto(path)


def write_lamost(path, spectrum):
    """DR1 to DR7: flux, ivar, and more; the header says where it was recorded."""
    rows = [spectrum.flux, spectrum.ivar, 10**spectrum.loglam, 0 * spectrum.flux, 0 * spectrum.flux]
    header = {"COEFF0": spectrum.loglam[0], "COEFF1": 1e-4, "TELESCOP": "LAMOST"}
    image(rows, header).writeto(path)


def write_desi(path, spectrum, targets=(39000000000000001, 39000000000000002)):
    """Three arms on linear wavelengths that overlap, two targets, some pixels masked."""
    hdus = [fits.PrimaryHDU(), fits.BinTableHDU(Table({"TARGETID": list(targets)}), name="FIBERMAP")]
    for arm, low, high in (("B", 3900, 5800), ("R", 5760, 7620), ("Z", 7520, 9150)):
        wavelength = np.arange(low, high, 0.8)
        flux, ivar = (np.interp(np.log10(wavelength), spectrum.loglam, y) for y in (spectrum.flux, spectrum.ivar))
        mask = np.zeros((2, len(wavelength)), np.int32)
        mask[:, 100:110] = 1
        flux[100:110] = 1e6
        hdus.append(fits.ImageHDU(wavelength, name=f"{arm}_WAVELENGTH"))
        hdus += [fits.ImageHDU(np.array([x, x]), name=f"{arm}_{name}") for name, x in (("FLUX", flux), ("IVAR", ivar))]
        hdus.append(fits.ImageHDU(mask, name=f"{arm}_MASK"))
    fits.HDUList(hdus).writeto(path)


def write_linear_image(path, spectrum, header):
    """One-dimensional, linear in air, its variance in an extension."""
    wavelength = np.arange(3900.0, 9100.0, 1.5)
    at = np.log10(to_vacuum(wavelength, True))
    flux, ivar = (np.interp(at, spectrum.loglam, y) for y in (spectrum.flux, spectrum.ivar))
    hdus = image(flux, {"CRVAL1": 3900.0, "CDELT1": 1.5, "CRPIX1": 1, **header})
    hdus.append(fits.ImageHDU(1 / np.maximum(ivar, 1e-12), name="VARIANCE"))
    hdus.writeto(path)


def columns(spectrum):
    error = np.maximum(spectrum.ivar, 1e-12) ** -0.5
    return 10**spectrum.loglam, spectrum.flux, error


def write_rows(path, spectrum):
    """One row that holds arrays, as VANDELS and LAMOST DR8 write them."""
    wave, flux, error = columns(spectrum)
    Table({"WAVE": [wave], "FLUX": [flux], "ERR": [error]}).write(path, format="fits")


def write_nanometres(path, spectrum):
    """A table with its wavelengths in nm, said by a unit."""
    wave, flux, error = columns(spectrum)
    table = Table({"wavelength": (wave / 10)[::-1] * units.nm, "flux": flux[::-1], "flux_error": error[::-1]})
    table.write(path, format="ascii.ecsv")


def write_csv(path, spectrum):
    pd.DataFrame({"loglam": spectrum.loglam, "flux": spectrum.flux, "ivar": spectrum.ivar}).to_csv(path, index=False)


def write_columns(path, spectrum):
    """Columns of numbers without a name."""
    np.savetxt(path, np.array(columns(spectrum)).T)


def write_packed(pack):
    def write(path, spectrum):
        table = Table({"loglam": spectrum.loglam, "flux": spectrum.flux, "ivar": spectrum.ivar})
        plain = path.with_suffix(".plain")
        table.write(plain, format="fits")
        path.write_bytes(pack(plain.read_bytes()))

    return write


LAYOUTS = {
    "spSpec-1-2-3.fit": write_sp_spec,
    "spec-55862-B6212_sp06-003.fits": write_lamost,
    "linear_air.fits": lambda path, spectrum: write_linear_image(path, spectrum, {"CTYPE1": "AWAV"}),
    "rows.fits": write_rows,
    "nm.ecsv": write_nanometres,
    "spectrum.csv": write_csv,
    "spectrum.txt": write_columns,
    "spectrum.fits.gz": write_packed(gzip.compress),
    "spectrum.fits.bz2": write_packed(bz2.compress),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_gives_the_redshift(tmp_path, quasar, name):
    spectrum, z = quasar
    LAYOUTS[name](tmp_path / name, spectrum)
    table = identify_spectra(tmp_path / name)
    assert table.problem.tolist() == [""] and table.p_quasar.iloc[0] > 0.9
    assert table.z.iloc[0] == pytest.approx(z, abs=0.01)


def test_a_desi_file_has_a_row_for_each_target(tmp_path, quasar):
    spectrum, z = quasar
    write_desi(tmp_path / "coadd-main-dark-1.fits", spectrum)
    table = identify_spectra(tmp_path / "coadd-main-dark-1.fits")
    assert [name.split("#")[1] for name in table.index] == ["39000000000000001", "39000000000000002"]
    assert np.allclose(table.z, z, atol=0.01) and (table.problem == "").all()


@pytest.mark.parametrize("lost", ["Z_FLUX", "R_WAVELENGTH", "B_IVAR"])
def test_a_desi_file_without_an_arm_is_named(tmp_path, quasar, lost):
    write_desi(tmp_path / "coadd.fits", quasar[0])
    with fits.open(tmp_path / "coadd.fits") as hdus:
        fits.HDUList([hdu for hdu in hdus if hdu.name != lost]).writeto(tmp_path / "cut.fits")
    with pytest.raises(SpectrumError, match=f"cut.fits: a DESI file without {lost}"):
        read_spectra(tmp_path / "cut.fits")


def test_a_dead_fibre_costs_no_other_target(tmp_path, quasar):
    write_desi(tmp_path / "coadd.fits", quasar[0])
    with fits.open(tmp_path / "coadd.fits", mode="update") as hdus:
        for arm in "BRZ":
            hdus[f"{arm}_IVAR"].data[0] = 0
    table = identify_spectra(tmp_path / "coadd.fits")
    assert "no usable pixel" in table.problem.iloc[0] and table.problem.iloc[1] == ""
    assert table.z.iloc[1] == pytest.approx(quasar[1], abs=0.02)


@pytest.mark.parametrize("write", [write_desi, write_sp_spec])
def test_a_packed_file_that_breaks_off_is_not_read_as_far_as_it_goes(tmp_path, quasar, write):
    write(tmp_path / "whole.fits", quasar[0])
    packed = gzip.compress((tmp_path / "whole.fits").read_bytes())
    (tmp_path / "cut.fits.gz").write_bytes(packed[: int(0.7 * len(packed))])
    with pytest.raises(SpectrumError, match="cut.fits.gz: the download was cut off"):
        read_spectra(tmp_path / "cut.fits.gz")


def test_masked_values_are_bad_pixels(tmp_path, quasar):
    wave, flux, error = columns(quasar[0])
    hole = slice(1000, 1400)
    text = pd.DataFrame({"wavelength": wave, "flux": flux, "error": error})
    text.loc[1000:1399, "flux"] = np.nan  # empty cells
    text.to_csv(tmp_path / "a.csv", index=False)
    whole = fits.Column("flux", "J", array=np.where(np.arange(len(flux)) // 400 == 3, -999, 1e3 * flux), null=-999)
    others = fits.Column("loglam", "D", array=np.log10(wave)), fits.Column("ivar", "D", array=1e-6 * error**-2)
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns([whole, *others])]).writeto(tmp_path / "b.fits")
    masked = np.ma.masked_array(flux, False)
    masked[hole] = np.ma.masked
    for source in (tmp_path / "a.csv", tmp_path / "b.fits", (wave, masked, error**-2)):
        (recorded,) = read_spectra(source)
        good = np.isfinite(recorded.flux) & (recorded.ivar > 0)
        assert 0 < good.sum() <= len(flux) - 400
        assert identify_spectra([source]).z.iloc[0] == pytest.approx(quasar[1], abs=0.02)


def test_a_hole_counts_as_not_recorded_in_whatever_form(quasar):
    """Where ivar is 0, in all but 300 pixels at either end, nothing was recorded; so nothing is answered."""
    wave, flux, error = columns(quasar[0])
    ivar = error**-2.0
    ivar[300:-300] = 0
    with pytest.raises(ValueError, match="pixels were recorded"):
        identify_spectra((wave, flux, ivar))
    (recorded,) = read_spectra((np.repeat(wave, 2) + np.tile([0, 0.1], len(wave)), *np.repeat([flux, ivar], 2, 1)))
    assert 500 < (recorded.ivar > 0).sum() < 700 and len(recorded.ivar) > 3000


def test_plates_and_odd_objects_are_named(tmp_path, quasar):
    hdus = image(np.ones((20, 4000)), {"COEFF0": 3.57, "COEFF1": 1e-4})
    hdus.append(fits.ImageHDU(np.ones((20, 4000)), name="IVAR"))
    hdus.writeto(tmp_path / "spPlate-0266-51630.fits")
    with pytest.raises(SpectrumError, match="20 spectra of a plate"):
        read_spectra(tmp_path / "spPlate-0266-51630.fits")
    wave, flux, error = columns(quasar[0])
    good, huge = (wave, flux, error**-2), (wave, 1e42 * flux, 1e-84 * error**-2)  # as a luminosity
    assert identify_spectra([huge, good]).z.to_numpy() == pytest.approx(quasar[1], abs=0.02)


def test_spectra_in_memory(quasar):
    spectrum, z = quasar
    wave, flux, error = columns(spectrum)

    class Spectrum1D:
        spectral_axis = (wave / 10) * units.nm
        uncertainty = InverseVariance(error**-2)

    Spectrum1D.flux = flux * units.Unit("1e-17 erg / (s cm2 AA)")
    table = identify_spectra([(wave, flux, error**-2), Spectrum1D()])
    assert table.index.tolist() == ["spectrum 0", "spectrum 1"] and np.allclose(table.z, z, atol=0.01)
    assert identify_spectra((wave, flux, error**-2)).z.iloc[0] == pytest.approx(table.z.iloc[0], rel=1e-4)
    with pytest.raises(ValueError, match="spectrum 0: wrong lengths"):
        identify_spectra([(wave[:-1], flux, error)])
    with pytest.raises(ValueError, match="a int is neither a path"):
        identify_spectra([7])


def test_air_or_vacuum_is_asked_for_where_the_header_does_not_say(tmp_path, quasar):
    path = tmp_path / "linear.fits"
    write_linear_image(path, quasar[0], {})
    with pytest.raises(ValueError, match=r"linear\.fits: .* pass air=True or air=False"):
        identify_spectra(path)
    assert identify_spectra(path, air=True).z.iloc[0] == pytest.approx(quasar[1], abs=0.01)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("lfs.fits", b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 172800\n", "Git LFS pointer"),
        ("page.fits", b"<!DOCTYPE html><html><title>404 Not Found</title></html>", "web page"),
        ("strain.hdf5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("labels.csv", b"file,class\na,QSO\nb,STAR\n", "columns file, class; name them wavelength"),
        ("noise.csv", b"wavelength,flux\n4000,1\n4001,2\n", "no column with errors"),
        ("words.csv", b"wavelength,flux,error\na,b,c\nd,e,f\n", "do not hold numbers"),
        ("x.fits", b"SIMPLE  =                    T / it ends here", "cut off"),
    ],
)
def test_files_that_are_something_else_are_named_as_such(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(SpectrumError, match=words) as caught:
        read_spectra(tmp_path / name)
    assert str(caught.value).startswith(str(tmp_path / name))


def test_an_mwm_file_is_refused_by_its_name(tmp_path):
    table = fits.BinTableHDU(Table({"flux": [[1.0]]}))
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(tmp_path / "mwmStar-0.6.0-1.fits")
    with pytest.raises(SpectrumError, match="mwmStar or mwmVisit file of SDSS-V"):
        read_spectra(tmp_path / "mwmStar-0.6.0-1.fits")


def test_too_little_coverage_is_not_answered(tmp_path, quasar):
    spectrum = quasar[0]
    write_csv(tmp_path / "blue.csv", Recorded("", *(column[:400] for column in spectrum[1:])))
    with pytest.raises(ValueError, match=r"blue\.csv: only 3\d\d of 4,618 pixels .* too little coverage"):
        identify_spectra(tmp_path / "blue.csv")


@pytest.mark.parametrize(
    ("names", "kinds"),
    [
        (["LAMBDA", "F_LAMBDA", "SIGMA"], {"wavelength", "flux", "error"}),
        (["log_lam", "flux", "inverse variance"], {"loglam", "flux", "ivar"}),
        (["Wave (nm)", "spec", "var"], {"wavelength", "flux", "variance"}),
        (["a", "b"], set()),
    ],
)
def test_columns_as_people_write_them(names, kinds):
    assert set(sort_columns(names)) == kinds


def test_pixels_finer_than_the_grid_are_averaged_by_their_weights():
    loglam = np.log10(np.arange(8000.0, 8400.0, 0.4))  # four or five pixels in a bin
    rng = np.random.default_rng(1)
    (fine,) = read_spectra((10**loglam, 1 + rng.normal(0, 1, len(loglam)), np.ones(len(loglam))))
    assert len(fine.flux) < len(loglam) / 3
    assert fine.ivar.sum() == pytest.approx(len(loglam))
    assert np.std((fine.flux - 1) * np.sqrt(fine.ivar)) == pytest.approx(1, abs=0.2)
