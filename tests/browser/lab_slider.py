"""Open JupyterLab in headless Chromium, run notebook 01 by the menu, move its slider: the figure changes.

Not part of the ordinary test run (it needs Chromium, chromedriver and the package selenium). Run it by

    python tests/browser/lab_slider.py [folder for screenshots]

Exit status: 0 passed, 1 failed, 77 skipped because something it needs is absent (the line printed says what).
"""

import base64
import contextlib
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import matplotlib.image
import numpy as np

NOTEBOOK = Path(__file__).parents[2] / "notebooks" / "01_gradient_descent.ipynb"
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = (
    "headless no-sandbox disable-gpu disable-quic no-first-run disable-background-networking "
    "disable-component-update disable-sync window-size=1400,1100"
)
# The notebook on screen, its code cells, and the cell that holds the slider, in the words of JupyterLab.
CELLS = "const cells = jupyterapp.shell.currentWidget.content.widgets.filter(c => c.model.type === 'code');"
SLIDER_CELL = "[...document.querySelectorAll('.jp-Cell')].find(c => c.querySelector('.noUi-handle'))"


def skip(reason):
    """Say why nothing was tested, and stop."""
    print(f"skipped: {reason}")
    sys.exit(77)


try:
    from selenium import webdriver
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:
    skip("the package selenium is not installed (pip install selenium)")
if not (CHROMIUM and shutil.which("chromedriver")):
    skip("Chromium and chromedriver are not both installed")


@contextlib.contextmanager
def jupyterlab(folder):
    """Run JupyterLab on a copy of the notebook in ``folder``; give its address."""
    course, settings = Path(folder, "course"), Path(folder, "settings/@jupyterlab/apputils-extension")
    course.mkdir()
    shutil.copy(NOTEBOOK, course)
    settings.mkdir(parents=True)  # no question about news in front of the notebook
    (settings / "notification.jupyterlab-settings").write_text(
        '{"fetchNews": "false", "checkForUpdates": false}'
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = {
        "ServerApp.root_dir": course,
        "ServerApp.port": port,
        "ServerApp.allow_root": True,
        "IdentityProvider.token": "",
        "LabApp.open_browser": False,
        "LabApp.expose_app_in_browser": True,
        "LabApp.user_settings_dir": f"{folder}/settings",
        "LabApp.workspaces_dir": f"{folder}/workspaces",
    }
    command = [sys.executable, "-m", "jupyterlab", *(f"--{name}={value}" for name, value in options.items())]
    with open(f"{folder}/server.log", "w") as log:
        server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(120):
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{address}/api", timeout=1).close()
                break
            time.sleep(0.5)
        else:
            raise RuntimeError("JupyterLab did not start:\n" + Path(folder, "server.log").read_text())
        yield address
    finally:
        server.terminate()
        server.wait(30)


@contextlib.contextmanager
def chromium(folder):
    """Run headless Chromium with a fresh profile; give its driver."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in FLAGS.split():
        options.add_argument(f"--{flag}")
    options.add_argument(f"--user-data-dir={folder}/profile")
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        yield driver
    finally:
        driver.quit()


def run_all(driver, address, seconds):
    """Open the notebook, choose Run > Run All Cells, wait for every code cell; return the errors."""
    driver.get(f"{address}/lab/tree/{NOTEBOOK.name}")
    ready = "return !!window.jupyterapp?.shell.currentWidget?.content?.widgets?.length"
    WebDriverWait(driver, 120).until(lambda d: d.execute_script(ready))
    idle = "return jupyterapp.shell.currentWidget.sessionContext.session?.kernel?.status === 'idle'"
    WebDriverWait(driver, 120).until(lambda d: d.execute_script(idle))
    menu = driver.find_elements(By.CSS_SELECTOR, ".lm-MenuBar-item")
    next(item for item in menu if item.text == "Run").click()
    driver.find_element(By.CSS_SELECTOR, ".lm-Menu-item[data-command='runmenu:run-all']").click()
    done = f"{CELLS} return cells.every(c => c.model.executionCount || !c.model.sharedModel.source.trim())"
    WebDriverWait(driver, seconds, 1).until(lambda d: d.execute_script(done) and d.execute_script(idle))
    return driver.execute_script(
        f"{CELLS} return cells.flatMap(c => c.model.outputs.toJSON())"
        ".filter(o => o.output_type === 'error').map(o => o.ename + ': ' + o.evalue)"
    )


def slider_image(driver):
    """Pixels of the figure under the slider, shape (height, width, 4), 0 to 1; None while there is none."""
    source = driver.execute_script(f"return {SLIDER_CELL}?.querySelector('.jp-OutputArea img')?.src")
    if not source:
        return None
    return matplotlib.image.imread(io.BytesIO(base64.b64decode(source.split(",")[1])), format="png")


def move_slider(driver, key, presses):
    """Press a key on the first handle (the learning rate); return figure and label before and after."""
    handle = driver.execute_script(f"return {SLIDER_CELL}.querySelector('.noUi-handle')")
    driver.execute_script("arguments[0].scrollIntoView({block: 'start'})", handle)
    label = f"return {SLIDER_CELL}.querySelector('.widget-readout').textContent"
    before, label_before = slider_image(driver), driver.execute_script(label)
    for _ in range(presses):
        handle.send_keys(key)
        time.sleep(0.3)

    def changed(driver):
        image = slider_image(driver)
        return image is not None and (image.shape != before.shape or (image != before).any())

    WebDriverWait(driver, 60).until(changed)
    time.sleep(5)  # the kernel may still be drawing for the last press
    return before, slider_image(driver), label_before, driver.execute_script(label)


def main(shots, seconds=600):
    """Do it all; print what was seen."""
    shots.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder,
        jupyterlab(folder) as address,
        chromium(folder) as driver,
    ):
        start = time.time()
        errors = run_all(driver, address, seconds)
        print(f"notebook run from the menu in {time.time() - start:.0f} s, errors: {errors or 'none'}")
        scroll = f"{CELLS} return jupyterapp.shell.currentWidget.content.scrollToCell(cells.find("
        driver.execute_script(scroll + "c => c.model.sharedModel.source.includes('interact(explore')))")
        WebDriverWait(driver, 60).until(lambda d: slider_image(d) is not None)
        driver.save_screenshot(str(shots / "0_before.png"))
        for shot, key, presses in (("1_faster", Keys.ARROW_RIGHT, 8), ("2_slower", Keys.ARROW_LEFT, 16)):
            before, after, label_before, label_after = move_slider(driver, key, presses)
            driver.save_screenshot(str(shots / f"{shot}.png"))
            same_shape = before.shape == after.shape
            share = (before != after).any(axis=-1).mean() if same_shape else np.nan
            print(f"slider {label_before} -> {label_after}: {share:.1%} of the figure's pixels changed")
            assert label_before != label_after, "the slider did not move"
            assert not same_shape or share > 0.005, "the figure did not change"
        assert not errors, errors
    print(f"passed; screenshots in {shots}")


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "_build/browser"))
