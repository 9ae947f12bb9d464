"""The frame of the course: requirements, licences, the built package, the form of notebooks and modules."""

import ast
import importlib.util
import pathlib
import re
import subprocess
import sys
import tomllib
import zipfile

import nbformat
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "workshop_utils"
# Each imports only from those to its left.
MODULES = (
    "shapes sources spectra strain populations survey simulate networks training scores figures apply exercises "
    "sliders night"
).split()


def load_tool(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


launch = load_tool("launch_cell")
run_course = load_tool("run_course")
each_notebook = pytest.mark.parametrize("path", launch.notebooks(), ids=lambda path: path.stem)


def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def lines(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


# Requirements -------------------------------------------------------------------------------------


def test_conda_asks_for_the_same_as_pyproject():
    conda = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    wanted = {f"python{project()['requires-python']}", "pip"}
    needs = project()["dependencies"] + project()["optional-dependencies"]["course"]
    wanted |= {re.sub(r"^torch\b", "pytorch", need) for need in needs}
    assert {need for need in conda if isinstance(need, str)} == wanted
    assert [need for need in conda if not isinstance(need, str)] == [{"pip": ["-e .[course]"]}]


def test_binder_installs_the_package_with_the_constraints():
    needs = [line for line in lines("binder/requirements.txt") if not line.startswith("--extra-index-url")]
    assert needs == ["-c ../constraints.txt", "-e .[course]"]  # so the dependencies are those of pyproject.toml
    version = re.fullmatch(r"python-3\.(\d+)", lines("binder/runtime.txt")[0])
    assert 11 <= int(version[1]) <= 14
    assert f"3.{version[1]}" >= project()["requires-python"].removeprefix(">=")


def test_constraints_pin_every_requirement_within_its_bound():
    from packaging.requirements import Requirement

    pins = dict(line.split("==") for line in lines("constraints.txt"))  # fails on anything but a plain pin
    assert not [name for name, version in pins.items() if "+" in version]
    pins = {name.lower(): version for name, version in pins.items()}
    for need in project()["dependencies"] + sum(project()["optional-dependencies"].values(), []):
        need = Requirement(need)
        if need.name == "workshop_utils":  # one extra that contains another
            continue
        assert need.specifier.contains(pins[need.name]), f"constraints.txt does not satisfy {need}"


def test_pre_commit_runs_the_same_versions():
    """What checks a commit is what `make test` checks with."""
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    revisions = {hook["repo"].rsplit("/", 1)[1].removesuffix("-pre-commit"): hook["rev"].lstrip("v") for hook in hooks}
    pins = dict(line.split("==") for line in lines("constraints.txt"))
    assert revisions == {name: pins[name] for name in ("ruff", "nbstripout")}


# Citation and version ------------------------------------------------------------------------------


def test_citation_names_the_paper():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    paper = citation["preferred-citation"]
    assert paper["title"] == "Introduction of Machine Learning for Astronomy (Hands-on Workshop)"
    names = [author["family-names"] for author in paper["authors"]]
    assert names == ["Wang", "Moradi", "Zhoolideh Haghighi", "Rastegarnia"]
    assert citation["version"] == project()["version"]
    assert citation["repository-code"] == project()["urls"]["Repository"]


def test_package_knows_its_version():
    import workshop_utils

    assert workshop_utils.__version__ == project()["version"]


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "INSTRUCTORS.md", "data/README.md"])
def test_pages_link_only_to_what_exists(page):
    path = ROOT / page
    targets = re.findall(r"\]\(([^):#]+)\)", path.read_text(encoding="utf-8"))
    assert not [target for target in targets if not (path.parent / target).exists()]


# The built package --------------------------------------------------------------------------------


def test_wheel_brings_modules_and_data(tmp_path):
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    subprocess.run(build, cwd=ROOT, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    built = set(zipfile.ZipFile(wheel).namelist())
    shipped = [path for path in (ROOT / "data").rglob("[!.]*") if path.is_file() and path.suffix != ".part"]
    assert shipped
    wanted = {f"workshop_utils/data/{path.relative_to(ROOT / 'data').as_posix()}" for path in shipped}
    wanted |= {path.relative_to(ROOT).as_posix() for path in PACKAGE.rglob("*.py")}
    assert wanted <= built
    assert {name.split("/")[0] for name in built if ".dist-info" not in name} == {"workshop_utils"}


# Modules ------------------------------------------------------------------------------------------


def imported(path):
    """Modules of the package that the file at `path` imports, each with its line."""
    inside = len(path.relative_to(ROOT).parts) - 1  # folders between the root and the file
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = path.relative_to(ROOT).parts[: inside + 1 - node.level] if node.level else ()
            start = ".".join([*package, *filter(None, [node.module])])
            names = [f"{start}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "workshop_utils" and len(parts) > 1:
                yield parts[1], node.lineno


def test_modules_import_only_from_their_left():
    wrong = []
    for path in sorted(PACKAGE.rglob("*.py")):
        module = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        if module == "__init__":
            continue
        assert module in MODULES, f"{module} has no place in the order of modules"
        allowed = MODULES[: MODULES.index(module)] + ([module] if path.parent != PACKAGE else [])
        found = [(name, line) for name, line in imported(path) if name not in allowed]
        wrong += [f"{path.name}:{line} imports {name}" for name, line in found]
    assert not wrong


def test_import_check_sees_every_form_of_import(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    path = tmp_path / "workshop_utils" / "simulate" / "quasars.py"
    path.parent.mkdir(parents=True)
    path.write_text(
        "import numpy\nimport workshop_utils.apply\nfrom workshop_utils import scores\n"
        "from workshop_utils.figures import use_style\nfrom .. import training\nfrom ..networks import CNN\n"
        "from . import galaxies\n"
    )
    found = [name for name, _ in imported(path)]
    assert found == ["apply", "scores", "figures", "training", "networks", "simulate"]


# Notebooks ----------------------------------------------------------------------------------------


@each_notebook
def test_notebook_starts_with_links_and_launch_cell(path):
    book = nbformat.read(path, as_version=4)
    assert book.cells[0].source == launch.links(path), "run python tools/launch_cell.py"
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert code[0].source == launch.launch_cell(), "run python tools/launch_cell.py"


@each_notebook
def test_notebook_is_stored_without_outputs_but_those_compared(path):
    book = nbformat.read(path, as_version=4)
    assert "widgets" not in book.metadata
    assert book.metadata.kernelspec.name == "python3"
    compared = 0
    for cell in book.cells:
        if cell.cell_type != "code":
            continue
        tags = set(cell.metadata.get("tags", []))
        assert ("nbval-check-output" in tags) == ("keep_output" in tags), cell.source
        if "keep_output" in tags:
            assert cell.outputs and cell.execution_count, cell.source
            compared += 1
        else:
            assert not cell.outputs, cell.source
    assert compared, "no cell is tagged nbval-check-output"


# make course --------------------------------------------------------------------------------------


def test_course_runs_on_after_a_notebook_that_fails(tmp_path, monkeypatch, capsys):
    recording = "import json, os, pathlib\n"
    recording += "pathlib.Path(os.environ['WORKSHOP_RESULTS']).write_text(json.dumps("
    recording += "{'redshift_cnn': {'accuracy_6000': 0.5, 'n': 100, 'live': {'accuracy_6000': 0.25, 'n': 4}}}))"
    (tmp_path / "notebooks").mkdir()
    for name, source in {"00_fails": "1 / 0", "01_records": recording}.items():
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)])
        nbformat.write(book, tmp_path / "notebooks" / f"{name}.ipynb")
    build = tmp_path / "_build"
    for name, value in {"ROOT": tmp_path, "BUILD": build, "RESULTS": build / "results.json"}.items():
        monkeypatch.setattr(run_course, name, value)
    for name in ("WORKSHOP_PROFILE", "WORKSHOP_RESULTS", "JUPYTER_PREFER_ENV_PATH"):
        monkeypatch.setenv(name, "")  # put back afterwards
    assert run_course.main("ci") == 1
    said = capsys.readouterr().out
    assert "00_fails failed" in said and "ZeroDivisionError" in said and "01_records failed" not in said
    assert re.search(r"CNN with P\(z\) +- +25.0 ± 21.7 % of 4 +50.0 ± 5.0 % of 100 +-", said)
    assert "shift network" not in said  # nothing was recorded for it
    assert "ZeroDivisionError" in (build / "course" / "00_fails.html").read_text(encoding="utf-8")
    assert '"profile": "ci"' in (build / "results.json").read_text(encoding="utf-8")


def test_course_refuses_an_unknown_profile():
    with pytest.raises(SystemExit, match="fast.*ci, laptop, gpu"):
        run_course.main("fast")
