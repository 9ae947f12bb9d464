"""find_mergers on real and simulated records, with gaps, glitches and files that do not fit together."""

import gzip

import h5py
import numpy as np
import pytest
import torch

from workshop_utils import detect_waves, find_mergers
from workshop_utils.apply import mergers
from workshop_utils.apply.mergers import COLUMNS, aligned, blurred_quantiles, weigh
from workshop_utils.simulate import simulate_strain
from workshop_utils.simulate.glitches import GLITCHES, add_glitches, loudness
from workshop_utils.sources import real_strain
from workshop_utils.strain import SAMPLE_RATE, StrainError, design_asd, tukey, waveform_bank, whiten
from workshop_utils.strain.records import read_record

# GWTC-1 (Abbott et al. 2019, PRX 9, 031040, Table III): median chirp mass in the source's frame and redshift
EVENTS = {"GW150914": (28.6, 0.09), "GW151226": (8.9, 0.09), "GW170729": (35.4, 0.49), "GW170814": (24.1, 0.12)}


@pytest.fixture(scope="module")
def found():
    return {event: (real_strain(event)[1], find_mergers(real_strain(event)[0])) for event in EVENTS}


@pytest.mark.parametrize("event", EVENTS)
def test_real_events_are_found_and_nothing_else(found, event):
    gps, table = found[event]
    assert list(table.columns) == COLUMNS and len(table) == 1
    assert abs(table.gps[0] - gps) < 0.1 and table.log_odds[0] > 4
    assert np.isnan(table.snr_v1[0]) == (event in ("GW150914", "GW151226"))


def test_chirp_masses_are_the_published_ones(found):
    inside = 0
    for event, (mass, z) in EVENTS.items():
        row, published = found[event][1].iloc[0], mass * (1 + z)
        if event != "GW170729":  # far, heavy and faint: published with 90 % limits of 15 %
            assert row.chirp_mass == pytest.approx(published, rel=0.12)
        inside += row.chirp_mass_low < published < row.chirp_mass_high
    assert inside >= 3


def write_gwosc(path, strain, detector, start=1000000000, rate=4096, flags=None):
    """Strain (n,) at `rate` in GWOSC's layout."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("strain/Strain", data=strain)
        data.attrs["Xspacing"] = 1 / rate
        file["meta/GPSstart"], file["meta/Detector"] = start, detector
        if flags is not None:
            file["quality/simple/DQmask"] = np.asarray(flags, np.int64)
            file["quality/simple/DQShortnames"] = np.array([b"DATA", b"CBC_CAT1"])
    return path


def noise(seconds, seed, rate=4096):
    """Gaussian noise of the design of H1 (n,) above 20 Hz, at `rate`."""
    rng = np.random.default_rng(seed)
    frequency = np.fft.rfftfreq(seconds * rate, 1 / rate)
    asd = np.where((frequency > 15) & (frequency < 1000), design_asd(frequency.clip(15, 1000))[0], 0)
    waves = (rng.normal(size=len(frequency)) + 1j * rng.normal(size=len(frequency))) * asd * (seconds / 4) ** 0.5
    return np.fft.irfft(waves) * rate


def test_gaps_are_skipped_and_the_rest_is_searched(tmp_path, found):
    files, gps = real_strain("GW150914")
    cut = []
    for file in files:
        record = read_record(file)
        strain = record.strain.copy()
        strain[: SAMPLE_RATE + 500] = np.nan
        flags = np.full(32, 3)
        flags[28] = 1  # CBC_CAT1 not set
        name = f"{record.detector}.hdf5"
        cut.append(write_gwosc(tmp_path / name, strain, record.detector, record.start, SAMPLE_RATE, flags))
    assert 0.9 < read_record(cut[0]).good.mean() < 0.95
    table = find_mergers(cut)
    assert len(table) == 1 and abs(table.gps[0] - gps) < 0.1
    assert table.log_odds[0] == pytest.approx(found["GW150914"][1].log_odds[0], abs=4)


def test_noise_alone_gives_no_candidates_and_long_records_are_searched_in_stretches(tmp_path):
    pairs = enumerate(("H1", "L1"))
    assert find_mergers([write_gwosc(tmp_path / f"{name}.hdf5", noise(100, k), name) for k, name in pairs]).empty


def test_a_record_that_begins_or_ends_amid_another_rises_from_zero(tmp_path, found):
    """L1's record lacks 9 s before and 6 s behind, H1's is whole: the same event, as loud."""
    files, gps = real_strain("GW150914")
    whole, other = (read_record(file) for file in files)
    part = slice(9 * SAMPLE_RATE, -6 * SAMPLE_RATE)
    cut = write_gwosc(tmp_path / "L.hdf5", other.strain[part], "L1", other.start + 9, SAMPLE_RATE)
    table = find_mergers([files[0], cut])
    assert len(table) == 1 and abs(table.gps[0] - gps) < 0.1
    assert table.snr_l1[0] == pytest.approx(found["GW150914"][1].snr_l1[0], rel=0.1)
    strain, good, start = aligned([files[0], cut])
    edge = (9 + 0.1) * SAMPLE_RATE  # a tenth of a second into L1's record
    assert start == whole.start and strain.shape == (3, len(whole.strain)) and good[0].all() and not good[1, int(edge)]
    assert 0 < strain[1, 9 * SAMPLE_RATE : int(edge)].abs().max() < 0.05 * strain[1].abs().max()


def test_no_second_of_a_record_is_left_out(tmp_path, monkeypatch):
    """A record of 67 s is searched in two stretches, and the second ends where the record does."""
    ends = []
    monkeypatch.setattr(mergers, "white_stretch", lambda strain, good: torch.ones(strain.shape))
    monkeypatch.setattr(
        mergers, "candidates", lambda white, good, start, _: ends.append(start + len(good[0]) / 2048) or []
    )
    find_mergers(write_gwosc(tmp_path / "H.hdf5", noise(67, 1), "H1"))
    assert ends == [1000000064, 1000000067]


@pytest.mark.parametrize("seconds", [1, 7])
def test_a_record_too_short_to_measure_its_noise_is_refused(tmp_path, seconds):
    with pytest.raises(StrainError, match="H.hdf5.*nothing can be searched"):
        find_mergers(write_gwosc(tmp_path / "H.hdf5", noise(seconds, 1), "H1"))


def test_waves_that_were_faked_are_left_out(tmp_path):
    """Moving the mirrors fakes a wave; GWOSC tells when. One that only tests something else, all the time, stays in."""
    path = write_gwosc(tmp_path / "H.hdf5", noise(16, 1), "H1")
    with h5py.File(path, "a") as file:
        names = [b"NO_CBC_HW_INJ", b"NO_BURST_HW_INJ", b"NO_DETCHAR_HW_INJ", b"NO_CW_HW_INJ", b"NO_STOCH_HW_INJ"]
        file["quality/injections/InjShortnames"] = np.array(names)
        file["quality/injections/Injmask"] = np.array([23] * 8 + [22] * 3 + [23] * 5)
    good = read_record(path).good
    assert good.sum() == 13 * SAMPLE_RATE and not good[8 * SAMPLE_RATE : 11 * SAMPLE_RATE].any()


def test_text_that_breaks_off_is_not_read_at_another_rate(tmp_path):
    path = tmp_path / "H-H1_LOSC_4_V2-1000000000-16.txt"
    head = "# Strain\n# This file has 4096 samples per second\n# starting GPS 1000000000 duration 16\n"
    path.write_text(head + "1e-21\n" * (8 * 4096))
    with pytest.raises(StrainError, match="32,768 of 65,536 samples; download it again"):
        read_record(path)
    path.rename(tmp_path / "mine.txt")
    with pytest.raises(StrainError, match="its name does not tell the detector"):
        read_record(tmp_path / "mine.txt")


def test_the_loudest_merger_is_one(tmp_path):
    """An S/N of 100, of which parts look like lighter mergers."""
    loud, half = (simulate_strain(1, 3, signals=1.0, snr=snr).strain[0].double() for snr in (100.0, 50.0))
    wave = 2 * (loud - half) * tukey(loud.shape[1], 0.2)  # the same noise is in both
    files = []
    for i, detector in enumerate(("H1", "L1")):
        record = noise(32, i, SAMPLE_RATE)
        record[15 * SAMPLE_RATE : 17 * SAMPLE_RATE] += wave[i].numpy()
        files.append(write_gwosc(tmp_path / f"{detector}.hdf5", record, detector, rate=SAMPLE_RATE))
    assert len(find_mergers(files)) == 1


def test_layouts_of_a_record_agree(tmp_path):
    strain = noise(16, 5)
    gwosc = write_gwosc(tmp_path / "a.hdf5", strain, "L1")
    with h5py.File(tmp_path / "gwpy.hdf5", "w") as file:
        file["L1:GWOSC-4KHZ_R1_STRAIN"] = strain
        file["L1:GWOSC-4KHZ_R1_STRAIN"].attrs.update({"x0": 1000000000.0, "dx": 1 / 4096})
    with gzip.open(tmp_path / "L-L1_LOSC_4_V2-1000000000-16.txt.gz", "wt") as file:
        file.write(
            "# Gravitational wave strain\n# This file has 4096 samples per second\n"
            "# starting GPS 1000000000 duration 16\n"
        )
        file.writelines(f"{value:.9e}\n" for value in strain)
    records = [read_record(path) for path in (gwosc, tmp_path / "gwpy.hdf5", next(tmp_path.glob("*.gz")))]
    for record in records[1:]:
        assert record.detector == "L1" and record.start == 1e9 and record.good.all()
        assert np.allclose(record.strain, records[0].strain, rtol=1e-6, atol=1e-26)


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (dict(detector="H1"), "a second record of H1"),
        (dict(detector="L1", start=1000005000), "records of different times"),
        (dict(detector="L1", rate=1024), "sampled at 1024 Hz"),
        (dict(detector="G1"), "strain of G1"),
        (dict(detector="L1", flags=[3] * 7), "16 s of strain, but 7 s of the flag"),
        (dict(detector="L1", flags=[0] * 16), "no good data"),
        (dict(detector="L1", start=np.nan), "a GPS time of nan s"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_files_that_do_not_fit_are_named(tmp_path, second, words):
    first = write_gwosc(tmp_path / "first.hdf5", noise(16, 1), "H1")
    rate = second.get("rate", 4096)
    other = write_gwosc(tmp_path / "second.hdf5", noise(16, 2)[: 16 * rate], **second)
    with pytest.raises(StrainError, match=words):
        find_mergers([first, other])


def test_frame_files_and_other_kinds_are_refused_by_what_they_are(tmp_path):
    (tmp_path / "H.gwf").write_bytes(b"IGWD" + bytes(100))
    (tmp_path / "H.hdf5").write_bytes(b"neither")
    with pytest.raises(StrainError, match="a GWF frame file"):
        read_record(tmp_path / "H.gwf")
    with pytest.raises(StrainError, match="neither HDF5 nor text of GWOSC"):
        read_record(tmp_path / "H.hdf5")
    with pytest.raises(StrainError, match="does not exist"):
        find_mergers(tmp_path / "lost.hdf5")
    with pytest.raises(StrainError, match="a folder; pass the file in it"):
        find_mergers(tmp_path)
    for scale, words in ((0, "all values are 0"), (1e-12, "at most are no strain")):
        with pytest.raises(StrainError, match=words):
            read_record(write_gwosc(tmp_path / "H.hdf5", scale * noise(16, 1), "H1"))


def test_glitches_are_as_loud_as_drawn_and_in_one_detector():
    strain = torch.full((200, 3, 4096), 1e-30)
    strain[:, 2] = 0  # off
    kind = add_glitches(strain, torch.Generator().manual_seed(1), share=0.8)
    heard = strain.abs().amax(2) > 1e-26
    assert bool((heard.sum(1) == (kind >= 0)).all()) and not heard[:, 2].any()
    assert set(kind.tolist()) == {-1, *range(len(GLITCHES))} and 0.7 < float((kind >= 0).float().mean()) < 0.9
    rows = heard[:, 0].nonzero()[:, 0]
    snr = 1e-20 * loudness(1e20 * strain[rows, 0], torch.zeros(len(rows), dtype=torch.long))
    assert float(snr.min()) > 4.9 and 5 < float(snr.median()) < 12


def test_a_glitch_is_not_a_merger():
    """Of 300 simulated glitches few are called mergers, and about as many signals are found as before."""
    samples = simulate_strain(300, seed=5_000_021, signals=0.0)
    kind = add_glitches(samples.strain, torch.Generator().manual_seed(2), share=1.0)
    p = detect_waves(samples.strain)
    assert (kind >= 0).all() and np.mean(p > 0.5) < 0.1
    signals = simulate_strain(300, seed=5_000_022, signals=1.0, snr=12.0)
    assert np.mean(detect_waves(signals.strain) > 0.5) > 0.9


def test_masses_of_simulated_mergers_lie_in_their_intervals():
    signals = simulate_strain(60, seed=5_000_023, signals=1.0, snr=14.0)
    total, ratio = waveform_bank()["parameters"][signals.row.numpy(), :2].T
    mass = total * (ratio / (1 + ratio) ** 2) ** 0.6
    rows = [weigh(white) for white in whiten(signals.strain)]
    inside = np.mean([row["chirp_mass_low"] < m < row["chirp_mass_high"] for row, m in zip(rows, mass, strict=True)])
    assert 0.78 < inside <= 1.0
    assert np.median([abs(row["chirp_mass"] / m - 1) for row, m in zip(rows, mass, strict=True)]) < 0.05
    assert max(abs(row["gps"] - t) for row, t in zip(rows, signals.merger.tolist(), strict=True) if row) < 0.2


def test_quantiles_of_one_template_are_a_gaussian_s():
    low, middle, high = blurred_quantiles(np.array([0.0, 3.0]), np.array([1.0, 0.0]), 0.1, (0.05, 0.5, 0.95))
    assert (low, middle, high) == pytest.approx((-0.164, 0, 0.164), abs=0.01)
