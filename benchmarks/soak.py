"""Load the page for a long time with good, bad, vanishing and slow clients, and look for harm.

    python benchmarks/soak.py [--minutes 30] [--clients 16]

`python app.py` runs as a process of its own on a free port, with a temporary folder of its own.
Each client is a thread that speaks plain HTTP: upload, call, read the event stream. It draws what
to do next: 60 % good photos, 30 % bad ones, 6 % vanish in the middle, 4 % send a byte now and then.

Prints the counts of what came back, the seconds of good answers, and what the server's processes
hold at the start, in the middle and at the end. Exit status 1 if anything is wrong: a wrong answer,
a server error other than 503 ("busy"), a failed request, a traceback, a dead server, files left
behind, or memory, descriptors or threads that still grow in the second half.
"""

import argparse
import io
import itertools
import json
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

import foodvision

ROOT = Path(__file__).parents[1]

# A kind of visit, and how often of 100 a client draws it.
VISITS = {"good": 60, "bad": 30, "vanish": 6, "slow": 4}

START_SECONDS, ANSWER_SECONDS, SLOW_SECONDS = 120, 120, 40

# Half a run's growth that is no leak: allocators and thread pools need some room.
GROWTH = 1.25

# Gradio's own refusal of a full queue, beside the page's 503.
BUSY = ("queue is full", "busy")


@dataclass
class Tally:
    """What came back. Threads append and count under the interpreter's lock."""

    counts: Counter[str] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Held:
    """What the processes of the server hold."""

    megabytes: float
    descriptors: int
    threads: int
    files: int


@dataclass(frozen=True)
class Server:
    """A running page, its folder for temporary files and its log."""

    address: str
    process: subprocess.Popen[bytes]
    temporary: Path
    log: Path


def main() -> int:
    """Run the load, print what happened and return the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=16)
    asked = parser.parse_args()
    good, bad, tally = good_photos(), bad_photos(), Tally()
    with tempfile.TemporaryDirectory() as folder:
        with served(Path(folder)) as server:
            held = load(server, good, bad, tally, 60 * asked.minutes, asked.clients)
            if server.process.poll() is not None:
                tally.faults.append(f"the server ended with status {server.process.returncode}")
        tally.faults += leftovers(server)
    tally.faults += growth(held)
    print(describe(tally, held))
    return 1 if tally.faults else 0


@contextmanager
def served(folder: Path) -> Iterator[Server]:
    """Start the page on a free port; stop it on leaving."""
    temporary, log = folder / "temporary", folder / "log.txt"
    temporary.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port)]
    environment = os.environ | {"TMPDIR": str(temporary)}
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=out, stderr=out) as process,  # noqa: S603
    ):
        try:
            wait_until_ready(process, log)
            yield Server(f"http://127.0.0.1:{port}", process, temporary, log)
        finally:
            process.terminate()


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the page says its address."""
    end = time.monotonic() + START_SECONDS
    while "Serving at" not in log.read_text("utf-8", "replace"):
        if process.poll() is not None or time.monotonic() > end:
            raise RuntimeError(f"the page did not start: {log.read_text('utf-8', 'replace')}")
        time.sleep(0.1)


def load(
    server: Server,
    good: dict[str, tuple[bytes, str]],
    bad: dict[str, bytes],
    tally: Tally,
    seconds: float,
    clients: int,
) -> list[Held]:
    """Run the clients; return what the server holds at the start, in the middle and at the end."""
    start = time.monotonic()
    held = [measure(server)]
    with ThreadPoolExecutor(clients) as pool:
        running = [
            pool.submit(visit_until, server.address, good, bad, tally, start + seconds, number)
            for number in range(clients)
        ]
        time.sleep(seconds / 2)
        held.append(measure(server))
        for one in running:
            one.result()
    return [*held, measure(server)]


def visit_until(
    address: str,
    good: dict[str, tuple[bytes, str]],
    bad: dict[str, bytes],
    tally: Tally,
    end: float,
    number: int,
) -> None:
    """Visit the page as one browser does, until the time is over."""
    rng = random.Random(number)  # noqa: S311 (what to send is no secret)
    # With a cookie each: the page limits the uploads of one visitor.
    cookies = {"foodvision_visitor": f"soak{number}"}
    with httpx.Client(base_url=address, cookies=cookies, timeout=ANSWER_SECONDS) as client:
        for turn in itertools.count():
            if time.monotonic() > end:
                return
            unique = f"{number}.{turn}".encode()
            (kind,) = rng.choices(list(VISITS), list(VISITS.values()))
            try:
                if kind == "good":
                    send_good(client, rng.choice(list(good.items())), unique, tally)
                elif kind == "bad":
                    send_bad(client, rng.choice(list(bad.items())), unique, tally)
                elif kind == "vanish":
                    vanish(client, good["pizza.jpg"][0] + unique, rng, tally)
                else:
                    trickle(client, good["pizza.jpg"][0] + unique, tally)
            except (httpx.HTTPError, OSError, ValueError, KeyError) as error:
                tally.counts[f"{kind}: failed"] += 1
                tally.faults.append(f"{kind}: {type(error).__name__}: {error}")


def send_good(
    client: httpx.Client, photo: tuple[str, tuple[bytes, str]], unique: bytes, tally: Tally
) -> None:
    """Send a photo of the examples; its label must come back."""
    name, (content, label) = photo
    start = time.perf_counter()
    answer = ask(client, content + unique, tally)  # no decoder reads beyond the photo's end
    if answer is None:
        return
    if answer == label:
        tally.seconds.append(time.perf_counter() - start)
        tally.counts["good: right"] += 1
    else:
        tally.counts["good: wrong"] += 1
        tally.faults.append(f"{name}: {answer!r} instead of {label!r}")


def send_bad(client: httpx.Client, photo: tuple[str, bytes], unique: bytes, tally: Tally) -> None:
    """Send what is no photo, or one that is too large; the page must refuse it."""
    name, content = photo
    answer = ask(client, content + unique, tally)
    if answer is None:
        return
    is_refused = answer.startswith("error:") and "error: null" not in answer
    tally.counts["bad: refused" if is_refused else "bad: wrong"] += 1
    if not is_refused:
        tally.faults.append(f"{name}: {answer!r} instead of a refusal with its reason")


def ask(client: httpx.Client, photo: bytes, tally: Tally) -> str | None:
    """Return the label of the answer, or "error: " and its reason; None if the page was busy."""
    uploaded = client.post("/gradio_api/upload", files={"files": ("photo.jpg", photo)})
    if not is_served(uploaded, tally):
        return None
    data = {"data": [{"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}}]}
    called = client.post("/gradio_api/call/predict", json=data)
    if not is_served(called, tally):
        return None
    streamed = client.get(f"/gradio_api/call/predict/{called.json()['event_id']}")
    if not is_served(streamed, tally):
        return None
    return read_event(streamed.text, tally)


def is_served(response: httpx.Response, tally: Tally) -> bool:
    """Return whether a response is no "busy"; raise httpx.HTTPStatusError for other failures."""
    if response.status_code == 503:
        tally.counts["busy (503)"] += 1
        return False
    if response.status_code >= 500:
        tally.counts["unexpected 5xx"] += 1
    response.raise_for_status()
    return True


def read_event(stream: str, tally: Tally) -> str | None:
    """Return what the last event of a stream says."""
    event, _, data = stream.rpartition("event: ")[2].partition("\ndata: ")
    if event == "complete":
        return str(json.loads(data)[0]["label"])
    if any(word in data.lower() for word in BUSY):
        tally.counts["busy (queue)"] += 1
        return None
    return f"{event}: {data.strip()}"


def vanish(client: httpx.Client, photo: bytes, rng: random.Random, tally: Tally) -> None:
    """Close the connection in the middle of an upload, or of an answer."""
    if rng.random() < 0.5:
        head, body = upload_request(client, photo)
        with connect(client) as connection:
            connection.sendall(head + body[: len(body) // 2])
        tally.counts["vanished: upload"] += 1
        return
    uploaded = client.post("/gradio_api/upload", files={"files": ("photo.jpg", photo)})
    if not is_served(uploaded, tally):
        return
    data = {"data": [{"path": uploaded.json()[0], "meta": {"_type": "gradio.FileData"}}]}
    called = client.post("/gradio_api/call/predict", json=data)
    if is_served(called, tally):
        path = f"/gradio_api/call/predict/{called.json()['event_id']}"
        with client.stream("GET", path):  # closed as soon as the headers are here
            tally.counts["vanished: answer"] += 1


def trickle(client: httpx.Client, photo: bytes, tally: Tally) -> None:
    """Upload a byte now and then until the page has enough of it; it must not be a 5xx."""
    head, body = upload_request(client, photo)
    end, answer = time.monotonic() + SLOW_SECONDS, b""
    with connect(client) as connection:
        connection.sendall(head)
        connection.settimeout(0.5)
        for byte in body:
            with suppress(TimeoutError):
                connection.sendall(bytes([byte]))
                answer = connection.recv(100)
                break  # an answer, or the end of the connection
            if time.monotonic() > end:
                break
    status = answer[9:12].decode("ascii", "replace") or "no status"
    tally.counts[f"slow: {status}"] += 1
    if status.startswith("5") and status != "503":
        tally.counts["unexpected 5xx"] += 1
        tally.faults.append(f"slow: status {status}")
    elif time.monotonic() > end:
        tally.faults.append(f"slow: the page let an upload take {SLOW_SECONDS} seconds")


def connect(client: httpx.Client) -> socket.socket:
    """Return a connection of its own to the page."""
    url = client.base_url
    return socket.create_connection((url.host, url.port or 80), ANSWER_SECONDS)


def upload_request(client: httpx.Client, photo: bytes) -> tuple[bytes, bytes]:
    """Return the head and the body of an upload as they go over the wire."""
    request = client.build_request(
        "POST", "/gradio_api/upload", files={"files": ("photo.jpg", photo)}
    )
    lines = [f"{name}: {value}" for name, value in request.headers.items()]
    head = "\r\n".join(["POST /gradio_api/upload HTTP/1.1", *lines, "", ""])
    return head.encode(), request.read()


def good_photos() -> dict[str, tuple[bytes, str]]:
    """Return the examples by name, each with the label that the classifier gives it here."""
    classifier = foodvision.load()
    paths = sorted((ROOT / "examples").glob("*.jpg"))
    return {path.name: (path.read_bytes(), classifier.predict(path).label) for path in paths}


def bad_photos() -> dict[str, bytes]:
    """Return by name what the page must refuse."""
    pizza = (ROOT / "examples" / "pizza.jpg").read_bytes()
    return {
        "text": b"This is no photo.\n" * 100,
        # The photo's unique bytes follow the cut, far from the photo's end.
        "truncated": pizza[: len(pizza) // 3],
        "JPEG of 600 scans": many_scans(),
        "WebP of 64 megapixels": large_webp(),
        "PNG of 60,000,000 rows": tall_png(),
    }


def many_scans() -> bytes:
    """Return a progressive JPEG whose last scan is there 600 times."""
    content = io.BytesIO()
    # Large enough that 600 passes over it cost minutes; the page takes a small one.
    Image.new("RGB", (3000, 3000), "tomato").save(content, "JPEG", progressive=True)
    photo = content.getvalue()
    last = photo.rindex(b"\xff\xda")
    return photo[:last] + 600 * photo[last:-2] + photo[-2:]


def large_webp() -> bytes:
    """Return the 34 bytes of a lossless WebP that claims 8000 by 8000 pixels."""
    size = (7999 | 7999 << 14).to_bytes(4, "little")
    data = b"\x2f" + size + bytes(9)
    return b"RIFF" + struct.pack("<I", 26) + b"WEBPVP8L" + struct.pack("<I", 14) + data


def tall_png() -> bytes:
    """Return a grey PNG of 1 by 60,000,000 pixels, which 120 MB of zeros compress to."""
    rows, packer = 60_000_000, zlib.compressobj(1)
    block = bytes(2_000_000)  # a row is its filter and its pixel
    data = b"".join(packer.compress(block) for _ in range(2 * rows // len(block))) + packer.flush()
    header = struct.pack(">IIBBBBB", 1, rows, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in chunks)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def measure(server: Server) -> Held:
    """Return what the server and its children hold now."""
    parent = psutil.Process(server.process.pid)
    sums = np.zeros(3)
    for process in (parent, *parent.children(recursive=True)):
        with suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info().uss / 1e6  # what is shared counts nowhere
            sums += (memory, process.num_fds(), process.num_threads())
    # os.walk minds no folder that goes meanwhile.
    files = sum(len(names) for _, _, names in os.walk(server.temporary))
    return Held(sums[0], int(sums[1]), int(sums[2]), files)


def growth(held: list[Held]) -> list[str]:
    """Return what still grew in the second half, although the clients are gone at the end."""
    _, middle, end = held
    return [
        f"{name} grew from {getattr(middle, name):.0f} to {getattr(end, name):.0f}"
        for name in ("megabytes", "descriptors", "threads")
        if getattr(end, name) > GROWTH * getattr(middle, name)
    ]


def leftovers(server: Server) -> list[str]:
    """Return what a stopped server left in its folder and said in its log."""
    left = [path.name for path in server.temporary.glob("foodvision-page-*")]
    log = server.log.read_text("utf-8", "replace")
    faults = [f"left behind: {name}" for name in left]
    tracebacks = log.count("Traceback (most recent call last)")
    if tracebacks:
        faults.append(f"{tracebacks} tracebacks in the log, which ends with:\n{log[-2000:]}")
    return faults


def describe(tally: Tally, held: list[Held]) -> str:
    """Return the report."""
    counts = {"good: wrong": 0, "bad: wrong": 0, "unexpected 5xx": 0} | tally.counts
    lines = [f"{name}: {count}" for name, count in sorted(counts.items())]
    if tally.seconds:
        median, late = np.quantile(tally.seconds, [0.5, 0.99])
        lines.append(f"good answers: p50 {median:.2f} s, p99 {late:.2f} s")
    for when, of in zip(("start", "middle", "end"), held, strict=True):
        lines.append(
            f"{when}: {of.megabytes:.0f} MB, {of.descriptors} descriptors, {of.threads} threads, "
            f"{of.files} temporary files"
        )
    lines += [f"WRONG: {fault}" for fault, _ in Counter(tally.faults).most_common(20)]
    return "\n".join([*lines, f"{len(tally.faults)} faults"])


if __name__ == "__main__":
    sys.exit(main())
