"""Film the page's main flow into docs/page.gif.

    python docs/film.py

Starts the page, chooses an example in Chromium, changes how strong the colours of the map are, and
shows what it says of a photo without food.
"""

import io
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import foodvision
from foodvision.web import build_page, launch_page

TARGET = Path(__file__).with_name("page.gif")
SIZE = {"width": 900, "height": 640}
COLOURS = 128


def main() -> None:
    """Film and write."""
    page = build_page(foodvision.load())
    launch_page(page, wait=False)
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        frames = film(browser.new_page(viewport=SIZE), page.local_url)
        browser.close()
    page.close(verbose=False)
    pictures = [picture.quantize(COLOURS) for picture, _ in frames]
    pictures[0].save(
        TARGET,
        save_all=True,
        append_images=pictures[1:],
        duration=[milliseconds for _, milliseconds in frames],
        loop=0,
        optimize=True,
    )
    print(f"{TARGET}: {len(frames)} pictures, {TARGET.stat().st_size / 1e6:.1f} MB")


def film(page: Page, url: str) -> list[tuple[Image.Image, int]]:
    """Return the pictures of the flow, each with the milliseconds it is shown for."""
    page.goto(url)
    page.locator(".answer h2", has_text="Which dish").wait_for()
    settle(page, "#examples img", 8)
    frames = [(picture(page), 1500)]
    choose(page, "pizza_dad")
    frames.append((picture(page), 2000))
    slider = page.locator("#looked input")
    slider.scroll_into_view_if_needed()
    for percent in (60, 30, 0, 30, 60, 80, 60):
        slider.fill(str(percent))
        frames.append((picture(page), 250))
    page.evaluate("scrollTo(0, 0)")
    choose(page, "not_food_cat")
    frames.append((picture(page), 2500))
    return frames


def choose(page: Page, example: str) -> None:
    """Choose an example and wait for all of its answer."""
    before = page.locator(".answer").inner_text()
    page.locator(f"#examples button:has(img[src*='{example}'])").click()
    page.wait_for_function(
        "before => document.querySelector('.answer').innerText !== before", arg=before
    )
    settle(page, "#looked img", 2)


def settle(page: Page, images: str, count: int) -> None:
    """Wait until so many images are drawn, and what moves has come to rest."""
    page.wait_for_function(
        """([images, count]) => [...document.querySelectorAll(images)].filter(
            (image) => image.complete && image.naturalWidth).length === count""",
        arg=[images, count],
    )
    page.wait_for_timeout(1000)


def picture(page: Page) -> Image.Image:
    """Return what is seen."""
    with Image.open(io.BytesIO(page.screenshot())) as image:
        return image.convert("RGB")


if __name__ == "__main__":
    main()
