"""Simulated skies written as the files of SDSS and Kaggle come back as they were."""

import h5py
import numpy as np
import pytest
from astropy.io import fits

from workshop_utils.simulate import simulate_quasars
from workshop_utils.simulate.files import write_kaggle, write_sdss
from workshop_utils.spectra import N_PIXELS, WAVELENGTH, kaggle_labels, read_sdss

# What the two HDF5 files of kaggle.com/datasets/ywangscience/sdss-iii-iv hold
KAGGLE_KEYS = """flux flux_norm wavelength wavelength_log z z_vi z_conf z_pipe z_pca z_qn z_dr12q zwarn_pca class_person
sn_median_all bal_prob plate mjd fiberid thing_id sdss_name index url deltachi2_pca autoclass_dr14q autoclass_pqn
is_qso_dr12q is_qso_final is_qso_qn"""


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    quasars = simulate_quasars(12, seed=5)
    return quasars, write_sdss(quasars, tmp_path_factory.mktemp("sdss") / "new")


def test_what_is_read_is_what_was_written(written):
    """Redshift, class, S/N, and the flux of each pixel that was recorded and is no spike of noise."""
    quasars, files = written
    assert len(files) == len(quasars.z)
    for i, file in enumerate(files):
        spectrum = read_sdss(file)
        flux, ivar = quasars.flux[i].numpy(), quasars.ivar[i].numpy()
        same = spectrum.ivar > 0
        assert same.mean() > 0.8
        assert spectrum.kind == "QSO"
        assert np.isclose(spectrum.z, quasars.z[i]) and np.isclose(spectrum.sn_median, quasars.sn[i])
        # loglam is float32 in SDSS files: a step of 2e-7, 1/400 of a pixel, and of a jump between pixels
        assert np.abs((spectrum.flux - flux) * np.sqrt(ivar))[same].max() < 0.1
        assert not spectrum.ivar[ivar == 0].any()


def test_files_say_that_they_are_simulated(written):
    """Nobody takes them for real: the header says so, and the name is that of no plate."""
    for file in written[1]:
        assert fits.getheader(file)["ORIGIN"] == "simulated"
        assert "spec-0000-00000-" in file


def test_nothing_half_written_is_left(written, tmp_path):
    files = write_sdss(written[0], tmp_path)
    assert sorted(map(str, tmp_path.iterdir())) == files


@pytest.mark.parametrize("kind, classes", [("quasar", (3, 30)), ("galaxy", (4,))])
def test_kaggle_file_has_the_schema_of_the_survey(tmp_path, kind, classes):
    path = write_kaggle(tmp_path / "k.h5", 60, kind, seed=3, block=25)
    with h5py.File(path) as file:
        assert set(file) == set(KAGGLE_KEYS.split())
        assert file["flux"].shape == file["flux_norm"].shape == (60, N_PIXELS)
        assert file["flux"].dtype == file["flux_norm"].dtype == np.float32
        np.testing.assert_allclose(file["wavelength"], WAVELENGTH)
        np.testing.assert_allclose(file["wavelength_log"], np.log10(WAVELENGTH))
        norm = file["flux_norm"][:]
        assert file.attrs["origin"] == "simulated"
        assert np.ptp(file["flux"][:], axis=1).min() > 0  # every block was filled
        assert np.all(file["flux"][0] != file["flux"][25])
    assert 0 < norm.min() and np.all(norm.max(1) == 1)
    labels = kaggle_labels(path, classes=classes)
    assert 30 < len(labels) < 60 and labels.z.between(0, 5.5).all()
    assert [file.name for file in tmp_path.iterdir()] == ["k.h5"]


def test_object_observed_twice_has_one_redshift(tmp_path):
    labels = kaggle_labels(write_kaggle(tmp_path / "k.h5", 200))
    known = labels[labels.thing_id > 0].groupby("thing_id").z
    assert (known.size() > 1).any() and known.nunique().max() == 1
