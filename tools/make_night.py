#!/usr/bin/env python3
"""Make the night at the telescope of notebook 09, data/night: spectra, records of strain, and hashes of what is right.

    python tools/make_night.py SEED

The seed of the night that ships was drawn by chance and is written down nowhere; with another, you get a night of your
own to set your students. A third of the objects is real (evaluation only), the others are simulated.
"""

import json
import math
import pathlib
import secrets
import shutil
import sys

import h5py
import numpy as np
import torch
from safetensors.numpy import save_file

from workshop_utils.night import TASKS, cells, seal
from workshop_utils.simulate import simulate_empty, simulate_galaxies, simulate_quasars, simulate_stars
from workshop_utils.simulate.binaries import draw_binaries
from workshop_utils.simulate.glitches import loudness, shape
from workshop_utils.simulate.noise import narrow_coverage
from workshop_utils.simulate.sky import leave_residuals
from workshop_utils.sources import real_events, real_spectra, real_strain
from workshop_utils.spectra import read_sdss
from workshop_utils.strain import SAMPLE_RATE, chirp_mass, design_asd, read_gwosc, waveform_bank, waveforms

NIGHT = pathlib.Path(__file__).resolve().parents[1] / "data" / "night"
CLASSES = {"QSO": "quasar", "GALAXY": "galaxy", "STAR": "star", "SKY": "nothing"}
# Of each level: simulated (what, how many, median S/N), and real (class, how many, lowest and highest S/N).
LEVELS = {
    1: (
        [("quasar", 4, 12), ("galaxy", 2, 12), ("star", 1, 15)],
        [("QSO", 1, 8, 99), ("GALAXY", 1, 10, 99), ("STAR", 1, 15, 99)],
    ),
    2: ([("quasar", 4, 4), ("galaxy", 2, 4), ("star", 1, 5)], [("QSO", 2, 3, 6), ("GALAXY", 1, 2, 10)]),
    3: (
        [("quasar", 4, 1.7), ("galaxy", 2, 2), ("nothing", 1, 0)],
        [("QSO", 1, 0, 2.5), ("STAR", 1, 0, 8), ("SKY", 1, -9, 9)],
    ),
    4: ([("disc", 2, 5), ("narrow", 2, 4), ("nothing", 1, 0), ("star", 1, 1.5)], [("QSO", 2, 0, 2), ("SKY", 2, -9, 9)]),
}
# Detector's frame (solar masses): GWTC-1, source's frame and redshift (Abbott et al. 2019, PRX 9, 031040, Table III).
MASSES = {"GW150914": 28.6 * 1.09, "GW151226": 8.9 * 1.09, "GW170729": 35.4 * 1.49, "GW170814": 24.1 * 1.12}
SECONDS, START = 24, 1_400_000_000  # of a record
RECORDS = ["real", "real", 16.0, 9.0, "glitch", "noise"]  # real, simulated with this S/N, or without a merger


def simulated(what, n, sn, rng):
    """Flux and ivar (n, 4618), class and redshift of simulated objects with about this S/N."""
    ln_sn = (math.log(max(sn, 0.1)), 0.2)
    if what == "nothing":
        sky = simulate_empty(n, rng)
        return sky.flux, sky.ivar, ["nothing"] * n, [None] * n
    if what == "star":
        made, name = simulate_stars(n, rng, ln_sn=ln_sn), "star"
    elif what == "galaxy":
        made, name = simulate_galaxies(n, rng, ln_sn=ln_sn), "galaxy"
    else:
        z = 0.25 + 0.5 * torch.rand(n, generator=rng) if what == "disc" else None
        discs = 1.0 if what == "disc" else 0.0
        made, name = simulate_quasars(n, rng, z=z, flat=0.3, ln_sn=ln_sn, partial=0.3, discs=discs), "quasar"
    flux, ivar = made.flux.clone(), made.ivar.clone()
    leave_residuals(flux, ivar, rng, size=0.7)
    if what == "narrow":
        narrow_coverage(flux, ivar, rng, share=1.0)
    return flux, ivar, [name] * n, [None] * n if name == "star" else made.z.tolist()


def real(kind, n, low, high, chance, taken):
    """The same of real spectra that no level has had yet."""
    table = real_spectra((kind,))
    table = table[((table.sn_median > low) & (table.sn_median < high)) | (kind == "SKY")]
    table = table[~table.plate_mjd_fiber.isin(taken)]
    table = table.iloc[chance.permutation(len(table))[:n]]
    taken.update(table.plate_mjd_fiber)
    read = [read_sdss(file) for file in table.file]
    z = [row.z if kind in ("QSO", "GALAXY") else None for row in table.itertuples()]
    flux, ivar = (torch.tensor(np.array([getattr(each, name) for each in read])) for name in ("flux", "ivar"))
    return flux, ivar, [CLASSES[kind]] * len(table), z


def spectra(rng, chance):
    """Flux, ivar (40, 4618), level (40,), classes and redshifts of the night."""
    flux, ivar, level, classes, redshifts, taken = [], [], [], [], [], set()
    for number, (made, found) in LEVELS.items():
        parts = [simulated(*each, rng) for each in made] + [real(*each, chance, taken) for each in found]
        f, i = (torch.cat([part[k] for part in parts]).float() for k in (0, 1))
        c, z = (sum((part[k] for part in parts), []) for k in (2, 3))
        order = chance.permutation(len(c))
        flux.append(f[order])
        ivar.append(i[order])
        level += [number] * len(c)
        classes += [c[k] for k in order]
        redshifts += [z[k] for k in order]
    return torch.cat(flux), torch.cat(ivar), np.array(level), classes, redshifts


def record(what, rng, chance, events):
    """Strain (2, n) of H1 and L1, the merger (s from the start, or "none") and its chirp mass (or None)."""
    n = SECONDS * SAMPLE_RATE
    if what == "real":
        event = events.pop()
        files, gps = real_strain(event)
        both = [read_gwosc(file) for file in files[:2]]
        cut = int(chance.integers(1, 7)) * SAMPLE_RATE
        strain = np.array([each.strain[cut : cut + n] for each in both])
        return strain, gps - both[0].start - cut / SAMPLE_RATE, MASSES[event]
    frequency = np.arange(n + 1) * SAMPLE_RATE / (2 * n)  # of twice the length
    inside = (frequency > 12) & (frequency < 1000)
    asd = np.where(inside, design_asd(np.clip(frequency, 12, 1000))[:2], 0)
    waves = chance.normal(size=(2, 2, len(frequency)))
    waves = (waves[0] + 1j * waves[1]) * asd * math.sqrt(n / SAMPLE_RATE / 2)
    time, mass = "none", None
    if isinstance(what, float):
        time = float(chance.uniform(8, 20))
        row, gain, delay = (each[0].numpy() for each in draw_binaries(1, rng))
        mass = chirp_mass(*waveform_bank()["parameters"][row, :2])
        band = (frequency >= 20) & (frequency <= 500)
        h = np.zeros(len(frequency), complex)
        h[band] = waveforms(frequency[band], slice(row, row + 1))[0]
        arrived = gain[:2, None] * h * np.exp(-2j * np.pi * frequency * (time + delay[:2, None]))
        snr = np.sqrt(4 * SAMPLE_RATE / (2 * n) * np.sum(np.abs(arrived[:, band] / asd[:, band]) ** 2))
        waves += arrived * what / snr
    strain = np.fft.irfft(waves * SAMPLE_RATE, axis=1)[:, :n]
    if what == "glitch":
        detector, at = int(chance.integers(2)), int(chance.uniform(8, 18) * SAMPLE_RATE)
        burst = shape(0, 1, rng)
        burst *= 25 / loudness(burst, torch.tensor([detector]))
        strain[detector, at : at + burst.shape[1]] += burst[0].numpy()
    return strain, time, mass


def write_record(path, detector, strain, start):
    """A file of one detector, laid out as GWOSC's."""
    with h5py.File(path, "w") as file:
        data = file.create_dataset("strain/Strain", data=strain.astype("f4"), compression="gzip", shuffle=True)
        data.attrs.update(
            {"Xspacing": 1 / SAMPLE_RATE, "Xstart": float(start), "Npoints": len(strain), "Xunits": "second"}
        )
        file["meta/GPSstart"], file["meta/Duration"] = start, SECONDS
        file["meta/Detector"], file["meta/Observatory"] = detector, detector[0]


def main(seed):
    """Write the night."""
    rng, chance, salt = torch.Generator().manual_seed(seed), np.random.default_rng(seed), secrets.token_hex(16)
    shutil.rmtree(NIGHT, ignore_errors=True)
    NIGHT.mkdir(parents=True)
    flux, ivar, level, classes, redshifts = spectra(rng, chance)
    arrays = {"flux": flux.numpy(), "ivar": ivar.numpy(), "level": level}
    save_file(
        arrays | {"flux": arrays["flux"].astype("f4"), "ivar": arrays["ivar"].astype("f2")},
        NIGHT / "spectra.safetensors",
    )
    right = {f"class {k}": [seal(salt, "class", k, name)] for k, name in enumerate(classes)}
    for k, z in enumerate(redshifts):
        right[f"z {k}"] = [] if z is None else sorted(seal(salt, "z", k, cell) for cell in cells("z", z))
    events = list(chance.permutation(real_events())[:2])
    for k, what in enumerate(RECORDS[i] for i in chance.permutation(len(RECORDS))):
        strain, time, mass = record(what, rng, chance, events)
        for detector, row in zip(("H1", "L1"), strain, strict=True):
            write_record(NIGHT / f"record-{k}-{detector}.hdf5", detector, row, START + 1000 * k)
        for task, answer in zip(TASKS[2:], (time, mass), strict=True):
            known = [] if answer is None else cells(task, answer)
            right[f"{task} {k}"] = sorted(seal(salt, task, k, cell) for cell in known)
    sealed = {"salt": salt, "levels": level.tolist(), "right": right}
    (NIGHT / "sealed.json").write_text(json.dumps(sealed) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(int(sys.argv[1]))
