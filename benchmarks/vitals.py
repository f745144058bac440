"""How soon the page appears, how soon it responds, and how much it moves: the web vitals.

    python benchmarks/vitals.py [--visits 9] [--only "phone"]

Starts the page as `python app.py` does, and serves the exported page beside it. Each visit is a new
one, with nothing in the browser's cache: Chromium opens the page, waits until the examples are
there, chooses a photo, waits for the answer and the map, moves the slider with mouse and keys, and
opens every tab. All clicks and keys are real ones. The desktop and the tablet take what the machine
gives; the phone's processor is throttled to a quarter. Nothing slows the network down, because the
page comes from this machine: a visitor waits for the download besides.

LCP is when the largest part of the first screen is drawn, in ms (aim: 2500). INP is the slowest
interaction of a visit, until the next frame is drawn, in ms (aim: 200). CLS is how far things move
that nobody has just touched, without unit (aim: 0.1). Prints the median of the visits, and the
worst, and names what moved and what was slow where a visit misses an aim.
"""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from statistics import median
from typing import Any

from browser import OPTIONS, PATIENCE, serve
from page import ROOT, served
from playwright.sync_api import Browser, Page, expect, sync_playwright

import foodvision
from foodvision.browser import write_site

PHOTO = ROOT / "examples" / "pizza_dad.jpg"
AIMS = {"LCP": 2500.0, "INP": 200.0, "CLS": 0.1}

# As https://web.dev/articles/vitals defines them. A window of shifts ends after a second without
# one, and after five seconds.
OBSERVE = """
window.vitals = { LCP: 0, largest: "", INP: 0, slowest: "", CLS: 0, moved: [] };
const named = (node) => {
    const element = node?.nodeType === Node.TEXT_NODE ? node.parentElement : node;
    return element ? `${element.tagName}#${element.id}.${element.className}`.slice(0, 80) : "?";
};
const observe = (type, take, options = {}) => new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) take(entry);
}).observe({ type, buffered: true, ...options });
observe("largest-contentful-paint", (entry) => {
    vitals.LCP = entry.startTime;
    vitals.largest = named(entry.element);
});
let sum = 0, first = 0, last = 0;
observe("layout-shift", (entry) => {
    if (entry.hadRecentInput) return;
    if (entry.startTime - last > 1000 || entry.startTime - first > 5000) {
        sum = 0;
        first = entry.startTime;
    }
    last = entry.startTime;
    sum += entry.value;
    vitals.CLS = Math.max(vitals.CLS, sum);
    vitals.moved.push(`${entry.value.toFixed(3)} ${entry.sources.map((of) => named(of.node))}`);
});
observe("event", (entry) => {
    if (!entry.interactionId || entry.duration <= vitals.INP) return;
    vitals.INP = entry.duration;
    vitals.slowest = `${entry.name} on ${named(entry.target)}`;
}, { durationThreshold: 16 });
"""

# Two frames: events are told of after the first one that is drawn.
FRAMES = """() => new Promise((done) =>
    requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"""


@dataclass(frozen=True)
class Device:
    """What a visitor has: a window in pixels, and how many times slower a processor."""

    name: str
    width: int
    height: int
    slower: int = 1

    @property
    def is_phone(self) -> bool:
        """Whether it has a touch screen."""
        return self.width < 700


DEVICES = (
    Device("desktop, 1440 px", 1440, 900),
    Device("tablet, 768 px", 768, 1024),
    Device("phone, 360 px, processor at a quarter", 360, 740, slower=4),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--visits", type=int, default=9, help="of each page with each device")
    parser.add_argument("--only", default="", help="devices whose names begin so")
    arguments = parser.parse_args()
    devices = [device for device in DEVICES if device.name.startswith(arguments.only)]
    with pages() as urls, sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        print("| page, device | n | LCP, ms | INP, ms | CLS | load |\n|---|---|---|---|---|---|")
        for page, url in urls.items():
            for device in devices:
                visits = [visit(browser, url, device) for _ in range(arguments.visits)]
                tell(f"{page}, {device.name}", visits)
        browser.close()


@contextmanager
def pages() -> Iterator[dict[str, str]]:
    """Serve both pages, and give their addresses."""
    with tempfile.TemporaryDirectory() as folder:
        site = write_site(foodvision.load().checkpoint, Path(folder) / "site")
        with serve(site) as (static, _), served([sys.executable, "app.py"]) as client:
            yield {"page": str(client.base_url), "exported page": f"{static}/index.html"}


def visit(browser: Browser, url: str, device: Device) -> dict[str, Any]:
    """Visit a page for the first time, use it, and return what was measured."""
    context = browser.new_context(
        viewport={"width": device.width, "height": device.height},
        is_mobile=device.is_phone,
        has_touch=device.is_phone,
        device_scale_factor=2 if device.is_phone else 1,
    )
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.add_init_script(OBSERVE)
    context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": device.slower})
    page.goto(url)
    expect(page.locator(".answer h2").first).to_be_visible(timeout=PATIENCE)
    page.wait_for_function(
        """() => {
            const images = [...document.querySelectorAll("#examples img")];
            return images.length && images.every((image) => image.complete && image.naturalWidth);
        }"""
    )
    use(page)
    measured: dict[str, Any] = page.evaluate("vitals")
    context.close()
    return measured


def use(page: Page) -> None:
    """Do what a visitor does, with real clicks and keys."""
    with page.expect_file_chooser() as chooser:
        page.locator("#photo").locator("button:visible, .button:visible").first.click()
    chooser.value.set_files(PHOTO)
    expect(page.locator("#answer .guesses li, #one .guesses li")).to_have_count(5, timeout=PATIENCE)
    expect(page.locator("#looked .map:visible")).to_have_count(1, timeout=PATIENCE)
    slider = page.get_by_label("Strength of the colours")
    slider.click(position={"x": 20, "y": 10})
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    for name in ("Camera", "Many photos", "The model", "One photo"):
        page.get_by_role("tab", name=name).click()
        page.evaluate(FRAMES)


def tell(name: str, visits: list[dict[str, Any]]) -> None:
    """Print a row of the table, and what missed an aim."""
    cells = []
    for key in AIMS:
        values = [visit[key] for visit in visits]
        digits = 3 if key == "CLS" else 0
        cells.append(f"{median(values):.{digits}f} (worst {max(values):.{digits}f})")
    print(
        f"| {name} | {len(visits)} | {' | '.join(cells)} | {os.getloadavg()[0]:.1f} |", flush=True
    )
    why = {"LCP": "largest", "INP": "slowest", "CLS": "moved"}
    for key, aim in AIMS.items():
        worst = max(visits, key=itemgetter(key))
        if worst[key] > aim:
            print(f"{key} over its aim, {name}: {worst[why[key]]}", flush=True)


if __name__ == "__main__":
    main()
