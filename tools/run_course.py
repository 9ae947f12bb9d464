"""Run every notebook in order, keep each as a page, and print "paper | this run".

    python tools/run_course.py [ci|laptop|gpu]

Writes _build/course/*.html and _build/results.json.
"""

import json
import os
import pathlib
import sys
import time

import nbformat
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbconvert import HTMLExporter

from workshop_utils.training import best_device

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
RESULTS = BUILD / "results.json"
PROFILES = ("ci", "laptop", "gpu")

# section of results.json, its key, what the learner reads, what the paper reports
ROWS = [
    ("redshift_cnn", "accuracy_6000", "redshift within 6,000 km/s, CNN", "> 97 %"),
    ("redshift_shift", "accuracy_6000", "redshift within 6,000 km/s, shift network", "-"),
    ("quasar_or_galaxy", "accuracy", "quasar or galaxy", "> 80 %"),
    ("gravitational_waves", "accuracy", "gravitational waves", "> 80 %"),
]


def write(path, text):
    """Write beside, then replace, so that nobody reads half a file."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)


def run_notebook(path):
    """Run one notebook, write its page, and return its error ("" if there was none)."""
    book = nbformat.read(path, as_version=4)
    client = NotebookClient(
        book,
        timeout=3600,
        kernel_name="python3",
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": path.parent}},  # the folder that the notebook runs in
    )
    error = ""
    try:
        client.execute()
    except CellExecutionError as failure:
        error = f"{failure.ename}: {failure.evalue}"
    except (CellTimeoutError, DeadKernelError) as failure:
        error = str(failure)
    page, _ = HTMLExporter(embed_images=True).from_notebook_node(book, {"metadata": {"name": path.stem}})
    write(BUILD / "course" / f"{path.stem}.html", page)
    return error


def run_notebooks(paths):
    """Run all notebooks, a line each; return {name: error} of those that failed."""
    failed = {}
    for path in paths:
        print(f"{path.stem:<30}", end="", flush=True)
        start = time.perf_counter()
        if error := run_notebook(path):
            failed[path.stem] = error
        print(f"{time.perf_counter() - start:7.0f} s   {'FAILED' if error else 'ok'}", flush=True)
    return failed


def finish_results(profile):
    """Add the profile and the device to what the notebooks recorded, and return it all."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else best_device().type
    recorded = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results = {"profile": profile, "device": device} | recorded
    write(RESULTS, json.dumps(results, indent=2) + "\n")
    return results


def percent(values, key):
    """Share as text, with the number of objects where it is given."""
    if not values or key not in values:
        return "-"
    return f"{100 * values[key]:.1f} %" + (f" of {values['n']}" if "n" in values else "")


def table(results):
    """Text of the table "paper | this run", one row for each section in `results`."""
    form = "{:<43} {:>7}   {:>15}   {:>15}".format
    lines = [form("", "paper", "this run", "real sky")]
    for section, key, title, paper in ROWS:
        if values := results.get(section):
            lines.append(form(title, paper, percent(values, key), percent(values.get("real"), key)))
    return "\n".join(lines)


def main(profile="laptop"):
    """Run the course; the exit status is 1 if a notebook failed."""
    if profile not in PROFILES:
        sys.exit(f"There is no profile {profile!r}; choose one of {', '.join(PROFILES)}.")
    (BUILD / "course").mkdir(parents=True, exist_ok=True)
    RESULTS.unlink(missing_ok=True)
    os.environ |= {"WORKSHOP_PROFILE": profile, "WORKSHOP_RESULTS": str(RESULTS)}
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not one of the user's
    failed = run_notebooks(sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    print("\n" + table(finish_results(profile)))
    print(f"\nPages: {BUILD / 'course'}\nNumbers: {RESULTS}")
    for name, error in failed.items():
        print(f"\n{name} failed (its page shows where): {error}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
