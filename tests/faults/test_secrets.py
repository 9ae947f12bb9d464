"""Tokens are read and shown nowhere; weights are never pickles; nothing we bring along is under a strange licence."""

import ast
import importlib.util
import pathlib
import re
import subprocess
import sys

import nbformat
import pytest

from conftest import ROOT, SECRETS

CODE = sorted([*(ROOT / "workshop_utils").rglob("*.py"), *(ROOT / "tools").rglob("*.py")])
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# What runs code that a file holds.
FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}
SHAPES = [
    r"KGAT_[0-9a-zA-Z]{8}",
    r'"key"\s*:\s*"[0-9a-f]{32}"',
    r"gh[pousr]_[0-9A-Za-z]{30}",
    r"AKIA[0-9A-Z]{16}",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    r"X-Goog-Signature=[0-9a-f]{20}",
]


def sources():
    """The code of the package, the tools and the notebooks: name, source."""
    for path in CODE:
        yield path.name, path.read_text(encoding="utf-8")
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                yield path.name, cell.source


def unsafe(source):
    """Ways in which a piece of code would run what a file holds."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            yield from (name for name in names if name.split(".")[0] in FORBIDDEN)
        elif isinstance(node, ast.Call):
            call = ast.unparse(node.func)
            options = {word.arg: ast.unparse(word.value) for word in node.keywords}
            if call in ("torch.load", "torch.save") and options.get("weights_only") != "True":
                yield call
            if options.get("allow_pickle", "False") != "False" or call.endswith("read_pickle"):
                yield call


def test_nothing_is_stored_or_read_as_a_pickle():
    found = [(name, how) for name, source in sources() for how in unsafe(source)]
    assert not found
    pickles = (".pt", ".pth", ".pkl", ".pickle", ".npz")
    assert not [path for path in (ROOT / "data").rglob("*") if path.suffix in pickles]


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from joblib import load",
        "import json, dill",
        "torch.load(path)",
        "torch.save(net, path)",
        "torch.load(p, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "pd.read_pickle(path)",
    ],
)
def test_the_search_for_pickles_finds_them(source):
    assert list(unsafe(source))
    assert not list(unsafe("torch.load(path, weights_only=True); np.load(path, allow_pickle=False)"))


def test_executed_notebooks_show_no_token(executed, count):
    """They ran with tokens in the environment."""
    for name, (_, book) in executed.items():
        text = nbformat.writes(book)
        assert not [secret for secret in SECRETS.values() if secret in text], name
        count("executed notebooks that show no token")


def test_no_file_of_the_project_holds_a_token():
    files = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True)
    if files.returncode:
        pytest.skip("no git here")
    found = []
    for name in filter(None, files.stdout.split("\0")):
        path = ROOT / name
        if path.is_file() and path.name != pathlib.Path(__file__).name:
            text = path.read_bytes().decode("utf-8", "ignore")
            found += [(name, shape) for shape in SHAPES if re.search(shape, text)]
    assert [one for one in found if one != ("tests/conftest.py", SHAPES[0])] == []  # made up, to be searched for


def test_the_package_asks_for_no_token_by_itself():
    """It leaves Kaggle's variables to the kaggle package."""
    for path in CODE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and path.parent.name != "sources":
                assert not re.search(r"KAGGLE_(KEY|API_TOKEN|USERNAME)$", node.value), path
    for path in (ROOT / "workshop_utils" / "sources").glob("*.py"):
        assert not re.search(r"environ\S*KAGGLE_(KEY|API_TOKEN|USERNAME)", path.read_text(encoding="utf-8")), path


def test_licences_of_what_the_course_needs():
    """Every package that an installation brings is under a licence of the list in tools/licences.py."""
    spec = importlib.util.spec_from_file_location("licences", ROOT / "tools" / "licences.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    assert tool.main() == 0
    assert tool.judge("GPL-3.0-only") is None and tool.judge("MIT") and tool.judge("BSD-3-Clause AND MIT")


def test_licences_are_those_of_the_installation():
    done = subprocess.run([sys.executable, ROOT / "tools" / "licences.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^numpy +\S+ +.*BSD", done.stdout, re.MULTILINE)
