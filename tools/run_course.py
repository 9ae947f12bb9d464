"""Run every notebook in order, keep each as a page, and print the table of results.

    python tools/run_course.py [ci|laptop|gpu]

Writes _build/course/*.html, the same notebooks with their outputs (*.ipynb), and _build/results.json.
A notebook fails, too, if its kernel took more memory than a free Binder gives.
"""

import json
import math
import os
import pathlib
import re
import sys
import time

import nbformat
import psutil
import torch
from nbclient.exceptions import CellExecutionError, CellTimeoutError
from pages import page
from patient_client import PatientClient
from results_table import plain

from workshop_utils.sources import write_text
from workshop_utils.training import best_device

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "_build"
RESULTS = BUILD / "results.json"
PROFILES = {"ci": 180, "laptop": 900, "gpu": 3600}  # s that a cell may take, several times what the slowest needs
# GB that a kernel may take: Binder gives 2, of which JupyterLab needs some. (CUDA alone takes gigabytes.)
MEMORY = math.inf if torch.cuda.is_available() else 1.6


def peak_memory(pid):
    """Most memory that a process has held, in GB; on macOS, which does not tell, what it holds now."""
    status = pathlib.Path(f"/proc/{pid}/status")
    if status.exists():
        return int(re.search(r"VmHWM:\s+(\d+) kB", status.read_text())[1]) * 1024 / 1e9
    memory = psutil.Process(pid).memory_info()
    return getattr(memory, "peak_wset", memory.rss) / 1e9


def run_notebook(path):
    """Run one notebook and write its page; return its error ("" if there was none) and peak memory in GB.

    The error begins with the cell that failed, took too long, or in which the kernel died.
    """
    book = nbformat.read(path, as_version=4)
    peaks, begun = [0.0], []
    client = PatientClient(
        book,
        timeout=PROFILES[os.environ["WORKSHOP_PROFILE"]],
        shutdown_kernel="immediate",
        kernel_name="python3",
        coalesce_streams=True,  # of a progress bar, only its end
        extra_arguments=["--log-level=ERROR"],
        resources={"metadata": {"path": path.parent}},  # the folder that the notebook runs in
        on_cell_start=lambda cell, cell_index: begun.append((cell_index, cell)),
        on_cell_complete=lambda **_: peaks.append(peak_memory(client.km.provisioner.pid)),
    )
    error = ""
    try:
        client.execute()
    except CellExecutionError as failure:
        error = f"{failure.ename}: {failure.evalue}"
    except CellTimeoutError:
        error = f"it took more than {client.timeout} s"
    except Exception as failure:  # a kernel that died is told in several ways
        error = f"the kernel died ({type(failure).__name__})"
    if hasattr(client, "_async_cleanup_kernel_future"):  # nbclient's own Ctrl-C: it stops the kernel, and goes on
        raise KeyboardInterrupt
    if error and begun:
        index, cell = begun[-1]
        error = f"cell {index} ({cell.source.strip().splitlines()[0][:70]}): {error}"
    write_text(BUILD / "course" / f"{path.stem}.html", page(book, path.stem))
    copy = BUILD / "course" / path.name
    copy.unlink(missing_ok=True) if error else write_text(copy, nbformat.writes(book))
    return error, max(peaks)


def run_notebooks(paths):
    """Run all notebooks, a line each; return {name: error} of those that failed."""
    failed = {}
    for path in paths:
        print(f"{path.stem:<30}", end="", flush=True)
        start = time.perf_counter()
        error, peak = run_notebook(path)
        if not error and peak > MEMORY:
            error = f"its kernel took {peak:.2f} GB of memory, more than {MEMORY} GB"
        if error:
            failed[path.stem] = error
        seconds = time.perf_counter() - start
        print(f"{seconds:7.0f} s {peak:6.2f} GB   {'FAILED' if error else 'ok'}", flush=True)
    return failed


def executed(profile):
    """Paths of all notebooks with their outputs: those in _build/course, run first if absent or out of date."""
    set_up(profile)
    code = max(path.stat().st_mtime for path in (ROOT / "workshop_utils").rglob("*.py"))
    paths = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
    kept = [BUILD / "course" / path.name for path in paths]
    times = [copy.stat().st_mtime if copy.exists() else 0 for copy in kept]
    old = [path for path, time in zip(paths, times, strict=True) if time < max(code, path.stat().st_mtime)]
    if failed := run_notebooks(old):
        sys.exit("\n".join(f"{name} failed: {error}" for name, error in failed.items()))
    return kept


def finish_results(profile):
    """Add the profile and the device to what the notebooks recorded, and return it all."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else best_device().type
    recorded = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    results = {"profile": profile, "device": device} | recorded
    write_text(RESULTS, json.dumps(results, indent=2) + "\n")
    return results


def set_up(profile):
    """Make the folder of the pages, and tell the notebooks how much to do."""
    if profile not in PROFILES:
        sys.exit(f"There is no profile {profile!r}; choose one of {', '.join(PROFILES)}.")
    (BUILD / "course").mkdir(parents=True, exist_ok=True)
    os.environ |= {"WORKSHOP_PROFILE": profile, "WORKSHOP_RESULTS": str(RESULTS)}
    os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel of this environment, not one of the user's


def main(profile="laptop"):
    """Run the course; the exit status is 1 if a notebook failed."""
    set_up(profile)
    RESULTS.unlink(missing_ok=True)
    failed = run_notebooks(sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    print("\n" + plain(finish_results(profile)))
    print(f"\nPages: {BUILD / 'course'}\nNumbers: {RESULTS}")
    for name, error in failed.items():
        print(f"\n{name} failed (its page shows where): {error}")
    return 1 if failed else 0


def run():
    """Run the course as the command line says; Ctrl-C ends it."""
    try:
        sys.exit(main(*sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit("\nStopped by Ctrl-C; the pages of the notebooks before this one are written.")


if __name__ == "__main__":
    run()
