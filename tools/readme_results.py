"""Write the table of the last `make course` into README.md, and draw the figure above it, data/result.png.

python tools/readme_results.py
"""

import json
import pathlib
import time

import numpy as np
import torch
from make_checkpoints import RECIPES, find_redshifts
from pages import between
from results_table import markdown

from workshop_utils import figures
from workshop_utils.apply import read_files
from workshop_utils.sources import real_spectra, shipped, write_text
from workshop_utils.training import load_checkpoint

ROOT = pathlib.Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- written by tools/readme_results.py -->", "<!-- until here -->"
BLOCK = """\
![Redshifts found for {n} real quasars by {networks}, against the catalogue's: most are right.](data/result.png)

{table}

Printed by `make course` (profile {profile}, {device}) on {date}; ± is the standard error. No real spectrum or strain
was used to train. For waves the live CNN has the paper's full layers; `StrainCNN` has its convolutions, shares their
weights and begins as templates (notebook 05)."""
NETWORKS = {"redshift_cnn_mse": "the paper's CNN", "redshift_cnn": "CNN with P(z)", "redshift_shift": "shift network"}


def draw_redshifts(path):
    """Draw the redshifts that the shipped networks find for the real quasars; return how many quasars these are."""
    catalogue = real_spectra()
    spectra, problems = read_files(catalogue.file)
    z = catalogue.z[(problems == "").to_numpy()].to_numpy()
    flux, found = torch.from_numpy(np.array([spectrum.flux for spectrum in spectra])), {}
    for name, title in NETWORKS.items():
        network = RECIPES[name][0]()
        load_checkpoint(network, shipped(f"checkpoints/{name}.safetensors"))
        found[title] = find_redshifts(network, flux).numpy()
    figures.use_style()
    figures.plot_redshifts(found, z).savefig(path, dpi=100)
    return len(z)


def main():
    """Write what the last `make course` found."""
    path = ROOT / "_build" / "results.json"
    results = json.loads(path.read_text(encoding="utf-8"))
    date = time.strftime("%d %B %Y", time.localtime(path.stat().st_mtime)).lstrip("0")
    names = list(NETWORKS.values())
    words = {"networks": f"{', '.join(names[:-1])} and {names[-1]}", "n": draw_redshifts(ROOT / "data" / "result.png")}
    block = BLOCK.format(table=markdown(results), date=date, **words, **results)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    write_text(ROOT / "README.md", between(readme, BEGIN, END, block))


if __name__ == "__main__":
    main()
