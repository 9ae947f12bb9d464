"""The grid, reading SDSS and Kaggle files, standardising, splitting."""

import numpy as np
import pandas as pd
import pytest
import torch
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import VINTAGES, quasar
from workshop_utils import spectra
from workshop_utils.sources import real_spectra
from workshop_utils.spectra import (
    LOGLAM,
    N_PIXELS,
    SpectrumError,
    find_spikes,
    kaggle_blocks,
    kaggle_labels,
    read_sdss,
    resample,
    split_by_thing,
    standardise,
)


def test_grid_is_that_of_the_paper():
    assert N_PIXELS == 4618
    np.testing.assert_allclose(LOGLAM, np.linspace(3.5522, 4.0139, 4618), atol=1e-12)
    assert spectra.WAVELENGTH[[0, -1]] == pytest.approx([3566.15, 10325.2], abs=0.1)


# ---------------------------------------------------------------------------------------------- standardise


def test_standardise_gives_mean_0_and_deviation_1_in_every_row():
    flux = np.random.default_rng(1).gamma(2, 3, (4, 5, N_PIXELS))
    result = standardise(flux)
    assert result.shape == flux.shape
    np.testing.assert_allclose(result.mean(-1), 0, atol=1e-12)
    np.testing.assert_allclose(result.std(-1), 1, rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.floats(-17, 17), st.integers(0, 100))
def test_standardise_does_not_feel_the_unit_of_the_flux(power, seed):
    flux = quasar(LOGLAM, seed=seed)[0].astype(np.float32)
    np.testing.assert_allclose(standardise(flux * np.float32(10**power)), standardise(flux), atol=1e-4)


def test_standardise_is_the_same_for_numpy_and_torch_and_keeps_the_type():
    flux = np.stack([quasar(LOGLAM, seed=i)[0] for i in range(3)]).astype(np.float32)
    result = standardise(torch.from_numpy(flux))
    assert result.dtype == torch.float32
    np.testing.assert_array_equal(result.numpy(), standardise(flux))
    assert standardise(flux.astype(">f4")).dtype == np.float32  # FITS is big-endian
    assert standardise(np.arange(20)).dtype == np.float32


def test_standardise_clips_outliers_and_little_else():
    flux = quasar(LOGLAM, z=1.0)[0]
    spoiled = flux.copy()
    spoiled[[100, 2001]] = 1e6, -1e6
    plain, clean = standardise(flux), standardise(spoiled)
    rest = np.setdiff1d(np.arange(N_PIXELS), [100, 2001])
    assert np.abs(plain - clean)[rest].max() < 0.2  # without clipping, all that is left would be near 0
    assert np.abs(clean).max() < 2 * spectra.CLIP_SIGMAS


def test_standardise_gives_zeros_for_constant_spectra_and_leaves_others_alone():
    flux = np.stack([np.full(N_PIXELS, 0.1), quasar(LOGLAM)[0], np.zeros(N_PIXELS)])
    result = standardise(flux)
    assert np.all(result[[0, 2]] == 0)
    np.testing.assert_allclose(result[1], standardise(flux[1]), atol=1e-12)


def test_standardise_keeps_a_line_on_a_flat_continuum():
    flux = np.ones(N_PIXELS)  # more than half of the pixels are equal: the median deviation is 0
    flux[1000:1020] = 5
    result = standardise(flux)
    assert np.isfinite(result).all() and result[1010] > 10


# ---------------------------------------------------------------------------------------------- read_sdss


@pytest.mark.parametrize("vintage", VINTAGES)
@pytest.mark.parametrize("full", [False, True])
def test_read_any_vintage(tmp_path, write_sdss, vintage, full):
    path = write_sdss(tmp_path / "spec-3655-55240-0001.fits", vintage, z=2.5, full=full)
    spectrum = read_sdss(str(path))
    assert spectrum.flux.dtype == spectrum.ivar.dtype == np.float32
    assert spectrum.flux.dtype.isnative
    assert spectrum.flux.shape == spectrum.ivar.shape == (N_PIXELS,)
    assert (spectrum.kind, spectrum.z, spectrum.sn_median) == ("QSO", 2.5, 7.5)
    start, n_pixels, _ = VINTAGES[vintage]
    inside = (LOGLAM > start + 5e-5) & (LOGLAM < start + 1e-4 * (n_pixels - 1) - 5e-5)
    assert np.all(spectrum.ivar[inside] > 0) and np.all(spectrum.ivar[LOGLAM < start - 1e-4] == 0)
    native = quasar(start + 1e-4 * np.arange(n_pixels), 2.5)[0]
    first = round((LOGLAM[inside][0] - start) / 1e-4)  # all vintages sit on multiples of 1e-4: a pure shift
    np.testing.assert_allclose(spectrum.flux[inside], native[first : first + inside.sum()], atol=0.02)


def test_read_without_redshift_row(tmp_path, write_sdss):
    path = write_sdss(tmp_path / "a.fits", row=False)
    spectrum = read_sdss(path)
    assert np.isnan(spectrum.z) and spectrum.kind == ""
    flux, ivar = quasar(VINTAGES["BOSS"][0] + 1e-4 * np.arange(VINTAGES["BOSS"][1]))
    assert spectrum.sn_median == pytest.approx(np.median(flux * np.sqrt(ivar)), rel=1e-3)


def test_bad_pixels_are_bridged():
    flux, ivar = 3 + np.arange(N_PIXELS) / 1000, np.ones(N_PIXELS)
    spoiled, holes = flux.copy(), ivar.copy()
    spoiled[500:520], holes[500:520] = 1e4, 0
    spoiled[700], spoiled[800], holes[900] = np.nan, np.inf, np.nan
    new_flux, new_ivar = resample(LOGLAM, spoiled, holes)
    np.testing.assert_allclose(new_flux, flux, rtol=1e-5)
    bad = np.r_[500:520, 700, 800, 900]
    assert np.all(new_ivar[bad] == 0) and np.all(np.delete(new_ivar, bad) == 1)


def test_resample_by_a_part_of_a_pixel_keeps_lines_where_they_are():
    native = 3.56 + 1e-4 * (np.arange(4400) + 0.37)
    flux = np.exp(-0.5 * ((native - 3.8) / 5e-4) ** 2)
    new_flux, new_ivar = resample(native, flux, np.full(4400, 4.0))
    inside = new_ivar > 0
    assert np.all(new_ivar[inside] == 4)
    centre = np.average(LOGLAM[inside], weights=new_flux[inside])
    assert centre == pytest.approx(3.8, abs=2e-6)


def test_outside_the_coverage_is_the_median_edge_value():
    native = LOGLAM[300:4000]
    flux = np.full(3700, 2.0)
    flux[0], flux[-1], flux[-30:] = 90, -90, 7
    new_flux, new_ivar = resample(native, flux, np.ones(3700))
    assert np.all(new_flux[:300] == 2) and np.all(new_flux[4000:] == 7)
    assert np.all(new_ivar[:300] == 0) and np.all(new_ivar[4000:] == 0)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("height", [-300, -20, 20, 3000])
def test_spikes_are_found(width, height):
    flux, ivar = np.random.default_rng(2).normal(10, 1, 2000), np.ones(2000)
    flux[1000 : 1000 + width] += height
    assert set(np.flatnonzero(find_spikes(flux, ivar))) == set(range(1000, 1000 + width))


@pytest.mark.parametrize("sigma", [1.0, 1.3, 2.0, 10.0])
@pytest.mark.parametrize("height", [8, 30, 1000])
@pytest.mark.parametrize("offset", [0.0, 0.25, 0.5])
def test_narrow_emission_lines_survive(sigma, height, offset):
    """As sharp as the spectrograph can make them: [OIII] of a galaxy has a sigma of 1.0 to 1.5 pixels."""
    pixel = np.arange(2000)
    flux = 10 + height * np.exp(-0.5 * ((pixel - 1000 - offset) / sigma) ** 2)
    assert not find_spikes(flux, np.ones(2000)).any()
    noisy = flux + np.random.default_rng(3).normal(0, 1, 2000)
    assert find_spikes(noisy, np.ones(2000)).sum() == 0


def test_noise_is_not_taken_for_spikes():
    rng = np.random.default_rng(4)
    found = [find_spikes(rng.normal(0, 1, N_PIXELS), np.ones(N_PIXELS)).sum() for _ in range(20)]
    assert sum(found) == 0
    sigma = np.where(np.arange(N_PIXELS) % 50 == 0, 20, 1)  # sky lines: noisy, but known to be
    assert find_spikes(sigma * rng.normal(0, 1, N_PIXELS), sigma**-2.0).sum() == 0


def test_spike_in_a_file_is_repaired(tmp_path, write_sdss):
    loglam = VINTAGES["BOSS"][0] + 1e-4 * np.arange(VINTAGES["BOSS"][1])
    flux, ivar = quasar(loglam)
    flux[2000] += 500
    spectrum = read_sdss(write_sdss(tmp_path / "a.fits", flux=flux, ivar=ivar))
    place = np.abs(LOGLAM - loglam[2000]).argmin()
    assert spectrum.flux.max() < 100 and spectrum.ivar[place] == 0


def test_read_real_files():
    """Those that ship as the archive has them: SDSS-I, BOSS and eBOSS, of every class."""
    paths = [path for path in real_spectra(None).file if path.endswith(".fits")]
    assert paths
    for path in paths:
        spectrum = read_sdss(path)
        assert spectrum.flux.shape == spectrum.ivar.shape == (N_PIXELS,), path
        assert np.isfinite(spectrum.flux).all() and np.isfinite(spectrum.ivar).all(), path
        assert np.isfinite([spectrum.z, spectrum.sn_median]).all() and spectrum.kind, path
        assert (spectrum.ivar > 0).mean() > 0.7, path
        assert np.abs(standardise(spectrum.flux)).max() < 3 * spectra.CLIP_SIGMAS, path


# ---------------------------------------------------------------------------------------------- bad input


def refused(path, words):
    """Reading fails with a message that names the file, holds the words, and is one line of plain text."""
    with pytest.raises(SpectrumError) as caught:
        read_sdss(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and words in message and message.endswith(".") and "\n" not in message


def test_missing_folder_and_empty_files_are_refused(tmp_path):
    refused(tmp_path / "absent.fits", "does not exist")
    refused(tmp_path, "is a folder")
    (tmp_path / "empty.fits").touch()
    refused(tmp_path / "empty.fits", "is empty")


def test_what_is_not_fits_is_refused(tmp_path):
    page = tmp_path / "page.fits"
    page.write_text("<!DOCTYPE html><html>Please log in</html>" * 200)
    refused(page, "not a FITS file")
    page.write_bytes(np.random.default_rng(0).bytes(20_000))
    refused(page, "not a FITS file")


@pytest.mark.parametrize("share", [0.01, 0.05, 0.3, 0.6, 0.9, 0.999])
@pytest.mark.parametrize("vintage", VINTAGES)
def test_truncated_download_is_refused(tmp_path, write_sdss, share, vintage):
    path = write_sdss(tmp_path / "a.fits", vintage)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    refused(path, "cut off")


def test_files_without_the_table_or_its_columns_are_refused(tmp_path, write_sdss):
    for name in ("flux", "loglam", "ivar"):
        refused(
            write_sdss(tmp_path / "a.fits", drop=(name,)),
            "no COADD table with the columns flux, loglam and ivar",
        )
    fits.PrimaryHDU(np.zeros((10, 10))).writeto(tmp_path / "image.fits")
    refused(tmp_path / "image.fits", "no COADD table")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda loglam, flux, ivar: (loglam, flux * np.nan, ivar), "flux not finite"),
        (lambda loglam, flux, ivar: (loglam, flux * np.inf, ivar), "flux not finite"),
        (lambda loglam, flux, ivar: (loglam, flux, 0 * ivar), "ivar is 0"),
        (lambda loglam, flux, ivar: (loglam, flux, -ivar), "ivar is 0"),
        (lambda loglam, flux, ivar: (loglam + 0.7, flux, ivar), "no usable pixel between 3566 and 10325 A"),
        (lambda loglam, flux, ivar: (loglam - 0.7, flux, ivar), "no usable pixel between 3566 and 10325 A"),
        (lambda loglam, flux, ivar: (10**loglam, flux, ivar), "log10"),
        (lambda loglam, flux, ivar: (loglam * np.log(10), flux, ivar), "log10"),
        (lambda loglam, flux, ivar: (loglam[::-1], flux, ivar), "ascend"),
        (lambda loglam, flux, ivar: (0 * loglam + 3.7, flux, ivar), "ascend"),
        (lambda loglam, flux, ivar: (loglam * np.nan, flux, ivar), "finite"),
        (lambda loglam, flux, ivar: (loglam[:1], flux[:1], ivar[:1]), "at least two"),
        (lambda loglam, flux, ivar: (loglam[:0], flux[:0], ivar[:0]), "at least two"),
    ],
)
def test_unusable_values_are_refused(tmp_path, write_sdss, change, words):
    loglam = VINTAGES["BOSS"][0] + 1e-4 * np.arange(VINTAGES["BOSS"][1])
    loglam, flux, ivar = change(loglam, *quasar(loglam))
    refused(write_sdss(tmp_path / "a.fits", loglam=loglam, flux=flux, ivar=ivar), words)


def test_arrays_of_different_lengths_are_refused():
    with pytest.raises(SpectrumError, match="wrong lengths"):
        resample(LOGLAM, np.ones(N_PIXELS - 1), np.ones(N_PIXELS))
    with pytest.raises(SpectrumError, match="wrong lengths"):
        resample(LOGLAM[None], np.ones((1, N_PIXELS)), np.ones((1, N_PIXELS)))


# ---------------------------------------------------------------------------------------------- Kaggle HDF5


def test_kaggle_labels_hold_what_experts_were_sure_of(tmp_path, write_kaggle):
    path = write_kaggle(tmp_path / "k.h5", n=200)
    labels = kaggle_labels(path)
    assert list(labels.columns) == ["row", "z", "thing_id", "sn", "class_person", "plate", "mjd", "fiberid"]
    with spectra.open_kaggle(path) as file:
        expected = [
            i
            for i in range(200)
            if file["z_conf"][i] >= 3 and file["class_person"][i] in (3, 30) and file["z_vi"][i] > 0
        ]
        assert 5 < len(expected) == len(labels) and list(labels["row"]) == expected
        np.testing.assert_array_equal(labels["z"], file["z_vi"][:][expected])
    assert len(kaggle_labels(path, z_conf=0, classes=(0, 1, 3, 4, 30, 50))) > len(labels)


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_kaggle_blocks_come_in_the_order_asked_for(tmp_path, write_kaggle, block):
    path = write_kaggle(tmp_path / "k.h5", n=60)
    rows = np.random.default_rng(0).permutation(60)[:40]
    rows = np.append(rows, rows[:3])  # some twice
    blocks = list(kaggle_blocks(path, rows, block))
    assert [len(one) for one in blocks[:-1]] == [block] * (len(blocks) - 1)
    with spectra.open_kaggle(path) as file:
        np.testing.assert_array_equal(np.concatenate(blocks), file["flux"][:][rows])
    assert blocks[0].dtype == np.float32
    assert list(kaggle_blocks(path, [])) == []


@pytest.mark.parametrize("name", ["flux", "z_vi", "thing_id", "class_person"])
def test_kaggle_file_without_a_needed_key_is_refused(tmp_path, write_kaggle, name):
    path = write_kaggle(tmp_path / "k.h5", n=5, drop=[name])
    with pytest.raises(SpectrumError, match=f"no data set {name}; the file holds .*plate"):
        kaggle_labels(path)


def test_other_bad_kaggle_files_are_refused(tmp_path, write_kaggle):
    with pytest.raises(SpectrumError, match="does not exist"):
        kaggle_labels(tmp_path / "absent.h5")
    path = write_kaggle(tmp_path / "k.h5", n=5, n_pixels=4000)
    with pytest.raises(SpectrumError, match="4618 pixels"):
        list(kaggle_blocks(path, [0]))
    path = write_kaggle(tmp_path / "k.h5", n=5)
    with pytest.raises(SpectrumError, match="rows 3 to 5 asked for, but it has 5"):
        list(kaggle_blocks(path, [3, 5]))
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(SpectrumError, match="not a whole HDF5 file"):
        kaggle_labels(path)


def test_split_keeps_every_object_on_one_side():
    thing_id = np.random.default_rng(0).integers(1, 30_000, 100_000)
    test = split_by_thing(thing_id)
    sides = pd.Series(test).groupby(thing_id).nunique()
    assert sides.max() == 1
    assert test.mean() == pytest.approx(0.1, abs=0.01)
    assert split_by_thing(thing_id, test_share=0.5).mean() == pytest.approx(0.5, abs=0.01)


def test_split_depends_on_the_seed_and_on_nothing_else():
    thing_id = np.arange(1, 20_001)
    test = split_by_thing(thing_id)
    both = test & split_by_thing(thing_id, seed=7)
    assert both.mean() == pytest.approx(0.01, abs=0.004)  # another seed, an independent choice
    longer = split_by_thing(np.append(thing_id, [999_999, 1, 2]))
    np.testing.assert_array_equal(longer[:20_000], test)
    np.testing.assert_array_equal(split_by_thing(thing_id[::-1].astype(np.int32)), test[::-1])
    assert list(np.flatnonzero(test)[:5]) == PINNED  # the same for every reader, whatever the version of pandas


def test_split_takes_unknown_objects_one_by_one():
    test = split_by_thing(np.full(10_000, -1))
    assert test.mean() == pytest.approx(0.1, abs=0.01)


PINNED = [8, 11, 20, 21, 30]
