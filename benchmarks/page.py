"""How long a photo's answer takes over HTTP, beside the answer itself and Gradio's own floor.

    python benchmarks/page.py [--rounds 30]

The page runs in a process of its own, as `python app.py` starts it; beside it runs a page of Gradio
whose function does nothing with an uploaded file. One client speaks plain HTTP on a connection that
stays open: upload, call, result. Each round sends a photo that was never sent before (the same
pixels, other bytes) to both and answers it in this process with `Classifier.predict`, in turns, so
that what else the machine does falls on all of them.

Prints median milliseconds of floor, in-process and page, for a photo of 224 pixels and one of 12
megapixels, and the median over rounds of (page - floor) / in-process with its 95% interval
(bootstrap): at most 1.3 is asked.
"""

import argparse
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

import foodvision

ROOT = Path(__file__).parents[1]

FLOOR = """
import gradio as gr
with gr.Blocks(analytics_enabled=False) as page:
    photo, answer = gr.File(), gr.JSON()
    gr.Button().click(lambda path: {}, photo, answer, api_name="predict")
page.launch(quiet=True, prevent_thread_lock=True, run_history=False, ssr_mode=False)
print("floor Serving at", page.local_url, flush=True)
page.block_thread()
"""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30)
    rounds = parser.parse_args().rounds
    classifier = foodvision.load()
    with served([sys.executable, "app.py"]) as page, served([sys.executable, "-c", FLOOR]) as floor:
        for name, photo in (("224 pixels", small_photo()), ("12 megapixels", phone_photo())):
            times = measure(photo, classifier, page, floor, rounds)
            print(f"{name}, n = {rounds}: {describe(times)}", flush=True)


@contextmanager
def served(command: list[str]) -> Iterator[httpx.Client]:
    """Start a page and give a connection to it."""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = next(line for line in process.stdout or () if "Serving at" in line)
            address = next(word for word in line.split() if word.startswith("http"))
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client
        finally:
            process.terminate()


def measure(
    photo: bytes,
    classifier: foodvision.Classifier,
    page: httpx.Client,
    floor: httpx.Client,
    rounds: int,
) -> np.ndarray:
    """Return (rounds, 3) seconds of floor, in-process and page."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.jpg"

        def in_process(fresh: bytes) -> None:
            path.write_bytes(fresh)
            classifier.predict(path)

        ways = [lambda fresh: ask(floor, fresh), in_process, lambda fresh: ask(page, fresh)]
        for warm_up in range(3):
            for way in ways:
                timed(way, photo, -1 - warm_up)
        return np.array([[timed(way, photo, number) for way in ways] for number in range(rounds)])


def timed(way: Callable[[bytes], None], photo: bytes, number: int) -> float:
    """Return the seconds that a way takes for a photo with bytes of its own."""
    fresh = photo + number.to_bytes(4, "big", signed=True)  # no decoder reads so far
    start = time.perf_counter()
    way(fresh)
    return time.perf_counter() - start


def ask(client: httpx.Client, photo: bytes) -> None:
    """Upload a photo, call the page and wait for its answer."""
    uploaded = client.post("gradio_api/upload", files={"files": ("photo.jpg", photo)})
    path = uploaded.raise_for_status().json()[0]
    data = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
    called = client.post("gradio_api/call/predict", json=data).raise_for_status()
    event = called.json()["event_id"]
    answer = client.get(f"gradio_api/call/predict/{event}").raise_for_status().text
    if "event: complete" not in answer:
        raise RuntimeError(f"no answer: {json.dumps(answer)}")


def describe(seconds: np.ndarray) -> str:
    """Return medians and ratio in words."""
    floor, in_process, page = 1000 * np.median(seconds, axis=0)
    ratios = (seconds[:, 2] - seconds[:, 0]) / seconds[:, 1]
    rng = np.random.default_rng(0)
    drawn = np.median(rng.choice(ratios, (2000, len(ratios))), axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return (
        f"floor {floor:.1f} ms, in-process {in_process:.1f} ms, page {page:.1f} ms; "
        f"(page - floor) / in-process {np.median(ratios):.2f} ({low:.2f} to {high:.2f})"
    )


def small_photo() -> bytes:
    """Return an example of the page."""
    return (ROOT / "examples" / "pizza.jpg").read_bytes()


def phone_photo() -> bytes:
    """Return the same as a phone would send it: 4000 by 3000 pixels, lying on its side."""
    with Image.open(ROOT / "examples" / "pizza.jpg") as image:
        large = image.convert("RGB").resize((4000, 3000), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn a quarter to the right
    content = io.BytesIO()
    large.save(content, "JPEG", quality=90, exif=exif)
    return content.getvalue()


if __name__ == "__main__":
    main()
