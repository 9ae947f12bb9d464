"""Strain: detectors against LAL, noise and whitening against theory and real samples, readers of good and bad files."""

import math
import warnings

import h5py
import numpy as np
import pytest
import scipy.signal
import torch

from workshop_utils import sources, strain
from workshop_utils.strain import N_SAMPLES, StrainError, check_strain, g2net_labels, read_g2net, read_gwosc, whiten

FREQUENCY = np.fft.rfftfreq(N_SAMPLES, 1 / 2048)
INSIDE = slice(500, -500)  # samples that neither the taper of 0.1 s nor the filter's tail reaches


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """No data anywhere but in the test's own folders."""
    monkeypatch.setenv("WORKSHOP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("WORKSHOP_DATA", raising=False)
    monkeypatch.setattr(sources.folders, "KAGGLE_INPUT", tmp_path / "kaggle-input")


def noise(n=1, seconds=2, seed=0, dtype=torch.float32):
    """Gaussian noise of the design, without power below 10 Hz: (n, 3, samples), cut out of twice the time."""
    samples = 2048 * seconds * 2
    generator = torch.Generator().manual_seed(seed)
    waves = torch.fft.rfft(torch.randn(n, 3, samples, generator=generator, dtype=torch.float64))
    frequency = np.fft.rfftfreq(samples, 1 / 2048)
    asd = strain.design_asd(frequency) * (frequency >= strain.NOISE_START)
    coloured = torch.fft.irfft(waves * torch.from_numpy(asd) * 1024**0.5, samples)
    return coloured[..., samples // 4 : -samples // 4].to(dtype)


def sky(n, seed=0):
    generator = np.random.default_rng(seed)
    longitude, latitude = generator.uniform(0, 2 * np.pi, n), np.arcsin(generator.uniform(-1, 1, n))
    return [torch.from_numpy(x) for x in (longitude, latitude, generator.uniform(0, np.pi, n))]


# ---------------------------------------------------------------------------------------------- the detectors


@pytest.fixture
def lal():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("lal")


def lal_detectors(lal):
    return [lal.CachedDetectors[i] for i in (lal.LHO_4K_DETECTOR, lal.LLO_4K_DETECTOR, lal.VIRGO_DETECTOR)]


def test_detectors_are_those_of_lal(lal):
    for detector, vertex, response in zip(lal_detectors(lal), strain.VERTICES, strain.RESPONSES, strict=True):
        np.testing.assert_allclose(vertex, detector.location, rtol=1e-12)
        np.testing.assert_allclose(response, detector.response, atol=1e-7)  # LAL keeps float32
    assert [detector.frDetector.prefix for detector in lal_detectors(lal)] == list(strain.DETECTORS)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-6), (torch.float32, 5e-6)])
def test_antenna_patterns_and_delays_are_those_of_lal(lal, dtype, tolerance):
    gps = lal.LIGOTimeGPS(1126259462)
    sidereal = lal.GreenwichMeanSiderealTime(gps)
    longitude, latitude, polarisation = sky(50)
    patterns = [
        [
            lal.ComputeDetAMResponse(detector.response, ra + sidereal, dec, psi, sidereal)
            for detector in lal_detectors(lal)
        ]
        for ra, dec, psi in zip(longitude.tolist(), latitude.tolist(), polarisation.tolist(), strict=True)
    ]
    plus, cross = strain.antenna_patterns(longitude.to(dtype), latitude.to(dtype), polarisation.to(dtype))
    assert plus.dtype == cross.dtype == dtype
    np.testing.assert_allclose(plus, np.array(patterns)[..., 0], atol=tolerance)
    np.testing.assert_allclose(cross, np.array(patterns)[..., 1], atol=tolerance)
    delays = [
        [lal.TimeDelayFromEarthCenter(detector.location, ra + sidereal, dec, gps) for detector in lal_detectors(lal)]
        for ra, dec in zip(longitude.tolist(), latitude.tolist(), strict=True)
    ]
    mine = strain.light_delays(longitude.to(dtype), latitude.to(dtype))
    np.testing.assert_allclose(mine, delays, atol=1e-6 * 0.02 if dtype == torch.float64 else 1e-8)


def test_antenna_patterns_and_delays_obey_physics():
    plus, cross = strain.antenna_patterns(*sky(20_000))
    power = plus**2 + cross**2
    assert power.max() <= 1 and power.max() > 0.99
    assert power.mean(0).tolist() == pytest.approx([0.4] * 3, abs=0.01)  # 2/5 over the whole sky, for 90 degrees
    longitude, latitude, _ = sky(2_000)
    delays = strain.light_delays(longitude, latitude)
    apart = (delays[:, 0] - delays[:, 1]).abs().max()
    assert float(apart) == pytest.approx(0.010, abs=2e-4)  # H1 and L1 are 3,000 km apart: 10 ms of light
    overhead = torch.from_numpy(strain.VERTICES[2] / np.linalg.norm(strain.VERTICES[2]))
    here = strain.light_delays(torch.atan2(overhead[1], overhead[0])[None], torch.asin(overhead[2])[None])
    assert float(here[0, 2]) == pytest.approx(-6.37e6 / 3e8, rel=0.01)  # a wave from overhead comes early


# ---------------------------------------------------------------------------------------------- noise


def test_design_reaches_as_far_as_its_authors_say():
    """Averaged over the sky, two neutron stars of 1.4 Msun reach S/N 8 at 160-190 Mpc (LIGO), 90-120 Mpc (Virgo)."""
    frequency = np.linspace(10, 1024, 200_000)
    chirp_mass = 1.4 * 0.25**0.6 * 2 * 4.925491e-6  # G Msun / c^3, s
    density = (frequency ** (-7 / 6) / strain.design_asd(frequency)) ** 2
    integral = np.sqrt(density.sum(1) * (frequency[1] - frequency[0]))
    metres = 2 / 8 * math.sqrt(5 / 24) * np.pi ** (-2 / 3) * 299792458 * chirp_mass ** (5 / 6) * integral
    distance = metres / 3.0857e22 / 2.264
    assert 175 < distance[0] < 195 and distance[1] == distance[0]
    assert 105 < distance[2] < 125


def test_design_asd_between_and_outside_its_points():
    low, first, middle, high, beyond = strain.design_asd(np.array([0, 10, 100, 1024, 5000])).T
    np.testing.assert_array_equal(low, first)
    np.testing.assert_array_equal(high, beyond)
    assert 3e-24 < middle[0] < 5e-24 < middle[2] < 8e-24 and first[0] > 1e-21
    assert strain.design_asd(FREQUENCY).shape == (3, len(FREQUENCY))


@pytest.mark.parametrize("average", ["mean", "median"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_measured_asd_is_that_of_the_noise(average, dtype):
    band = (FREQUENCY > 25) & (FREQUENCY < 1000)
    for sample in (noise(200, dtype=dtype), noise(1, seconds=200, dtype=dtype)[0]):  # many samples, one long record
        asd = strain.measure_asd(sample, average=average)
        assert asd.shape == (3, len(FREQUENCY)) and asd.dtype == dtype
        ratio = (asd.numpy() / strain.design_asd(FREQUENCY))[:, band] ** 2
        assert np.abs(ratio.mean(1) - 1).max() < 0.02


def test_the_median_is_not_moved_by_a_loud_signal():
    quiet = noise(1, seconds=32)[0]
    loud = quiet.clone()
    loud[:, 30_000:30_400] += 1e-19 * torch.sin(torch.arange(400) * 0.6)
    asd = {a: [strain.measure_asd(x, average=a)[:, 100:1000] for x in (quiet, loud)] for a in ("median", "mean")}
    change = {a: float((after / before).mean()) for a, (before, after) in asd.items()}
    assert abs(change["median"] - 1) < 0.05 and change["mean"] > 1.5


def test_measure_asd_wants_a_segment():
    with pytest.raises(StrainError, match="no segment of 4096 samples"):
        strain.measure_asd(torch.zeros(3, 4000))


# ---------------------------------------------------------------------------------------------- windows and filters


@pytest.mark.parametrize("alpha", [0.01, 0.1, 0.5, 1])
def test_tukey_is_that_of_scipy(alpha):
    for n in (4096, 4097):
        mine = strain.tukey(n, alpha, torch.float64)
        np.testing.assert_allclose(mine, scipy.signal.windows.tukey(n, alpha), atol=1e-9)


def test_band_is_a_butterworth_of_scipy():
    low = scipy.signal.freqs(*scipy.signal.butter(8, 500, analog=True), worN=FREQUENCY[1:])[1]
    high = scipy.signal.freqs(*scipy.signal.butter(8, 20, "highpass", analog=True), worN=FREQUENCY[1:])[1]
    gain = strain.band(torch.from_numpy(FREQUENCY))
    assert gain[0] < 1e-30
    np.testing.assert_allclose(gain[1:], np.abs(low * high), rtol=1e-9)


def test_band_pass_is_that_of_scipy_forwards_and_backwards():
    """Our gain squared is scipy's filter run forwards and backwards; low in frequency digital and analogue agree."""
    sample = noise(2, dtype=torch.float64) * strain.tukey(N_SAMPLES, 0.5, torch.float64)
    mine = strain.band_pass(strain.band_pass(sample, 20, 100), 20, 100)
    theirs = sample.numpy()
    for edge, kind in ((20, "highpass"), (100, "lowpass")):
        sections = scipy.signal.butter(8, edge, kind, fs=2048, output="sos")
        theirs = scipy.signal.sosfiltfilt(sections, theirs, padtype=None)
    assert np.abs(mine.numpy() - theirs)[..., INSIDE].max() < 0.03 * np.abs(theirs).max()


def test_band_pass_keeps_the_band_and_its_phase():
    time = torch.arange(N_SAMPLES, dtype=torch.float32) / 2048
    inside = 1e-21 * torch.sin(2 * math.pi * 100 * time)
    outside = 1e-19 * torch.sin(2 * math.pi * 5 * time) + 1e-21 * torch.sin(2 * math.pi * 900 * time)
    out = strain.band_pass(inside + outside)
    assert out.dtype == torch.float32 and (out - inside).abs().max() < 2e-23
    batch = strain.band_pass((inside + outside).expand(2, 3, -1))
    torch.testing.assert_close(batch[1, 2], out)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("band", [(20, 500), (30, 300), (20, 2000)])
def test_whitened_noise_has_variance_one(dtype, band):
    white = whiten(noise(150, dtype=dtype), None, *band)
    assert white.dtype == dtype and white.shape == (150, 3, N_SAMPLES)
    assert (white[..., INSIDE].var((0, 2)) - 1).abs().max() < 0.02
    power = torch.fft.rfft(white[..., INSIDE] * torch.hann_window(3096)).abs().square().mean(0)
    frequency = torch.fft.rfftfreq(3096, 1 / 2048)
    flat = power[:, (frequency > 1.2 * band[0]) & (frequency < 0.8 * min(band[1], 1000))]
    halves = flat.tensor_split(4, -1)
    assert max((half.mean(-1) / flat.mean(-1) - 1).abs().max() for half in halves) < 0.06  # white: flat everywhere


def test_whitening_by_a_measured_asd_of_any_resolution():
    record = noise(1, seconds=64)[0]
    for segment in (2048, 4096, 8192):
        white = whiten(record, strain.measure_asd(record, segment), alpha=0.02)
        assert (white[:, 4096:-4096].var(-1) - 1).abs().max() < 0.04
    two = whiten(record[:2], strain.measure_asd(record)[:2], alpha=0.02)
    torch.testing.assert_close(two, whiten(record, strain.measure_asd(record), alpha=0.02)[:2])


def test_an_asd_of_twice_the_resolution_is_read_at_the_right_frequencies():
    fine = strain.design_asd(np.linspace(0, 1024, 2 * N_SAMPLES + 1))
    sample = noise(2, dtype=torch.float64)
    torch.testing.assert_close(whiten(sample, fine), whiten(sample))


def test_whitening_in_single_precision_is_as_good_as_double():
    sample = noise(5, dtype=torch.float64)
    assert (whiten(sample) - whiten(sample.float())).abs().max() < 1e-3


def test_whitening_keeps_zeros_and_is_linear():
    sample = noise(2)
    sample[0, 1] = 0
    white = whiten(sample)
    assert (white[0, 1] == 0).all() and white.isfinite().all()
    assert (whiten(sample, torch.zeros(3, 2049)) == 0).all()  # a detector that was off has no noise to divide by
    torch.testing.assert_close(whiten(sample * 8), white * 8)
    torch.testing.assert_close(whiten(sample[0].numpy()), white[0])


def test_whitening_of_the_real_noise(real_folder):
    """Signal-free samples of the competition: variance 1 within 2 % in each detector."""
    labels = g2net_labels(real_folder / "g2net")
    white = whiten(torch.from_numpy(read_g2net(labels.file[labels.target == 0])))
    assert (white[..., INSIDE].var((0, 2)) - 1).abs().max() < 0.02


def test_windows():
    record = torch.arange(3 * 10_000, dtype=torch.float32).reshape(3, -1)
    cut, start = strain.windows(record, 0.25)
    assert cut.shape == (12, 3, N_SAMPLES) and start.tolist() == [i / 4 for i in range(12)]
    assert torch.equal(cut[5], record[:, 5 * 512 : 5 * 512 + N_SAMPLES])
    assert cut.data_ptr() == record.data_ptr()  # no copy
    assert len(strain.windows(record[:, :N_SAMPLES].numpy(), 1)[0]) == 1
    for bad, step in ((record[:, :4000], 1), (record[0], 1), (record, 0), (record, -1)):
        with pytest.raises(StrainError, match="gives no windows"):
            strain.windows(bad, step)


# ---------------------------------------------------------------------------------------------- checks


@pytest.mark.parametrize("make", [torch.Tensor.numpy, lambda x: x, lambda x: x.double(), lambda x: x.numpy().tolist()])
def test_check_strain_takes_what_is_strain(make):
    sample = noise(2)
    sample[0, 2] = 0  # a detector that was off
    out = check_strain(make(sample))
    assert out.dtype == torch.float32 and torch.equal(out, sample)
    assert check_strain(make(sample[0])).shape == (1, 3, N_SAMPLES)


def test_check_strain_takes_big_endian_and_readonly_arrays():
    sample = noise(1).numpy()
    for array in (sample.astype(">f8"), sample.astype(">f4"), np.broadcast_to(sample, sample.shape)):
        assert np.array_equal(check_strain(array).numpy(), sample)


def spoilt(value, where=(1, 2, 77)):
    sample = noise(2, dtype=torch.float64)
    sample[where] = value
    return sample


BAD_STRAIN = {
    "NaN": (lambda: spoilt(math.nan), "sample 1, V1: values that are not finite"),
    "infinity": (lambda: spoilt(-math.inf), "sample 1, V1: values that are not finite"),
    "whitened": (lambda: whiten(noise(2)), "sample 0, H1: values up to .* looks whitened"),
    "one large": (lambda: spoilt(1e-14), "sample 1, V1: values up to 1e-14 are no strain"),
    "zero": (lambda: spoilt(0, 1), "sample 1: all three detectors are zero"),
    "single detector": (lambda: noise(2)[:, :1], r"shape \(2, 1, 4096\): it must be"),
    "samples first": (lambda: noise(2).mT, r"shape \(2, 4096, 3\)"),
    "4,096 Hz": (lambda: torch.zeros(1, 3, 8192), r"shape \(1, 3, 8192\).*2048 Hz"),
    "one row": (lambda: noise(1)[0, 0], r"shape \(4096,\)"),
    "four dimensions": (lambda: noise(1)[None], r"shape \(1, 1, 3, 4096\)"),
    "half precision": (lambda: noise(1).half(), "type torch.float16"),
    "half precision, numpy": (lambda: noise(1).half().numpy(), "type float16.*float32 or float64"),
    "bfloat16": (lambda: noise(1).bfloat16(), "type torch.bfloat16"),
    "integers": (lambda: np.zeros((1, 3, 4096), int), "type int"),
    "objects": (lambda: np.zeros((1, 3, 4096), object), "type object"),
    "complex": (lambda: np.zeros((1, 3, 4096), complex), "type complex128"),
    "words": (lambda: "H-H1.hdf5", "type <U9"),
    "nothing": (lambda: None, "type object"),
}


@pytest.mark.parametrize("case", BAD_STRAIN)
def test_check_strain_refuses(case):
    make, words = BAD_STRAIN[case]
    with pytest.raises(StrainError, match=words):
        check_strain(make())


# ---------------------------------------------------------------------------------------------- g2net


IDS = ["00000e74ad", "0000012345", "1e00000005", "000a5b6e5c"]  # two look like numbers


def write_g2net(folder, tree=True, ids=IDS, dtype=np.float64):
    """Write the samples and the table of a small competition; returns the folder and the strain (n, 3, 4096)."""
    samples = noise(len(ids)).numpy()
    for name, sample in zip(ids, samples, strict=True):
        path = folder / "train" / name[0] / name[1] / name[2] / f"{name}.npy" if tree else folder / f"{name}.npy"
        path.parent.mkdir(parents=True, exist_ok=True)
        np.save(path, sample.astype(dtype))
    rows = "".join(f"{name},{i % 2}\n" for i, name in enumerate(ids))
    (folder / "training_labels.csv").write_text(f"id,target\n{rows}")
    return folder, samples


@pytest.mark.parametrize("tree", [True, False])
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8"])
def test_g2net(tmp_path, tree, dtype):
    folder, samples = write_g2net(tmp_path, tree, dtype=dtype)
    table = g2net_labels(folder)
    assert list(table.columns) == ["id", "file", "target"]
    assert list(table["id"]) == IDS and list(table["target"]) == [0, 1, 0, 1]
    out = read_g2net(table["file"])
    assert out.dtype == np.float32 and np.array_equal(out, samples)
    (folder / f"._{IDS[0]}.npy").write_bytes(b"what macOS leaves beside a file that it copies")
    assert table.equals(g2net_labels(folder))
    blocks = list(strain.g2net_blocks(table["file"], 3))
    assert [len(block) for block in blocks] == [3, 1] and np.array_equal(np.concatenate(blocks), samples)
    assert np.array_equal(read_g2net(table["file"][2]), samples[2:3])


@pytest.mark.parametrize(
    "place",
    ["data/g2net", "data", "data/g2net-gravitational-wave-detection", "kaggle-input/g2net-gravitational-wave-detection",
     "kaggle-input/competitions/g2net-gravitational-wave-detection", "cache/g2net"],
)  # fmt: skip
def test_g2net_is_found_where_data_lie(tmp_path, monkeypatch, place):
    assert len(g2net_labels()) == 0 and list(g2net_labels()) == ["id", "file", "target"]
    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path / "data"))
    write_g2net(tmp_path / place)
    assert len(g2net_labels()) == 4


def test_g2net_folder_comes_first(tmp_path, monkeypatch):
    monkeypatch.setenv("WORKSHOP_DATA", str(tmp_path))
    write_g2net(tmp_path / "g2net")
    write_g2net(tmp_path / "other" / "g2net", ids=IDS[:2])
    assert len(g2net_labels(tmp_path / "other")) == len(g2net_labels(tmp_path / "other" / "g2net")) == 2
    with pytest.raises(StrainError, match="elsewhere: no training_labels.csv there"):
        g2net_labels(tmp_path / "elsewhere")


def test_g2net_labels_and_files_belong_together(tmp_path):
    folder, _ = write_g2net(tmp_path)
    (folder / "train" / "0" / "0" / "0" / f"{IDS[0]}.npy").unlink()
    with pytest.raises(StrainError, match=f"1 of 4 labels have no file .* the first {IDS[0]}.npy"):
        g2net_labels(folder)
    assert list(g2net_labels(folder, partial=True)["id"]) == IDS[1:]

    folder, _ = write_g2net(tmp_path / "flat", tree=False)
    np.save(folder / "stranger.npy", np.zeros(3))
    with pytest.raises(StrainError, match="stranger.npy: this file and 0 more have no label"):
        g2net_labels(folder)
    assert list(g2net_labels(folder, partial=True)["id"]) == IDS


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no table that can be read"),
        ("id;target\na;1\n", "the columns are id;target, not id and target"),
        ("id,target\na,1\na,0\n", "the id a stands there twice"),
        ("id,target\na,2\n", "targets are 0 or 1, not"),
        ("id,target\na,signal\n", "targets are 0 or 1, not"),
        ("id,target\na,\n", "targets are 0 or 1, not"),
        ("id,target\n", "no labels|no file|have no label"),
        (b"\x89PNG\xff\xfe\x00", "no table that can be read|the columns are"),
    ],
)
def test_g2net_labels_refuses(tmp_path, text, words):
    folder, _ = write_g2net(tmp_path)
    (folder / "training_labels.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(StrainError, match=f"training_labels.csv.*({words})|({words}).*training_labels.csv"):
        g2net_labels(folder)


def cut_in_two(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BAD_FILES = {
    "missing": (lambda path: path.unlink(), "does not exist"),
    "empty": (lambda path: path.write_bytes(b""), "no whole .npy file"),
    "truncated": (cut_in_two, "no whole .npy file.*download it again"),
    "header only": (lambda path: path.write_bytes(path.read_bytes()[:40]), "no whole .npy file"),
    "text": (lambda path: path.write_text("<html>"), "no whole .npy file"),
    "pickle": (lambda path: np.save(path, np.array([{"a": 1}]), allow_pickle=True), "no whole .npy file of numbers"),
    "archive": (lambda path: np.savez(path.open("wb"), a=np.zeros(3)), "no .npy file|shape"),
    "shape": (lambda path: np.save(path, np.zeros((3, 8192))), r"shape \(3, 8192\), not \(3, 4096\)"),
    "more samples": (lambda path: np.save(path, np.zeros((1, 3, 4096))), r"shape \(1, 3, 4096\), not"),
    "number": (lambda path: np.save(path, np.float64(1)), r"shape \(\), not"),
    "half precision": (lambda path: np.save(path, np.zeros((3, 4096), "f2")), "type float16"),
    "integers": (lambda path: np.save(path, np.zeros((3, 4096), int)), "type int"),
    "NaN": (lambda path: np.save(path, spoilt(math.nan)[1].numpy()), "V1: values that are not finite"),
    "whitened": (lambda path: np.save(path, whiten(noise(1))[0].numpy()), "looks whitened"),
    "zero": (lambda path: np.save(path, np.zeros((3, 4096))), "all three detectors are zero"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_read_g2net_refuses(tmp_path, case):
    spoil, words = BAD_FILES[case]
    folder, _ = write_g2net(tmp_path, tree=False)
    table = g2net_labels(folder)
    spoil(folder / f"{IDS[1]}.npy")
    with pytest.raises(StrainError, match=f"{IDS[1]}.npy: .*({words})") as caught:
        read_g2net(table["file"])
    assert "\n" not in str(caught.value)


def test_g2net_ids_that_all_look_like_numbers(tmp_path):
    folder, _ = write_g2net(tmp_path, ids=IDS[1:3])
    assert list(g2net_labels(folder)["id"]) == IDS[1:3]


def test_read_g2net_allows_a_detector_that_was_off(tmp_path):
    sample = noise(1)[0].numpy()
    sample[1] = 0
    np.save(tmp_path / "a.npy", sample)
    assert np.array_equal(read_g2net(tmp_path / "a.npy")[0], sample)


# ---------------------------------------------------------------------------------------------- GWOSC


def write_gwosc(path, record=None, rate=4096, quality=True, drop=(), **attributes):
    """Write a record as GWOSC does."""
    record = 1e-21 * np.random.default_rng(0).normal(size=8 * rate) if record is None else record
    with h5py.File(path, "w") as file:
        file["strain/Strain"] = record
        file["strain/Strain"].attrs.update({"Xspacing": 1 / rate, "Npoints": len(record)} | attributes)
        file["meta/GPSstart"], file["meta/Detector"] = 1126259447, "H1"
        seconds = len(record) // rate
        file["quality/simple/DQShortnames"] = np.array([b"DATA", b"CBC_CAT1", b"CBC_CAT2"])
        file["quality/simple/DQmask"] = np.full(seconds, 7) if quality is True else np.array(quality)
        for name in drop:
            del file[name]
    return path


def tones(rate, seconds=8, frequencies=(30.0, 200.0, 450.0)):
    time = np.arange(seconds * rate) / rate
    return 1e-21 * sum(np.sin(2 * np.pi * f * time + f) for f in frequencies)


@pytest.mark.parametrize("rate", [2048, 4096, 16384, 3000])
def test_read_gwosc(tmp_path, rate):
    record = tones(rate) + 3e-19 * np.linspace(-1, 1, 8 * rate)  # with a drift, as real records have
    out = read_gwosc(write_gwosc(tmp_path / "h.hdf5", record, rate))
    assert out.detector == "H1" and out.start == 1126259447 and out.strain.shape == (8 * 2048,)
    expected = tones(2048) + 3e-19 * np.interp(np.arange(8 * 2048) / 2048, np.arange(8 * rate) / rate,
                                              np.linspace(-1, 1, 8 * rate))  # fmt: skip
    assert np.abs(out.strain - expected)[200:-200].max() < 2e-3 * 1e-21


def test_resampling_lets_nothing_fold_back(tmp_path):
    """A tone at 1,100 Hz would turn up at 948 Hz."""
    fast = strain.resample(tones(4096, frequencies=(1100.0, 1600.0, 2000.0)), 4096)
    assert np.abs(fast[500:-500]).max() < 2e-3 * 1e-21
    theirs = scipy.signal.resample_poly(tones(4096), 1, 2)
    assert np.abs(strain.resample(tones(4096), 4096) - theirs)[500:-500].max() < 5e-3 * 1e-21


def gap(first, last):
    record = 1e-21 * np.random.default_rng(0).normal(size=8 * 4096)
    record[first:last] = math.nan
    return {"record": record}


BAD_RECORDS = {
    "gap": (gap(8192, 10240), "gap of 1 s at 2 s .*take another time"),
    "gap at the start": (gap(0, 4096), "gap of 1 s at 0 s"),
    "gap at the end": (gap(7 * 4096, None), "gap of 1 s at 7 s"),
    "all gap": (gap(0, None), "no good data in it"),
    "no data by flag": ({"quality": [7, 7, 6, 6, 7, 7, 7, 7]}, r"gap of 2 s at 2 s \(no data, or flagged"),
    "severe fault by flag": ({"quality": [7, 7, 7, 7, 5, 7, 7, 7]}, "gap of 1 s at 4 s"),
    "slow": ({"rate": 1024}, "sampled at 1024 Hz; take a file of 4,096"),
    "odd rate": ({"Xspacing": 1 / 4096.4}, "sampled at 4096.4 Hz"),
    "no rate": ({"Xspacing": 0.0}, "no whole file|sampled at"),
    "zero": ({"record": np.zeros(8 * 4096)}, "all values are 0"),
    "whitened": ({"record": np.random.default_rng(0).normal(size=8 * 4096)}, "are no strain"),
    "two rows": ({"record": np.zeros((2, 4096))}, "it must be one row"),
    "no strain": ({"drop": ["strain"]}, "no strain of GWOSC or gwpy"),
    "no detector": ({"drop": ["meta/Detector"]}, "no meta/Detector"),
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_read_gwosc_refuses(tmp_path, case):
    keywords, words = BAD_RECORDS[case]
    path = write_gwosc(tmp_path / "H-H1.hdf5", **keywords)
    with pytest.raises(StrainError, match=f"H-H1.hdf5: .*({words})"):
        read_gwosc(path)


def test_read_gwosc_refuses_what_is_no_hdf5(tmp_path):
    path = write_gwosc(tmp_path / "H-H1.hdf5")
    whole = path.read_bytes()
    for content in (whole[: len(whole) // 2], whole[:300], b"", b"<html>"):
        path.write_bytes(content)
        with pytest.raises(StrainError, match="H-H1.hdf5: (no whole file of strain.*download it again|neither HDF5)"):
            read_gwosc(path)
    with pytest.raises(StrainError, match="does not exist"):
        read_gwosc(tmp_path / "absent.hdf5")


def test_read_gwosc_without_quality_and_with_mild_faults(tmp_path):
    assert len(read_gwosc(write_gwosc(tmp_path / "a.hdf5", drop=["quality"])).strain) == 8 * 2048
    mild = [3, 3, 7, 7, 7, 7, 7, 7]  # only a search for other waves would leave these seconds out
    assert len(read_gwosc(write_gwosc(tmp_path / "b.hdf5", quality=mild)).strain) == 8 * 2048


def test_gw150914_stands_out_of_the_real_noise():
    records = [read_gwosc(path) for path in sources.real_strain("GW150914")[0]]
    assert [record.detector for record in records] == ["H1", "L1"]
    both = torch.from_numpy(np.stack([record.strain for record in records]))
    white = whiten(both, strain.measure_asd(both, 4 * 2048), 30, 300, alpha=0.03)
    peak = records[0].start + white.abs().argmax(-1).double() / 2048
    assert (peak - 1126259462.42).abs().max() < 0.03  # GPS time of the merger: Abbott et al. 2016
    assert 0.004 < peak[0] - peak[1] < 0.010  # Livingston first, by 6.9 ms
    assert (white.abs().amax(-1) > 6).all()
