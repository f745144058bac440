"""How both pages look: their states at three widths, light and dark, held to axe-core."""

import re

import pytest
from conftest import EXAMPLES, REPOSITORY, running_page, violations
from playwright.sync_api import expect
from static_host import StaticHost

from foodvision.browser import write_site
from foodvision.checkpoint import BUNDLED, read_checkpoint

pytestmark = pytest.mark.slow

SCREENSHOTS = REPOSITORY / "screenshots"
PATIENCE = 30_000

# The model's answers to them are sure, unsure, and that it is no dish.
PHOTOS = {"answer": "pizza_dad.jpg", "unsure": "french_toast.jpg", "not_food": "not_food_cat.jpg"}


@pytest.fixture(scope="module", params=["page", "browser"])
def place(request, tmp_path_factory):
    """Which page, and its address."""
    if request.param == "page":
        with running_page() as (_, url):
            yield request.param, url
        return
    host = StaticHost(write_site(read_checkpoint(BUNDLED), tmp_path_factory.mktemp("looks") / "s"))
    yield request.param, f"{host.url}/index.html"
    host.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 768, 1440])
def test_every_state_fits_the_window_and_keeps_nobody_out(browser, place, width, scheme):
    kind, url = place
    page = browser.new_page(
        viewport={"width": width, "height": 900}, color_scheme=scheme, is_mobile=width < 700
    )

    def look(state):
        assert violations(page) == [], state
        assert page.evaluate("document.documentElement.scrollWidth") <= width, state
        name = f"{kind}_{state}_{width}_{scheme}.jpg"
        page.screenshot(path=SCREENSHOTS / name, type="jpeg", quality=70, full_page=True)

    SCREENSHOTS.mkdir(exist_ok=True)
    open_page(page, url)
    look("first")
    for state, photo in PHOTOS.items():
        open_page(page, url)
        page.locator("#photo input[type=file]").first.set_input_files(EXAMPLES / photo)
        expect(page.locator("#one .guesses li")).to_have_count(5, timeout=PATIENCE)
        expect(page.locator("#looked .map:visible")).to_have_count(1, timeout=PATIENCE)
        look(state)
    classify_many(page)
    look("many")
    page.get_by_role("tab", name="The model").click()
    expect(page.get_by_text("Baklava", exact=True).first).to_be_visible(timeout=PATIENCE)
    look("model")
    page.close()


def open_page(page, url):
    page.goto(url)
    expect(page.locator(".answer h2").first).to_have_text("Which dish is it?", timeout=PATIENCE)
    # The captions are there, and the pictures.
    expect(page.get_by_role("button", name="Waffles")).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(
        """() => [...document.querySelectorAll("#examples img")].every(
            (image) => image.complete && image.naturalWidth)"""
    )


def classify_many(page):
    photos = sorted(EXAMPLES.glob("*.jpg"))
    page.get_by_role("tab", name="Many photos").click()
    page.locator("input[type=file][multiple]").last.set_input_files(photos)
    # One page uploads them first, the other has them at once.
    listed = page.get_by_text(re.compile(r"Photos chosen: 8|waffles"))
    expect(listed.locator("visible=true").first).to_be_visible(timeout=PATIENCE)
    page.get_by_role("button", name="Classify photos").click()
    expect(page.get_by_text("8 of 8 photos classified.")).to_be_visible(timeout=PATIENCE)
    expect(page.locator(".answers figure")).to_have_count(8)
    page.get_by_text("As a table").click()
