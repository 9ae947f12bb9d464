"""Every notebook as a learner uses it: opened in JupyterLab, run by the menu, its sliders moved; in headless Chromium.

Not part of the ordinary test run: it needs Chromium, chromedriver and the package selenium, and some minutes.

    make browser

Pictures of each notebook, screen by screen, lie in _build/browser afterwards.
"""

import base64
import contextlib
import io
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import matplotlib.image
import pytest

pytest.importorskip("selenium", reason="pip install selenium")
from selenium.common.exceptions import WebDriverException  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import WebDriverWait  # noqa: E402

pytest_plugins = "chromium"
ROOT = Path(__file__).parents[2]
SHOTS = ROOT / "_build" / "browser"
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},  # asks no question
    "notebook-extension/tracker": {"windowingMode": "none"},  # cells stay in the page when out of sight
}
# The notebook on screen and its code cells, in the words of JupyterLab.
BOOK = "const book = jupyterapp.shell.currentWidget;"
CELLS = BOOK + "const cells = book.content.widgets.filter(c => c.model.type === 'code');"
OUTPUTS = CELLS + "const outputs = cells.flatMap(c => c.model.outputs.toJSON());"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """Address of a JupyterLab that serves a copy of the notebooks."""
    folder = tmp_path_factory.mktemp("lab")
    (folder / "course").mkdir()
    for path in NOTEBOOKS:
        shutil.copy(path, folder / "course")
    for name, values in SETTINGS.items():
        path = folder / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.root_dir": folder / "course",
        "ServerApp.port": port,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.open_browser": False,
        "LabApp.expose_app_in_browser": True,
        "LabApp.user_settings_dir": folder / "settings",
        "LabApp.workspaces_dir": folder / "workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    environment = {"WORKSHOP_PROFILE": "ci", "JUPYTER_PREFER_ENV_PATH": "1"} | os.environ
    with open(folder / "server.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api", timeout=1).close()
                break
            time.sleep(0.5)
        else:
            raise RuntimeError("JupyterLab did not start:\n" + (folder / "server.log").read_text())
        yield address
    finally:
        server.terminate()
        try:
            server.wait(60)
        except subprocess.TimeoutExpired:
            server.kill()


def wait(driver, script, seconds=120):
    """Wait until a script returns something true."""
    WebDriverWait(driver, seconds, 1).until(lambda d: d.execute_script(script))


def click(driver, place, seconds=120):
    """Click on an element once it is there; JupyterLab may draw it anew just then."""
    patient = WebDriverWait(driver, seconds, 1, ignored_exceptions=(WebDriverException,))
    patient.until(lambda d: d.find_element(By.CSS_SELECTOR, place).click() or True)


def run_all(driver, seconds=900):
    """Choose Run > Run All Cells, and wait until every code cell has run or one has failed."""
    menu = driver.find_elements(By.CSS_SELECTOR, ".lm-MenuBar-item")
    next(item for item in menu if item.text == "Run").click()
    driver.find_element(By.CSS_SELECTOR, ".lm-Menu-item[data-command='runmenu:run-all']").click()
    ran = "cells.every(c => c.model.executionCount || !c.model.sharedModel.source.trim())"
    failed = "outputs.some(o => o.output_type === 'error')"
    idle = "book.sessionContext.session.kernel.status === 'idle'"
    wait(driver, f"{OUTPUTS} return ({ran} || {failed}) && {idle}", seconds)
    time.sleep(2)  # the last figures may still be on their way


def picture(driver, cell):
    """Pixels of the figure in the output of a cell, shape (height, width, 4), 0 to 1; None while there is none."""
    source = driver.execute_script("return arguments[0].querySelector('.jp-OutputArea img')?.src", cell)
    if not source:
        return None
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(source.split(",")[1])), format="png")


def move_slider(driver, cell):
    """Press an arrow key on the first slider of a cell; return its label before and after, and whether the figure
    changed.
    """
    handle = cell.find_element(By.CSS_SELECTOR, ".noUi-handle")
    driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", handle)
    label = "return arguments[0].querySelector('.widget-readout').textContent"
    before, label_before = picture(driver, cell), driver.execute_script(label, cell)
    for _ in range(5):
        handle.send_keys(Keys.ARROW_RIGHT)
        time.sleep(0.3)

    def changed(driver):
        now = picture(driver, cell)
        return now is not None and (now.shape != before.shape or (now != before).any())  # a title is little, too

    with contextlib.suppress(Exception):
        WebDriverWait(driver, 30).until(changed)
    return label_before, driver.execute_script(label, cell), changed(driver)


def take_pictures(driver, name):
    """Save the notebook screen by screen."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for old in SHOTS.glob(f"{name}_*.png"):
        old.unlink()
    outer = "document.querySelector('.jp-NotebookPanel:not(.lm-mod-hidden) .jp-WindowedPanel-outer')"
    height = driver.execute_script(f"return {outer}.scrollHeight")
    for page, top in enumerate(range(0, height, 950)):
        driver.execute_script(f"{outer}.scrollTop = arguments[0]", top)
        time.sleep(0.3)
        driver.save_screenshot(str(SHOTS / f"{name}_{page:02d}.png"))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_everything(lab, driver, path):
    driver.get(f"{lab}/lab/tree/{path.name}?reset")
    click(driver, ".jp-NotebookPanel .jp-Cell")  # without focus none is current
    wait(driver, "return !!window.jupyterapp?.shell.currentWidget?.content?.widgets?.length")
    wait(driver, f"{BOOK} return book.sessionContext.session?.kernel?.status === 'idle'")
    run_all(driver)
    take_pictures(driver, path.stem)
    errors = driver.execute_script(
        f"{OUTPUTS} return outputs.filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)"
    )
    assert not errors
    dialogs = "[...document.querySelectorAll('.jp-Dialog, .jp-mod-error')].map(e => e.textContent)"
    said = driver.execute_script(f"return {dialogs}")
    assert not said, "JupyterLab complains"  # "Invalid notebook", "File load error", ...
    widths = "[...document.querySelectorAll('.jp-OutputArea img')].map(image => image.naturalWidth)"
    images = driver.execute_script(f"return {widths}")
    assert all(images), "a figure is not drawn"
    views = f"{OUTPUTS} return outputs.filter(o => o.data?.['application/vnd.jupyter.widget-view+json']).length"
    drawn = "return document.querySelectorAll('.jp-OutputArea-output > .jupyter-widgets').length"
    assert driver.execute_script(drawn) >= driver.execute_script(views), "a widget is not drawn"
    for cell in driver.find_elements(By.CSS_SELECTOR, ".jp-CodeCell:has(.noUi-handle)"):
        before, after, changed = move_slider(driver, cell)
        print(f"slider {before} -> {after}, figure {'changed' if changed else 'as before'}")
        assert before != after, "the slider does not move"
        assert changed, "the slider moves, its figure does not"
    driver.execute_script(f"{BOOK} return book.sessionContext.shutdown()")
