#!/usr/bin/env python3
"""Draw the figure of README.md: redshifts found by the networks that ship, on real quasars, against the catalogue's.

    WORKSHOP_DATA=FOLDER python tools/result_figure.py

FOLDER holds a folder `sdss` with spec-*.fits (data/README.md says where to get them). Writes data/result.png.
"""

import pathlib

import numpy as np
import torch

from workshop_utils import figures, measure_redshift
from workshop_utils.apply import read_files
from workshop_utils.networks import CNN
from workshop_utils.sources import real_spectra, shipped
from workshop_utils.spectra import standardise
from workshop_utils.training import load_checkpoint, predict

catalogue = real_spectra()
if catalogue.empty:
    raise SystemExit("No real quasars found: put spec-*.fits into a folder sdss and its parent into WORKSHOP_DATA.")
cnn = CNN()
load_checkpoint(cnn, shipped("checkpoints/redshift_cnn_mse.safetensors"))
spectra, problems = read_files(catalogue.file)
usable = catalogue[(problems == "").to_numpy()]
flux = torch.from_numpy(np.array([spectrum.flux for spectrum in spectra]))
found = {
    "the paper's CNN": torch.expm1(predict(cnn, standardise(flux)[:, None])[:, 0]).numpy(),
    "shift network": measure_redshift(usable.file).z.to_numpy(),
}
figures.use_style()
panels = {f"{len(usable)} real quasars, {name}": z for name, z in found.items()}
figure = figures.plot_redshifts(panels, usable.z.to_numpy())
figure.savefig(pathlib.Path(__file__).resolve().parents[1] / "data" / "result.png", dpi=100)
