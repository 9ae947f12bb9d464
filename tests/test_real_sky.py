"""The real sky that ships: whole, small, labelled, read as any file is; damage to it is named."""

import re
import shutil
import warnings

import numpy as np
import pandas as pd
import pytest
import torch

from conftest import ROOT
from workshop_utils import measure_redshift, sources, strain
from workshop_utils.apply import read_files
from workshop_utils.simulate import simulate_quasars
from workshop_utils.simulate.files import write_sdss as write_simulated
from workshop_utils.sources import own_spectra, real_events, real_spectra, real_strain
from workshop_utils.spectra import SpectrumError, read_sdss
from workshop_utils.strain import StrainError, read_gwosc

REAL = ROOT / "data" / "real"
LEAST = {"QSO": 170, "GALAXY": 45, "STAR": 35, "SKY": 90}


@pytest.fixture(autouse=True)
def nothing_of_the_learner(monkeypatch):
    monkeypatch.delenv("WORKSHOP_DATA", raising=False)


@pytest.fixture
def copy(tmp_path, monkeypatch):
    """A copy of the tables and a few files of data/real that a test may damage."""
    (tmp_path / "real" / "strain").mkdir(parents=True)
    (tmp_path / "real" / "spectra").mkdir()
    for name in ("labels.csv", "events.csv", "strain/GW150914-H1.hdf5", "spectra/spec-3655-55240-0110.fits"):
        shutil.copyfile(REAL / name, tmp_path / "real" / name)
    monkeypatch.setattr(sources.folders, "DATA", tmp_path)
    return tmp_path / "real"


def test_what_ships():
    table = real_spectra(None)
    counts = table["class"].value_counts()
    assert all(counts[kind] >= n for kind, n in LEAST.items()) and set(counts.index) == set(LEAST)
    assert table.plate_mjd_fiber.is_unique and len(table) == len(pd.read_csv(REAL / "labels.csv"))
    assert sum(path.stat().st_size for path in REAL.rglob("*") if path.is_file()) <= 12e6
    assert {path.name for path in (REAL / "spectra").iterdir()} == {name.split("/")[-1] for name in table.file}
    assert 6 <= sum(name.endswith(".fits") for name in table.file) <= 10  # as the archive has them


def test_labels():
    table = real_spectra(None)
    sky = table["class"] == "SKY"
    assert table.z[sky].isna().all() and table.z[~sky].notna().all() and table.z_source[~sky].str.len().gt(0).all()
    assert table.z[table["class"] == "QSO"].between(0, 5).all() and table.z[table["class"] == "STAR"].abs().max() < 0.01
    assert table.sn_median.notna().all()
    ten = table[table.faint_ten]
    assert len(ten) == 10 and (ten["class"] == "QSO").all() and ten.sn_median.max() < 3.2


def test_every_spectrum_is_read_as_any_file_is():
    """A tenth of them, spread over all classes and vintages; `tools/make_real_sky.py` reads back each."""
    for row in real_spectra(None).iloc[::10].itertuples():
        spectrum = read_sdss(row.file)
        assert (spectrum.ivar > 0).sum() > 2000 and abs(spectrum.sn_median - row.sn_median) < 0.1 * row.sn_median + 0.05


@pytest.mark.parametrize("event", ["GW150914", "GW151226", "GW170729", "GW170814"])
def test_strain_of_an_event(event):
    assert event in real_events()
    files, gps = real_strain(event)
    records = [read_gwosc(path) for path in files]
    assert [record.detector for record in records] == ["H1", "L1", "V1"][: 3 if event > "GW1702" else 2]
    for record in records:
        assert len(record.strain) == 32 * 2048 and record.start + 10 < gps < record.start + 22


def test_the_glitch_is_there():
    files, gps = real_strain("GW170814")
    both = torch.from_numpy(np.stack([read_gwosc(path).strain for path in files[:2]]))
    white = strain.whiten(both, strain.measure_asd(both, 4 * 2048), 35, 350, alpha=0.02).abs()
    at = read_gwosc(files[0]).start + int(white[1].argmax()) / 2048
    assert abs(at - (gps - 5.75)) < 0.1 and white[1].max() > 15 and white[0].max() < 7  # in L1 alone


def test_spectra_of_the_learner_are_added(tmp_path, write_sdss):
    (tmp_path / "sdss").mkdir()
    write_sdss(tmp_path / "sdss" / "spec-9999-55240-0001.fits", z=1.5, kind="QSO")
    shutil.copyfile(REAL / "spectra" / "spec-3655-55240-0110.fits", tmp_path / "sdss" / "spec-3655-55240-0110.fits")
    shipped, both = real_spectra(), real_spectra(folder=tmp_path)
    assert len(own_spectra(tmp_path)) == 2 and len(both) == len(shipped) + 1
    assert both.plate_mjd_fiber.iloc[-1] == "9999-55240-0001" and not both.faint_ten.iloc[-1]
    assert both.z[both.plate_mjd_fiber == "3655-55240-0110"].item() == 2.44  # ours, looked at by eye


@pytest.mark.parametrize("table, ask", [("labels.csv", real_spectra), ("events.csv", real_events)])
def test_a_missing_or_damaged_table_is_named_with_what_to_do(copy, table, ask):
    (copy / table).write_bytes(b"\xff\xfe\x00nonsense")
    with pytest.raises(ValueError, match=f"{table}.*git checkout -- data/real"):
        ask()
    (copy / table).unlink()
    with pytest.raises(FileNotFoundError, match=f"{table}: this file is missing; .*git checkout -- data/real"):
        ask()


def test_a_missing_file_is_named(copy):
    with pytest.warns(UserWarning, match="real: 393 of 394 spectra are missing; .*git checkout -- data/real"):
        assert list(real_spectra().plate_mjd_fiber) == ["3655-55240-0110"]  # the others were not copied
    with pytest.raises(FileNotFoundError, match="GW150914-L1.hdf5: this file is missing; the real sky comes with"):
        real_strain("GW150914")
    with pytest.raises(ValueError, match="no such event ships; there are GW150914"):
        real_strain("GW190521")


def test_a_whole_real_sky_is_read_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(real_spectra(None)) >= sum(LEAST.values())


@pytest.mark.parametrize(
    "name, read",
    [
        ("spectra/spec-3655-55240-0110.fits", read_sdss),
        ("spectra/spec-0274-51913-0057.fits.bz2", read_sdss),
        ("strain/GW150914-H1.hdf5", read_gwosc),
    ],
)
def test_a_damaged_file_is_named_with_what_to_do(copy, tmp_path, name, read):
    shutil.copyfile(REAL / name, copy / name)
    (copy / name).write_bytes((copy / name).read_bytes()[:10_000])
    with pytest.raises((SpectrumError, StrainError), match=re.escape(name.split("/")[1]) + ".*git checkout"):
        read(copy / name)
    own = shutil.copyfile(copy / name, tmp_path / name.split("/")[1])
    with pytest.raises((SpectrumError, StrainError), match="download (the file|it) again"):  # of the learner
        read(own)


def test_without_the_real_sky_the_rest_still_runs(tmp_path, monkeypatch):
    data = shutil.copytree(ROOT / "data", tmp_path / "data", ignore=shutil.ignore_patterns("real"))
    monkeypatch.setattr(sources.folders, "DATA", data)
    for ask in (real_spectra, real_events, lambda: real_strain("GW150914")):
        with pytest.raises(FileNotFoundError, match="this file is missing; the real sky comes with the course"):
            ask()
    write_simulated(simulate_quasars(2, seed=5), tmp_path / "sdss")
    found = measure_redshift(own_spectra(tmp_path).file)
    assert found.z.notna().all() and (found.problem == "").all()


def test_a_damaged_spectrum_does_not_stop_the_others(copy):
    shutil.copyfile(REAL / "spectra" / "spec-10000-57346-0010.fits", copy / "spectra" / "spec-10000-57346-0010.fits")
    (copy / "spectra" / "spec-10000-57346-0010.fits").write_bytes(b"SIMPLE  = nonsense")
    spectra, problems = read_files(
        [copy / "spectra" / f"spec-{name}.fits" for name in ("3655-55240-0110", "10000-57346-0010")]
    )
    assert len(spectra) == 1 and problems.iloc[0] == "" and "git checkout -- data/real" in problems.iloc[1]
