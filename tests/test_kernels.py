"""The folders that send notebooks to Kaggle."""

import json
import subprocess
import sys

import pytest
from test_foundation import load_tool

from workshop_utils import sources

kernels = load_tool("kaggle_kernels")
NOTEBOOKS = sorted((kernels.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_folder_holds_the_notebook_and_what_kaggle_must_know(path, tmp_path):
    folder = kernels.write_kernel("someone", path, tmp_path)
    known = json.loads((folder / "kernel-metadata.json").read_text())
    assert (folder / known["code_file"]).read_bytes() == path.read_bytes()
    assert known["enable_gpu"] is known["enable_internet"] is known["is_private"] is True
    assert known["dataset_sources"] == [sources.KAGGLE_DATASET]
    assert known["competition_sources"] == [sources.KAGGLE_COMPETITION]
    assert 5 <= len(known["title"]) <= 50 and known["id"] == "someone/" + known["title"].replace(" ", "-").lower()


def test_metadata_has_the_fields_that_the_kaggle_package_reads(tmp_path, monkeypatch):
    monkeypatch.delenv("KAGGLE_API_TOKEN", raising=False)  # with one, clients before 2.2.4 ask Kaggle at once
    for name in ("KAGGLE_USERNAME", "KAGGLE_KEY"):  # without, it stops when it is imported
        monkeypatch.setenv(name, "not-a-token")
    template = pytest.importorskip("kaggle.api.kaggle_api_extended").KaggleApi
    api = template()
    monkeypatch.setattr(api, "get_config_value", lambda name: "someone")
    fields = json.loads(open(api.kernels_initialize(str(tmp_path))).read())
    ours = kernels.metadata("someone", NOTEBOOKS[0])
    assert set(fields) <= set(ours) | {"keywords", "docker_image"} and set(ours) - set(fields) <= {"machine_shape"}
    assert ours["language"] in template.valid_push_language_types
    assert ours["kernel_type"] in template.valid_push_kernel_types


def test_unknown_notebook_is_named():
    run = [sys.executable, kernels.ROOT / "tools" / "kaggle_kernels.py", "someone", "99_none"]
    done = subprocess.run(run, capture_output=True, text=True)
    assert done.returncode == 2 and "there is no notebook '99_none'; choose from 00_start_here" in done.stderr
