"""Barriers for people who use a keyboard, a screen reader or strong contrast: axe-core looks at the pages.

Part of make browser. A page of make course, and three pages of the site, by day and by night.
"""

import pytest
import run_course

pytest.importorskip("selenium", reason="pip install selenium")
pytest.importorskip("sphinx", reason="pip install sphinx")
axe_core = pytest.importorskip("axe_core_python.selenium", reason="pip install axe-core-python")
import build_site  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402

pytest_plugins = "chromium"
NOTEBOOK = "02_spectra"
# no colour on its way from light to dark when we look
STILL = "document.head.insertAdjacentHTML('beforeend', '<style>*, ::before {transition: none !important}</style>')"
SITE = ["index", "docs/glossary", f"notebooks/{NOTEBOOK}"]


@pytest.fixture(scope="module")
def pages():
    """Folder _build with the pages of make course and of the site."""
    assert build_site.main("ci") == 0
    return run_course.BUILD


def look(driver, path, mode):
    """Open a page in a browser that prefers light or dark."""
    feature = {"name": "prefers-color-scheme", "value": mode}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
    driver.get(path.as_uri())
    driver.execute_script(STILL)


def barriers(driver):
    """What axe-core finds on the page before the browser, serious or critical: its rule, and where."""
    found = axe_core.Axe().run(driver)["violations"]
    serious = [each for each in found if each["impact"] in ("serious", "critical")]
    return [(each["id"], each["nodes"][0]["html"][:200], len(each["nodes"])) for each in serious]


def test_page_of_a_notebook(driver, pages):
    look(driver, pages / "course" / f"{NOTEBOOK}.html", "light")
    assert not barriers(driver)


@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("name", SITE)
def test_pages_of_the_site(driver, pages, name, mode):
    look(driver, pages / "site" / f"{name}.html", mode)
    assert not barriers(driver)


def test_a_keyboard_opens_a_question(driver, pages):
    """Tab reaches the answer of a question, Enter opens it."""
    look(driver, pages / "site" / "notebooks" / f"{NOTEBOOK}.html", "light")
    parts = driver.find_elements(By.CSS_SELECTOR, "details")
    question = next(each for each in parts if "Check yourself" in each.text)
    answer = question.find_element(By.CSS_SELECTOR, "details")
    for part in (question, answer):  # the one lies folded in the other
        for _ in range(400):
            driver.switch_to.active_element.send_keys(Keys.TAB)
            if driver.execute_script("return arguments[0].querySelector('summary') == document.activeElement", part):
                break
        else:
            raise AssertionError("Tab never reaches it")
        assert part.get_attribute("open") is None
        driver.switch_to.active_element.send_keys(Keys.ENTER)
        assert part.get_attribute("open") is not None
