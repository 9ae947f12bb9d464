"""Simulated spectra written as SDSS files come back as they were."""

import numpy as np
import pytest
from astropy.io import fits

from workshop_utils.simulate import simulate_quasars
from workshop_utils.simulate.files import write_sdss
from workshop_utils.spectra import read_sdss


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
