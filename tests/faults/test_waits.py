"""The client that runs the notebooks: it misses no reply, and says which cell failed; Ctrl-C leaves no kernel."""

import os
import signal
import subprocess
import sys
import textwrap
import time

import nbformat
import psutil
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook
from patient_client import PatientClient

from conftest import ROOT

WIDGETS = """
import ipywidgets
box, bar = ipywidgets.Output(), ipywidgets.IntProgress()
for i in range(15):
    bar.value = i
    with box:
        print(i)
"""


def many_widgets(cells=25):
    """A notebook whose every cell updates widgets, an Output among them, which the client must answer."""
    return new_notebook(cells=[new_code_cell(WIDGETS) for _ in range(cells)])


def waits(kind, limit):
    """Number of cells of a notebook full of widgets that took as long as their limit allows, though quickly done."""
    begun, took = [], []
    client = kind(
        many_widgets(),
        timeout=limit,
        kernel_name="python3",
        on_cell_start=lambda **_: begun.append(time.perf_counter()),
        on_cell_executed=lambda **_: took.append(time.perf_counter() - begun[-1]),
    )
    client.execute()
    assert len(took) == len(client.nb.cells)
    return sum(seconds > limit / 2 for seconds in took)


def test_no_wait_of_the_client_misses_a_reply(full, count):
    for _ in range(30 if full else 3):
        assert waits(PatientClient, 60) == 0
        count("notebooks full of widgets executed without a wait")


def test_a_wait_looks_at_the_socket_again(monkeypatch):
    """A reply that asyncio was not told of: without the second look the wait lasts for the whole time-out."""
    import asyncio
    from queue import Empty

    import patient_client

    calls = []

    async def deaf(timeout):  # the message has come, and only a new poll sees it
        calls.append(timeout)
        if len(calls) == 1:
            await asyncio.sleep(timeout)
            raise Empty
        return "reply"

    start = time.perf_counter()
    assert asyncio.run(patient_client.look_again(deaf, step=0.05)(timeout=30)) == "reply"
    assert time.perf_counter() - start < 5 and calls[0] == 0.05

    async def silent(timeout):
        await asyncio.sleep(timeout)
        raise Empty

    with pytest.raises(Empty):
        asyncio.run(patient_client.look_again(silent, step=0.05)(timeout=0.2))


@pytest.fixture
def course(tmp_path):
    """Run tools/run_course.py on notebooks of the test's own, in a copy of the place it works in."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "workshop_utils").mkdir()

    def start(books, limit=20):
        for name, cells in books.items():
            nbformat.write(
                new_notebook(cells=[new_code_cell(c) for c in cells]), tmp_path / "notebooks" / f"{name}.ipynb"
            )
        program = f"""
            import pathlib, sys
            sys.path.insert(0, {str(ROOT / "tools")!r})
            import run_course
            run_course.ROOT = pathlib.Path({str(tmp_path)!r})
            run_course.BUILD = run_course.ROOT / "_build"
            run_course.RESULTS = run_course.BUILD / "results.json"
            run_course.PROFILES["ci"] = {limit}
            run_course.run()
        """
        command = [sys.executable, "-c", textwrap.dedent(program), "ci"]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def test_failures_are_named_with_their_cell_and_the_others_run(course):
    process = course(
        {
            "01_slow": ["1 + 1", "# waits\nimport time; time.sleep(100)"],
            "02_dies": ["import os", "os._exit(7)", "print('never')"],
            "03_wrong": ["1 / 0"],
            "04_good": ["print('fine')"],
        },
        limit=5,
    )
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1, said
    assert "01_slow failed (its page shows where): cell 1 (# waits): it took more than 5 s" in said
    assert "02_dies failed (its page shows where): cell 1 (os._exit(7)): the kernel died" in said
    assert "03_wrong failed (its page shows where): cell 0 (1 / 0): ZeroDivisionError" in said
    assert "04_good" in said and said.count("FAILED") == 3 and "paper" in said  # the table comes all the same


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_ctrl_c_stops_at_once_and_leaves_no_kernel(course):
    process = course({"01_slow": ["import time; time.sleep(100)"], "02_next": ["print('never')"]}, limit=200)
    kernels = []
    for _ in range(200):
        kernels = [
            child for child in psutil.Process(process.pid).children() if "ipykernel" in " ".join(child.cmdline())
        ]
        if kernels:
            break
        time.sleep(0.1)
    assert kernels
    time.sleep(3)  # until the cell runs
    start = time.perf_counter()
    os.kill(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode != 0 and "Stopped by Ctrl-C" in said and "02_next" not in said
    assert time.perf_counter() - start < 20
    assert not any(kernel.is_running() and kernel.status() != psutil.STATUS_ZOMBIE for kernel in kernels)


if __name__ == "__main__":  # how often the plain client waits: python tests/faults/test_waits.py [TIMES]
    for _ in range(int(sys.argv[1]) if len(sys.argv) > 1 else 30):
        print(f"{waits(NotebookClient, 5)} of 25 cells waited in vain for the whole limit", flush=True)
