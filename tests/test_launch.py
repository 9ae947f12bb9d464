"""The first cell of every notebook, run in an environment like Colab's: it changes none of Colab's packages."""

import json
import os
import pathlib
import subprocess
import sys
import venv

import launch_cell
import nbformat
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
COLAB = (ROOT / "tests" / "colab_packages.txt").read_text(encoding="utf-8").splitlines()
PACKAGES = dict(line.split("==") for line in COLAB if not line.startswith("#"))


def pretend_installed(folder, name, version):
    """Write into site-packages what pip reads to know of a package."""
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (info / "RECORD").write_text("")
    (info / "INSTALLER").write_text("pip\n")


def installed(python):
    listing = subprocess.run([python, "-m", "pip", "list", "--format=json"], check=True, capture_output=True, text=True)
    return {package["name"].lower(): package["version"] for package in json.loads(listing.stdout)}


@pytest.fixture(scope="module")
def colab(tmp_path_factory):
    """Python of a new environment that has Colab's packages, as far as pip can see, and a google.colab to import."""
    folder = tmp_path_factory.mktemp("colab")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    where = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    packages = pathlib.Path(subprocess.run(where, check=True, capture_output=True, text=True).stdout.strip())
    for old in packages.glob("setuptools*"):
        old.rename(folder / old.name)  # Colab's version takes its place
    for name, version in PACKAGES.items():
        pretend_installed(packages, name, version)
    (packages / "google" / "colab").mkdir(parents=True)
    (packages / "google" / "colab" / "__init__.py").write_text("")
    reach = [python, "-m", "pip", "download", "-q", "--no-deps", "-d", folder, "wadler-lindig"]
    if subprocess.run(reach).returncode:
        pytest.skip("the package index cannot be reached")
    return python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The course's package, built from this checkout: stands in for its address on GitHub."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=ROOT, check=True)
    return next(folder.glob("*.whl"))


def test_launch_cell_changes_none_of_colabs_packages(colab, wheel):
    before = installed(colab)
    assert before["torch"] == PACKAGES["torch"] and "workshop-utils" not in before and "workshop_utils" not in before
    cell = launch_cell.launch_cell().replace(f"git+{launch_cell.repository()}@{launch_cell.version()}", str(wheel))
    assert str(wheel) in cell
    plain = subprocess.run([colab, "-c", cell], capture_output=True, text=True)
    assert plain.returncode == 0 and installed(colab) == before, "outside Colab the cell does nothing"
    done = subprocess.run([colab, "-c", "import google.colab\n" + cell], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not done.stdout, "a good run is silent"
    after = installed(colab)
    assert {name: after.get(name) for name in before} == before
    assert {"workshop_utils", "workshop-utils"} & set(after), "the package itself is there"
    print("new on Colab:", *sorted(set(after) - set(before)))


def test_launch_cell_does_nothing_on_a_plain_machine(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("the launch cell started a program")

    monkeypatch.setattr(subprocess, "run", refuse)
    exec(launch_cell.launch_cell(), {})


def test_launch_cell_installs_on_colab_and_explains_a_failure(monkeypatch):
    asked = []

    def fail(command, **kwargs):
        asked.append(command)
        return subprocess.CompletedProcess(command, 1, stdout="", stderr="no network")

    monkeypatch.setitem(sys.modules, "google.colab", sys)
    monkeypatch.setattr(subprocess, "run", fail)
    with pytest.raises(RuntimeError, match="Internet"):
        exec(launch_cell.launch_cell(), {})
    assert asked[-1][0] == sys.executable and "--constraint" in asked[-1]
    assert asked[-1][-1] == f"git+{launch_cell.repository()}@{launch_cell.version()}"


def test_cell_and_badges_of_every_notebook_point_at_this_version():
    for path in launch_cell.notebooks():
        cells = nbformat.read(path, as_version=4).cells
        assert cells[0].source == launch_cell.links(path), f"{path.name}: run python tools/launch_cell.py"
        launches = [cell.source for cell in cells if cell.cell_type == "code" and "google.colab" in cell.source]
        assert launches == [launch_cell.launch_cell()], f"{path.name}: run python tools/launch_cell.py"
        assert launch_cell.links(path).count(f"/{launch_cell.version()}") == 3
    assert f"blob/{launch_cell.version()}/" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_writing_cells_twice_changes_nothing(tmp_path):
    path = tmp_path / "00_try.ipynb"
    cells = [nbformat.v4.new_markdown_cell("# Try"), nbformat.v4.new_code_cell("print(1)")]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), path)
    launch_cell.write_cells(path)
    once = path.read_text(encoding="utf-8")
    launch_cell.write_cells(path)
    assert path.read_text(encoding="utf-8") == once
    sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
    assert sources == [
        launch_cell.links(path),
        "# Try",
        launch_cell.launch_cell(),
        "print(1)",
        launch_cell.feedback(path),
    ]


def test_a_fork_names_itself_everywhere(tmp_path, monkeypatch):
    for name in launch_cell.NAMED_IN:
        (tmp_path / name).write_text((ROOT / name).read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setattr(launch_cell, "ROOT", tmp_path)
    old = launch_cell.slug()
    launch_cell.move("someone/her-course")
    assert launch_cell.slug() == "someone/her-course"
    assert "/someone/her-course/" in launch_cell.links(pathlib.Path("01_x.ipynb"))
    assert "github.com/someone/her-course" in launch_cell.launch_cell()
    assert not [name for name in launch_cell.NAMED_IN if old in (tmp_path / name).read_text(encoding="utf-8")]
    with pytest.raises(SystemExit, match="OWNER/NAME"):
        launch_cell.move("her-course")


def test_no_other_file_names_the_repository():
    listing = subprocess.run(["git", "grep", "-l", launch_cell.slug()], cwd=ROOT, capture_output=True, text=True)
    if listing.returncode:
        pytest.skip("not a git checkout")
    assert {name for name in listing.stdout.split() if not name.startswith("notebooks/")} <= set(launch_cell.NAMED_IN)
