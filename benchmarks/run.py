#!/usr/bin/env python3
"""How fast the course is: `make benchmark` writes _build/benchmark.json and prints a table.

    python benchmarks/run.py [NAME ...] [--threads 2] [--quick] [--output FILE]

Every benchmark runs in a process of its own, so that its peak memory is its own. Where there is a reference, the two
sides take turns in the same process, on the same data and threads, and what counts is the ratio of the median times:
it means the same on another machine, where seconds do not. --quick makes everything tiny, to see that it works.
"""

import argparse
import contextlib
import copy
import functools
import io
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
BENCHMARKS = {}  # name of a subject -> function(quick) -> (values, spread)


def benchmark(function):
    BENCHMARKS[function.__name__] = function
    return function


def seconds_of(sides, repeats):
    """Median seconds of each function in `sides`, and of its relative spread (quartiles); they take turns."""
    times = {name: [] for name in sides}
    for _ in range(repeats + 1):
        for name, run in sides.items():
            start = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - start)
    times = {name: sorted(values[1:]) for name, values in times.items()}  # the first is to warm up
    median = {name: statistics.median(values) for name, values in times.items()}
    spread = [(t[-1 - len(t) // 4] - t[len(t) // 4]) / (2 * median[name]) for name, t in times.items()]
    return median, sum(s**2 for s in spread) ** 0.5


def speedup(name, ours, reference, repeats, **more):
    median, spread = seconds_of({"ours": ours, "reference": reference}, repeats)
    values = {name: median["reference"] / median["ours"]}
    return values | {label: number / median["ours"] for label, number in more.items()}, {name: spread}


def rate(name, run, number, repeats):
    median, spread = seconds_of({"ours": run}, repeats)
    return {name: number / median["ours"]}, {name: spread}


# Networks: LongConv1d and PairMax against nn.Conv1d and nn.MaxPool1d, all else the same, the weights too ---------


def plain(network):
    """A copy made of torch's own layers."""
    from torch import nn

    from workshop_utils.networks import LongConv1d, PairMax

    network = copy.deepcopy(network)
    for name, layer in list(network.named_modules()):
        if type(layer) is LongConv1d:
            new = nn.Conv1d(layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
            new.load_state_dict(layer.state_dict())
        elif type(layer) is PairMax:
            new = nn.MaxPool1d(2)
        else:
            continue
        parent, _, child = name.rpartition(".")
        setattr(network.get_submodule(parent), child, new)
    return network


def upstream_network():
    """The classifier published with the workshop, with our layers: 60, 70, 36 channels of 200, 200, 32 taps."""
    from torch import nn

    from workshop_utils.networks import LongConv1d, PairMax

    layers, channels, length = [], 1, 4618
    for width, taps in ((60, 200), (70, 200), (36, 32)):
        layers += [LongConv1d(channels, width, taps), nn.ReLU(), PairMax()]
        channels, length = width, (length - taps + 1) // 2
    layers += [nn.Flatten(), nn.Linear(channels * length, 900), nn.ReLU(), nn.Linear(900, 100), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(100, 2))


def compare_training(name, network, batch, loss, adam, repeats):
    """Ratio of the times of a training step: forward, loss, backward, optimiser."""
    import torch

    from workshop_utils.training import train_step

    other = plain(network)
    with torch.no_grad():
        assert torch.allclose(network.eval()(batch[0]), other.eval()(batch[0]), rtol=1e-4, atol=1e-4)
    steps = []
    for model in (network.train(), other.train()):
        steps.append(functools.partial(train_step, model, batch, loss, adam(model.parameters())))
    return speedup(name, *steps, repeats, **{name.replace("speedup", "spectra_per_second"): len(batch[0])})


@benchmark
def long_convolution(quick):
    """32 -> 32 channels, 200 taps, 2,059 samples, 64 at a time, forward and backward, against nn.Conv1d."""
    import torch

    from workshop_utils.networks import LongConv1d

    ours = LongConv1d(32, 32, 200)
    reference = torch.nn.Conv1d(32, 32, 200)
    reference.load_state_dict(ours.state_dict())
    x = torch.randn(2 if quick else 64, 32, 2059, requires_grad=True)
    slope = torch.randn_like(ours(x))

    def run(layer):
        x.grad = layer.weight.grad = layer.bias.grad = None
        y = layer(x)
        y.backward(slope)
        return y.detach(), x.grad, layer.weight.grad, layer.bias.grad

    for a, b in zip(run(ours), run(reference), strict=True):
        assert (a - b).norm() < 1e-4 * b.norm()
    return speedup("long_convolution_speedup", lambda: run(ours), lambda: run(reference), 1 if quick else 5)


@benchmark
def redshift_cnn_training(quick):
    """A step of the course's CNN, 128 spectra, against the same net of torch's own layers."""
    import torch

    from workshop_utils.networks import CNN, log_redshift_mse

    n = 8 if quick else 128
    batch = torch.randn(n, 1, 4618), 4 * torch.rand(n)
    name = "redshift_cnn_training_speedup"
    return compare_training(name, CNN(), batch, log_redshift_mse, torch.optim.Adam, 1 if quick else 11)


@benchmark
def redshift_cnn_limit(quick):
    """How near that step is to what the machine can do, if every operation's arrays went through its memory once.

    The limit is the greater of two times: of the bytes, at the rate of copying an array of 200 MB, and of the
    operations, at the rate of a product of two matrices of 2,048 x 2,048.
    """
    import torch
    from traffic import Traffic

    from workshop_utils.networks import CNN, log_redshift_mse
    from workshop_utils.training import train_step

    n, repeats = (8, 1) if quick else (128, 11)
    batch, network = (torch.randn(n, 1, 4618), 4 * torch.rand(n)), CNN()
    adam = torch.optim.Adam(network.parameters())
    matrix, array = torch.randn(2048, 2048), torch.randn(50_000_000)
    other = torch.empty_like(array)
    sides = {"step": lambda: train_step(network, batch, log_redshift_mse, adam)}
    sides |= {"product": lambda: matrix @ matrix, "copy": lambda: other.copy_(array)}
    median, spread = {}, 0.0
    for name, run in sides.items():  # each by itself: the copy would empty the caches that the step uses
        found, spread_of_one = seconds_of({name: run}, repeats)
        median, spread = median | found, (spread**2 + spread_of_one**2) ** 0.5
    with Traffic() as traffic:
        sides["step"]()
    flops, bandwidth = 2 * 2048**3 / median["product"], 2 * 4 * len(array) / median["copy"]
    limit = max(traffic.operations / flops, traffic.bytes / bandwidth)
    values = {"machine_gflop_per_second": flops / 1e9, "machine_copy_gb_per_second": bandwidth / 1e9}
    values |= {"redshift_cnn_step_ms": 1e3 * median["step"], "redshift_cnn_step_gflop": traffic.operations / 1e9}
    values |= {"redshift_cnn_step_mb": traffic.bytes / 1e6, "redshift_cnn_share_of_limit": limit / median["step"]}
    return values, {"redshift_cnn_share_of_limit": spread}


@benchmark
def upstream_training(quick):
    """A step of the classifier published with the workshop, 32 spectra, against the same of torch's own layers."""
    import torch
    from torch import nn

    n = 2 if quick else 32
    batch, network = (torch.randn(n, 1, 4618), torch.randint(2, (n,))), upstream_network()
    name = "upstream_training_speedup"
    return compare_training(name, network, batch, nn.functional.cross_entropy, torch.optim.AdamW, 1 if quick else 5)


@benchmark
def seconds_to_97_percent(quick):
    """Networks with P(z), from scratch until 97 % of 1,000 other quasars are right, simulation included."""
    import torch

    from workshop_utils.apply import summarise_probability
    from workshop_utils.networks import REDSHIFT_BINS, ShiftNetwork, redshift_cnn, redshift_loss
    from workshop_utils.scores import redshift_scores
    from workshop_utils.simulate import simulate_quasars
    from workshop_utils.spectra import standardise
    from workshop_utils.training import predict, quasar_batches, train

    quasars = simulate_quasars(50 if quick else 1000, 1000013)
    spectra = standardise(quasars.flux)[:, None]

    def seconds(network, bins, loss, steps, learning_rate):
        def wrong(network):
            z = summarise_probability(predict(network, spectra).softmax(1), bins)[:, 0]
            return 1 - redshift_scores(z, quasars.z)["accuracy_6000"]

        batches = quasar_batches(8 if quick else 128, 9)
        options = dict(learning_rate=learning_rate, validate=wrong, every=2 if quick else 10)
        with contextlib.redirect_stdout(io.StringIO()):  # no progress bar
            history = train(network, batches, loss, 4 if quick else steps, **options)
        reached = history[history.validation <= (1 if quick else 0.03)]
        return float(reached.seconds.iloc[0]) if len(reached) else None

    torch.manual_seed(1)
    shift = ShiftNetwork()
    found = {"seconds_to_97_percent": seconds(shift, shift.z, shift.loss, 80, 5e-3)}
    found["seconds_to_97_percent_cnn"] = seconds(redshift_cnn(), REDSHIFT_BINS, redshift_loss, 300, 6e-3)
    return found, {}


# Simulation and preparation -----------------------------------------------------------------------------------


@benchmark
def simulate_spectra(quick):
    """Quasar spectra with noise, 4,618 pixels."""
    from workshop_utils.simulate import simulate_quasars

    n = 64 if quick else 2048
    return rate("simulate_spectra_per_second", lambda: simulate_quasars(n, 1), n, 1 if quick else 9)


@benchmark
def simulate_strain(quick):
    """Samples of strain, three detectors, 4,096 values each."""
    from workshop_utils.simulate import simulate_strain

    n = 16 if quick else 512
    return rate("simulate_strain_per_second", lambda: simulate_strain(n, 1), n, 1 if quick else 9)


@benchmark
def whiten(quick):
    """256 samples of strain at once, against scipy's band-pass (taper, Butterworth, order 8) in a loop."""
    import numpy as np
    from scipy.signal import butter, sosfilt
    from scipy.signal.windows import tukey

    from workshop_utils.simulate import simulate_strain
    from workshop_utils.strain import whiten

    strain = simulate_strain(8 if quick else 256, 1).strain
    arrays, window = strain.numpy(), tukey(4096, 0.1)
    sections = butter(8, (25, 500), "bandpass", fs=2048, output="sos")

    def loop():
        return np.array([[sosfilt(sections, detector * window) for detector in sample] for sample in arrays])

    number = {"whiten_per_second": len(strain)}
    return speedup("whiten_speedup", lambda: whiten(strain), loop, 1 if quick else 9, **number)


@benchmark
def survey(quick):
    """A simulated survey file into a float16 map, and training from the map against training from memory."""
    import torch

    from workshop_utils.networks import CNN, log_redshift_mse
    from workshop_utils.survey import prepare_spectra
    from workshop_utils.training import dataset_batches, train_step

    n, batch = (64, 16) if quick else (8192, 128)
    with tempfile.TemporaryDirectory() as folder:
        write = f"from workshop_utils.simulate.files import write_kaggle; write_kaggle('s.h5', {n})"
        subprocess.run([sys.executable, "-c", write], cwd=folder, check=True)  # its memory does not count
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            prepared = prepare_spectra(f"{folder}/s.h5", f"{folder}/survey")
        converted = 4 * 4618 * len(prepared.labels) / 1e6 / (time.perf_counter() - start)
        z = torch.tensor(prepared.labels.z.to_numpy(), dtype=torch.float32)
        network = CNN()
        adam = torch.optim.Adam(network.parameters())
        step = iter(range(10**6))

        def train_on(values):
            batches = dataset_batches(values, z[: len(values)], batch, seed=1)
            return lambda: train_step(network, batches(next(step)), log_redshift_mse, adam)

        memory = torch.randn(min(n // 2, 1024), 1, 4618)
        sides = train_on(prepared.values), train_on(memory)
        values, spread = speedup("survey_reading_ratio", *sides, 1 if quick else 15)
        del prepared
    return {"survey_conversion_mb_per_second": converted, **values}, spread


@benchmark
def two_processes(quick):
    """Two processes that train one CNN together (accelerate), a GPU or a thread each, against one; spectra a second."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    sizes = ("8", "2") if quick else ("128", "20")
    rates = {1: [], 2: []}
    for _ in range(1 if quick else 5):
        for n, found in rates.items():  # they take turns
            command = [*launch, f"--nproc_per_node={n}", ROOT / "benchmarks" / "processes.py", *sizes]
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            processes, rate = done.stdout.split()[-2:]
            assert int(processes) == n
            found.append(float(rate))
    ratios = sorted(two / one for one, two in zip(*rates.values(), strict=True))
    spread = (ratios[-1 - len(ratios) // 4] - ratios[len(ratios) // 4]) / (2 * statistics.median(ratios))
    values = {"two_processes_speedup": statistics.median(ratios)}
    values["one_process_spectra_per_second"] = statistics.median(rates[1])
    return values, {"two_processes_speedup": spread}


@benchmark
def identify_files(quick):
    """From files of SDSS's layout (wide tables behind the spectrum) to answers, against reading all that is in them."""
    import numpy as np
    import torch
    from astropy.io import fits
    from astropy.table import Table

    from workshop_utils import identify_spectra
    from workshop_utils.apply import object_network, summarise_objects
    from workshop_utils.spectra import LOGLAM, read_sdss, standardise
    from workshop_utils.training import simulate_objects

    n = 4 if quick else 128
    wide = Table({"CLASS": ["QSO"], "Z": [2.0]} | {f"C{k}": [1.0 * k] for k in range(126)})
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for k, flux in enumerate(simulate_objects(n, 1000014)[0].numpy()):
            names = ("flux", "loglam", "ivar", "and_mask", "or_mask", "wdisp", "sky", "model")
            table = Table(
                {name: np.zeros(4618, "f4") for name in names} | {"flux": flux, "loglam": LOGLAM.astype("f4")}
            )
            table["ivar"] = np.float32(4)
            hdus = [fits.PrimaryHDU(), fits.BinTableHDU(table, name="COADD"), fits.BinTableHDU(wide, name="SPECOBJ")]
            files.append(f"{folder}/spec-0001-00001-{k:04d}.fits")
            fits.HDUList(hdus).writeto(files[-1])

        def whole():
            flux = torch.from_numpy(np.array([read_sdss(file).flux for file in files]))
            with torch.no_grad():
                return summarise_objects(object_network()[0](standardise(flux)[:, None]).softmax(1))

        def ours():
            with contextlib.redirect_stderr(io.StringIO()):  # no progress bar
                return identify_spectra(files)

        assert np.allclose(ours()["p_quasar"], whole()[:, 0], atol=1e-3)
        number = {"identify_files_per_second": n}
        return speedup("identify_files_speedup", ours, whole, 1 if quick else 5, **number)


@benchmark
def search_strain(quick):
    """Two files of 16 kHz, laid out as those of GWOSC, from the disk to candidates: how much faster than real time."""
    import h5py
    import numpy as np

    from workshop_utils import find_mergers

    seconds, rate_16k, rng = 32 if quick else 1024, 16384, np.random.default_rng(1)
    with tempfile.TemporaryDirectory() as folder:
        files = [f"{folder}/{detector}.hdf5" for detector in ("H1", "L1")]
        for name, path in zip(("H1", "L1"), files, strict=True):
            with h5py.File(path, "w") as file:
                data = file.create_dataset("strain/Strain", (seconds * rate_16k,), "f8")
                data.attrs["Xspacing"] = 1 / rate_16k
                file["meta/GPSstart"], file["meta/Detector"] = 1_000_000_000, name
                for start in range(0, seconds, 16):
                    data[start * rate_16k : (start + 16) * rate_16k] = 1e-21 * rng.normal(size=16 * rate_16k)
        start = time.perf_counter()
        with contextlib.redirect_stderr(io.StringIO()):  # no progress bar
            find_mergers(files)
        return {"search_times_real_time": seconds / (time.perf_counter() - start)}, {}


# Running them -------------------------------------------------------------------------------------------------


def peak_memory():
    """Highest resident memory of this process so far, MB; None where the system does not count it."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)


def run_here(name, quick, threads):
    """Run one benchmark in this process and print what it found as JSON."""
    import torch

    torch.set_num_threads(threads)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    values, spread = BENCHMARKS[name](quick)
    print(json.dumps({"values": values, "spread": spread, "peak_memory_mb": peak_memory(), "load": load}))


def run_apart(name, quick, threads):
    """Run one benchmark in a process of its own."""
    command = [sys.executable, __file__, name, "--here", "--threads", str(threads), *["--quick"] * quick]
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    done = subprocess.run(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"The benchmark {name} failed; its error stands above.")
    return json.loads(done.stdout.splitlines()[-1])


def main(names, quick, threads, output):
    from workshop_utils.sources import write_text

    found = {"threads": threads, "cpus": os.cpu_count(), "quick": quick, "spread": {}, "peak_memory_mb": {}, "load": {}}
    print(f"{threads} threads of {os.cpu_count()} CPU cores; spread is half the distance of the quartiles\n")
    print(f"{'':38} {'value':>9} {'spread':>8} {'peak MB':>8} {'load':>5}")
    for name in names or BENCHMARKS:
        one = run_apart(name, quick, threads)
        found |= one["values"]
        found["spread"] |= one["spread"]
        found["peak_memory_mb"][name], found["load"][name] = one["peak_memory_mb"], one["load"]
        for key, value in one["values"].items():
            spread = one["spread"].get(key)
            columns = [f"{value:9,.{1 if value >= 10 else 2}f}" if value is not None else f"{'never':>9}"]
            columns.append(f"{100 * spread:6.0f} %" if spread is not None else " " * 8)
            columns += [f"{one['peak_memory_mb'] or 0:8,.0f}", f"{one['load'] or 0:5.1f}"]
            print(f"{key:38} " + " ".join(columns), flush=True)
    write_text(output, json.dumps(found, indent=2) + "\n")
    print(f"\nNumbers: {output}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)} (default: all)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count()), help="of both sides (default 2)")
    parser.add_argument("--quick", action="store_true", help="tiny sizes: the numbers mean nothing")
    parser.add_argument("--output", type=pathlib.Path, default=ROOT / "_build" / "benchmark.json")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"there is no benchmark {', '.join(unknown)}; choose from {', '.join(BENCHMARKS)}")
    if arguments.here:
        run_here(arguments.names[0], arguments.quick, arguments.threads)
    else:
        main(arguments.names, arguments.quick, arguments.threads, arguments.output)
