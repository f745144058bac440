"""Whether the page in the browser answers like Python, and how fast: measured on the page itself.

    python benchmarks/browser.py ../food101_sharp/test ../not_food --phone 60

Exports the model that ships, serves the folder on this machine, and gives the photos to the page
in Chromium as a visitor would: many of them at once, whose answers come home as its CSV, and one by
one for the time. Phone photos are made from the first ones: enlarged to 12 megapixels, turned, and
tagged with each EXIF orientation. Times are the page's own, on one thread, beside ONNX Runtime in
Python on one thread, by turns; decoding and resizing count in both.
"""

import argparse
import csv
import re
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from statistics import median

import foodvision  # first: it switches ONNX Runtime's telemetry off

# isort: split
import numpy as np
import onnxruntime
from PIL import Image
from playwright.sync_api import Page, expect, sync_playwright

from foodvision.browser import write_site
from foodvision.figures import Share
from foodvision.image import SUFFIXES, load_image

OPTIONS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
PHONE_PIXELS = 12_000_000
AT_ONCE = 200
PATIENCE = 600_000

# What to do to an upright photo so that a viewer that obeys the orientation shows it upright again.
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="+", type=Path, help="photos, in any depth")
    parser.add_argument("--phone", type=int, default=60, help="so many phone photos, made")
    parser.add_argument("--rounds", type=int, default=30, help="of the time of one answer")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        phone = make_phone_photos(
            find_photos(arguments.folders[0])[: arguments.phone], Path(folder)
        )
        groups = {path.name: find_photos(path) for path in arguments.folders} | {"phone": phone}
        classifier = foodvision.load()
        site = write_site(classifier.checkpoint, Path(folder) / "site")
        with serve(site) as (url, sent), open_chromium() as page:
            page.goto(f"{url}/index.html")
            expect(page.locator("#kept")).not_to_be_empty(timeout=PATIENCE)
            print(f"on the wire {sum(sent.values()) / 1e6:.2f} MB: {describe(sent)}")
            tell_times(page, classifier, groups[arguments.folders[0].name][: arguments.rounds])
            for name, photos in groups.items():
                tell_agreement(name, page, classifier, photos)


def find_photos(folder: Path) -> list[Path]:
    """Return the photos of a folder, by path."""
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)


def make_phone_photos(photos: Sequence[Path], folder: Path) -> list[Path]:
    """Write photos as a phone does, one orientation after the other, and return the files."""
    made = []
    for index, path in enumerate(photos):
        orientation = 2 + index % len(TURNED)
        with Image.open(path) as image:
            scale = (PHONE_PIXELS / (image.width * image.height)) ** 0.5
            size = (round(image.width * scale), round(image.height * scale))
            large = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
        exif = Image.Exif()
        exif[0x0112] = orientation
        made.append(folder / f"phone_{index:03}.jpg")
        large.transpose(TURNED[orientation]).save(made[-1], quality=90, exif=exif)
    return made


def tell_agreement(
    name: str, page: Page, classifier: foodvision.Classifier, photos: Sequence[Path]
) -> None:
    """Print how often the page's label is Python's, and how far apart the confidences are.

    Confidences are compared for the page's label, whichever Python's is.
    """
    rows = [
        row
        for start in range(0, len(photos), AT_ONCE)
        for row in ask_page(page, photos[start : start + AT_ONCE])
    ]
    same, differences, known = 0, [], 0
    for path, row in zip(photos, rows, strict=True):
        answers = classifier.run(classifier.pixels(path)[None])
        probabilities = answers.probabilities[0]
        same += classifier.classes[int(probabilities.argmax())] == row["label"]
        python = float(probabilities[classifier.classes.index(row["label"])])
        differences.append(abs(python - float(row["confidence"])))
        is_known = bool(answers.known_score[0] >= classifier.config.known_threshold)
        known += is_known == (row["certainty"] != "not known")
    print(
        f"{name}: top-1 equal {describe_share(same, len(photos))}; known or not equal "
        f"{describe_share(known, len(photos))}; confidences differ by {max(differences):.4f} at "
        f"most, {median(differences):.4f} in the median"
    )


def describe_share(count: int, n: int) -> str:
    """Return a share in percent with its interval."""
    low, high = Share(count, n).interval
    return f"{100 * count / n:.2f}% ({100 * low:.2f} to {100 * high:.2f}, n = {n})"


def ask_page(page: Page, photos: Sequence[Path]) -> list[dict[str, str]]:
    """Return the rows of the page's CSV for photos, in order."""
    page.get_by_role("tab", name="Many photos").click()
    page.locator("#many input[type=file]").set_input_files(photos)
    page.get_by_role("button", name="Classify photos").click()
    count = page.locator("#many .count")
    expect(count).to_contain_text(f"{len(photos)} of {len(photos)}", timeout=PATIENCE)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


def tell_times(page: Page, classifier: foodvision.Classifier, photos: Sequence[Path]) -> None:
    """Print what starting, the first answer and the next ones take, on the page and in Python."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    started = time.perf_counter()
    session = onnxruntime.InferenceSession(classifier.checkpoint.graph, options)
    python_start = time.perf_counter() - started
    page_start = page.evaluate("performance.getEntriesByName('model started')[0].duration") / 1000
    ours, theirs = [], []
    for path in photos:
        ours.append(time_page(page, path))
        started = time.perf_counter()
        pixels = classifier.config.preprocess(load_image(path))
        session.run(None, {"pixels": np.asarray(pixels)[None]})
        theirs.append(time.perf_counter() - started)
    ratios = sorted(one / other for one, other in zip(ours[1:], theirs[1:], strict=True))
    print(
        f"session {page_start:.2f} s (Python {python_start:.2f} s), first answer "
        f"{ours[0]:.2f} s, next ones {1000 * median(ours[1:]):.0f} ms (Python "
        f"{1000 * median(theirs[1:]):.0f} ms): ratio {median(ratios):.2f}, half of them "
        f"{ratios[len(ratios) // 4]:.2f} to {ratios[3 * len(ratios) // 4]:.2f}, n = {len(ratios)}"
    )


def time_page(page: Page, photo: Path) -> float:
    """Return the seconds that the page says an answer took."""
    page.locator("#one input[type=file]").set_input_files(photo)
    sentence = page.locator("#one .answer p")
    expect(sentence).to_contain_text(" ms", timeout=PATIENCE)
    seconds = int(re.findall(r"(\d+) ms", sentence.inner_text())[0]) / 1000
    page.get_by_role("button", name="Remove the photo").click()
    expect(sentence).not_to_contain_text(" ms")
    return seconds


@contextmanager
def open_chromium() -> Iterator[Page]:
    """Open a page of the browser of this machine."""
    with sync_playwright() as playwright:
        executable = shutil.which("chromium")
        browser = playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield browser.new_page()
        browser.close()


@contextmanager
def serve(folder: Path) -> Iterator[tuple[str, dict[str, int]]]:
    """Serve a folder on this machine; returns the address, and the bytes of each file sent."""
    sent: dict[str, int] = {}

    class Counting(SimpleHTTPRequestHandler):
        def log_request(self, code: object = "-", size: object = "-") -> None:
            path = folder / self.path.split("?")[0].lstrip("/")
            if path.is_file():
                sent[self.path] = sent.get(self.path, 0) + path.stat().st_size

        def log_message(self, *values: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Counting, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", sent
    server.shutdown()


def describe(sent: dict[str, int]) -> str:
    """Return the bytes on the wire by what they are for."""
    parts = {"model": "/model/", "onnxruntime-web": "/onnxruntime/", "examples": "/examples/"}
    by_part = {
        part: sum(size for path, size in sent.items() if path.startswith(prefix))
        for part, prefix in parts.items()
    }
    by_part["page"] = sum(sent.values()) - sum(by_part.values())
    return ", ".join(f"{part} {size / 1e6:.2f} MB" for part, size in by_part.items())


if __name__ == "__main__":
    main()
