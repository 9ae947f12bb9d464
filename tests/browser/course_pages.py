"""The pages that make course writes, in a browser without a network: formulas drawn, solutions and checks folded.

Part of make browser. Notebooks whose pages are absent or out of date are run first, in the profile ci. Pictures of each
page, screen by screen, lie in _build/browser afterwards.
"""

from pathlib import Path

import pytest
import run_course

pytest.importorskip("selenium", reason="pip install selenium")
from selenium.webdriver.common.by import By  # noqa: E402

pytest_plugins = "chromium"
SHOTS = Path(__file__).parents[2] / "_build" / "browser"
NAMES = sorted(path.stem for path in (run_course.ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
# Texts that a reader sees with a raw dollar in them, code left out.
RAW = """
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), found = [];
while (walker.nextNode()) {
    const text = walker.currentNode;
    if (text.data.includes('$') && !text.parentElement.closest('pre, code, script, style')) found.push(text.data);
}
return found;
"""
SEEN = """
return [...document.querySelectorAll('details > :not(summary), .jp-CodeCell.celltag_solution')].filter(
    part => part.checkVisibility()).map(part => part.textContent.slice(0, 80));
"""
EMPTY = "return [...document.querySelectorAll('math')].filter(m => !m.closest('details') && !m.clientWidth).length"
FETCHED = "return performance.getEntriesByType('resource').map(r => r.name).filter(name => !name.startsWith('data:'))"


@pytest.fixture(scope="module")
def course():
    """Folder of the pages."""
    run_course.executed("ci")
    return run_course.BUILD / "course"


def take_pictures(driver, name):
    """Save the page screen by screen."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    for old in SHOTS.glob(f"page_{name}_*.png"):
        old.unlink()
    for screen, top in enumerate(range(0, driver.execute_script("return document.body.scrollHeight"), 1000)):
        driver.execute_script("window.scrollTo(0, arguments[0])", top)
        driver.save_screenshot(str(SHOTS / f"page_{name}_{screen:02d}.png"))


@pytest.mark.parametrize("name", NAMES)
def test_page_stands_alone(driver, course, name):
    driver.execute_cdp_cmd("Network.enable", {})
    driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": ["http://*", "https://*"]})
    driver.get((course / f"{name}.html").as_uri())
    take_pictures(driver, name)
    assert not driver.execute_script(FETCHED), "the page asks for more than itself"
    assert not driver.execute_script(RAW), "a formula is not drawn"
    assert not driver.execute_script(EMPTY), "a formula has no width"
    assert not driver.execute_script(SEEN), "a hint or a solution is seen before a click"
    for summary in driver.find_elements(By.CSS_SELECTOR, "details.solution > summary, details.check > summary"):
        driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", summary)
        summary.click()
        assert driver.execute_script("return arguments[0].nextElementSibling.checkVisibility()", summary)
