"""Film the page's main flow into docs/page.gif, and show more of it in docs/page.jpg.

    python docs/film.py

Starts the page, chooses an example in Chromium, changes how strong the colours of the map are, and
shows what it says of a photo without food. The second picture shows three screens side by side: a
phone, dark mode, and many photos.
"""

import io
import shutil
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import foodvision
from foodvision.web import build_page, launch_page

TARGET = Path(__file__).with_name("page.gif")
SCREENS = TARGET.with_suffix(".jpg")
EXAMPLES = Path(__file__).parents[1] / "examples"
SIZE = {"width": 900, "height": 640}
COLOURS = 128


def main() -> None:
    """Film and write."""
    page = build_page(foodvision.load())
    launch_page(page, wait=False)
    # Their times are shown, and a browser that starts would slow them down.
    page.services.examples.wait()
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        frames = film(browser.new_page(viewport=SIZE), page.local_url)
        side_by_side(screens(browser, page.local_url)).save(SCREENS, quality=85)
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
    open_page(page, url)
    frames = [(picture(page), 1500)]
    choose(page, "pizza_dad")
    frames.append((picture(page), 2000))
    slider = page.locator("#looked input")
    slider.scroll_into_view_if_needed()
    for percent in (60, 30, 0, 30, 60, 80, 60):
        slider.fill(str(percent))
        frames.append((picture(page), 250))
    choose(page, "not_food_cat")
    frames.append((picture(page), 2500))
    return frames


def screens(browser: Browser, url: str) -> list[Image.Image]:
    """Return the three screens."""
    phone = browser.new_page(viewport={"width": 360, "height": 640}, device_scale_factor=1.25)
    open_page(phone, url)
    choose(phone, "pizza_dad")
    dark = browser.new_page(viewport={"width": 1200, "height": 800}, color_scheme="dark")
    open_page(dark, url)
    choose(dark, "ramen")
    many = browser.new_page(viewport={"width": 1000, "height": 800})
    open_page(many, url)
    many.get_by_role("tab", name="Many photos").click()
    with tempfile.TemporaryDirectory() as folder:
        (menu := Path(folder) / "menu.jpg").write_text("no photo")
        names = ("pizza", "sushi", "waffles", "not_food_cat")
        photos = [EXAMPLES / f"{name}.jpg" for name in names]
        many.locator("input[type=file][multiple]").last.set_input_files([*photos, menu])
        many.get_by_text("menu").first.wait_for()
    many.get_by_role("button", name="Classify photos").click()
    settle(many, "#gallery img", len(photos))
    many.locator("#gallery figure").last.scroll_into_view_if_needed()
    return [picture(one) for one in (phone, dark, many)]


def side_by_side(pictures: list[Image.Image], gap: int = 16) -> Image.Image:
    """Return pictures of the same height beside each other."""
    width = sum(one.width + gap for one in pictures) - gap
    whole = Image.new("RGB", (width, pictures[0].height), "grey")
    left = 0
    for one in pictures:
        whole.paste(one, (left, 0))
        left += one.width + gap
    return whole


def open_page(page: Page, url: str) -> None:
    """Open the page and wait for all of it."""
    page.goto(url)
    page.locator(".answer h2", has_text="Which dish").wait_for()
    settle(page, "#examples img", 8)


def choose(page: Page, example: str) -> None:
    """Choose an example and wait for all of its answer."""
    before = page.locator(".answer").inner_text()
    page.locator(f"#examples button:has(img[src*='{example}'])").click()
    page.wait_for_function(
        "before => document.querySelector('.answer').innerText !== before", arg=before
    )
    settle(page, "#looked img", 2)
    page.evaluate("scrollTo(0, 0)")


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
