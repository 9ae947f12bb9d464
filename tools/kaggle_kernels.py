#!/usr/bin/env python3
"""Write folders that `kaggle kernels push` sends to Kaggle: notebooks with their data added, GPU and internet on.

    python tools/kaggle_kernels.py USER [03_redshift_cnn 07_full_survey ...]
    kaggle kernels push -p _build/kaggle/07_full_survey

USER is your name on Kaggle; without names of notebooks, all are written. The kernels are private. Join the competition
on its page first: only you can accept its rules.
"""

import argparse
import json
import pathlib
import shutil

from workshop_utils.sources import KAGGLE_COMPETITION, KAGGLE_DATASET, write_text

ROOT = pathlib.Path(__file__).resolve().parents[1]


def metadata(user, path):
    """What Kaggle must know about the notebook at `path`."""
    number, _, words = path.stem.partition("_")
    title = f"astro-ml-workshop {number} {words.replace('_', ' ')}"  # Kaggle allows 5 to 50 characters
    return {
        "id": f"{user}/{title.lower().replace(' ', '-')}",  # Kaggle makes the same of the title
        "title": title,
        "code_file": path.name,
        "language": "python",
        "kernel_type": "notebook",
        "is_private": True,
        "enable_gpu": True,
        "enable_tpu": False,
        "enable_internet": True,  # the first cell installs the course
        "machine_shape": "NvidiaTeslaT4",  # two of them
        "dataset_sources": [KAGGLE_DATASET],
        "competition_sources": [KAGGLE_COMPETITION],
        "kernel_sources": [],
        "model_sources": [],
    }


def write_kernel(user, path, build=ROOT / "_build" / "kaggle"):
    """Write one folder, with the notebook and kernel-metadata.json, and return it."""
    folder = build / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, folder)
    write_text(folder / "kernel-metadata.json", json.dumps(metadata(user, path), indent=2) + "\n")
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("user", help="your name on Kaggle")
    parser.add_argument("notebooks", nargs="*", help="names without .ipynb (default: all)")
    arguments = parser.parse_args()
    known = {path.stem: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}
    for name in arguments.notebooks or known:
        if name not in known:
            parser.error(f"there is no notebook {name!r}; choose from {', '.join(known)}")
        print(f"kaggle kernels push -p {write_kernel(arguments.user, known[name]).relative_to(ROOT)}")
