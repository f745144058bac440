"""Our page and our API against the course's page, each started as its author would, in one run.

    python benchmarks/serve.py [--rounds 30] [--answers 400] [--clients 8]

The course's page is `gr.Interface` around PIL, torchvision's transforms and eager PyTorch: once
with efficientnet_b2 at 288 pixels (random weights take as long), once with the network that ships.
Ours are `python app.py`, asked as Gradio's pages are and by POST /api/predict, and
`foodvision serve`.

Each is a process of its own. It is started while the others have nothing to do, and the time counts
until its first answer has come. Then a client with an open connection sends each a photo that was
never sent before (the same pixels, other bytes), by turns, of 224 pixels and of 12 megapixels. Then
--clients of them ask one server after the other, --answers times in all. Memory is the proportional
set (PSS) of a server's processes after that; our page is asked twice as often, in its two ways.

The API is also compared with this process: `Classifier.predict` takes the same photos by turns, and
a thread for each processor asks the network alone, on squares that are ready.

Prints a line for each server, how many times as good ours are as each of the course's pages, and
the API's ratios to `predict` and to the network alone.
"""

import argparse
import itertools
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from page import ask, phone_photo, small_photo

import foodvision

ROOT = Path(__file__).parents[1]
PORT = 7960
"""The first of the ports that servers listen on."""

B2 = """
from torchvision.models import efficientnet_b2

size = resized = 288
network = efficientnet_b2(num_classes=101)
class_names = [str(number) for number in range(101)]
"""
SHIPPED = """
from foodvision.checkpoint import BUNDLED, read_checkpoint
from foodvision.models import load_network

checkpoint = read_checkpoint(BUNDLED)
size, resized = checkpoint.config.preprocess.size, checkpoint.config.preprocess.short_side
network, class_names = load_network(checkpoint), checkpoint.config.classes
"""
COURSE = """
import sys
from timeit import default_timer as timer

import gradio as gr
import torch
from torchvision import transforms

network.eval()
prepare = transforms.Compose([
    transforms.Resize(resized, transforms.InterpolationMode.BICUBIC),
    transforms.CenterCrop(size),
    transforms.ToTensor(),
    transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
])

def predict(image):
    start = timer()
    pixels = prepare(image).unsqueeze(0)
    with torch.inference_mode():
        probabilities = torch.softmax(network(pixels), dim=1)[0]
    return dict(zip(class_names, map(float, probabilities))), round(timer() - start, 5)

outputs = [gr.Label(num_top_classes=5), gr.Number()]
page = gr.Interface(predict, gr.Image(type="pil"), outputs, api_name="predict")
page.launch(server_port=int(sys.argv[1]), prevent_thread_lock=True)
print("ready", flush=True)
page.block_thread()
"""

fresh = itertools.count()


def post(client: httpx.Client, photo: bytes) -> None:
    """Ask our API."""
    client.post("api/predict", content=photo).raise_for_status()


@dataclass
class Server:
    """A server, how it is asked, and what was measured; seconds, and bytes."""

    name: str
    command: list[str]
    ways: dict[str, Callable[[httpx.Client, bytes], None]]
    start: float = 0
    memory: int = 0
    seconds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    a_second: dict[str, list[float]] = field(default_factory=dict)


def servers() -> list[Server]:
    """Return all that are compared."""
    python, port = sys.executable, iter(map(str, itertools.count(PORT)))
    return [
        Server("course's page, b2", [python, "-c", B2 + COURSE, next(port)], {"": ask}),
        Server(
            "course's page, our network", [python, "-c", SHIPPED + COURSE, next(port)], {"": ask}
        ),
        Server(
            "our page", [python, "app.py", "--port", next(port)], {"": ask, "/api/predict": post}
        ),
        Server(
            "our API",
            [python, "-m", "foodvision", "serve", "--quiet", "--port", next(port)],
            {"": post},
        ),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=30, help="photos one by one, of each size")
    parser.add_argument("--answers", type=int, default=400, help="by all clients of a server")
    parser.add_argument("--clients", type=int, default=8)
    arguments = parser.parse_args()
    photos = {"224 pixels": small_photo(), "12 megapixels": phone_photo()}
    compared = servers()
    with ExitStack() as running:
        processes = [
            running.enter_context(started(server, photos["224 pixels"])) for server in compared
        ]
        classifier = foodvision.load()
        in_process: dict[str, list[float]] = {size: [] for size in photos}
        for _ in range(arguments.rounds):
            ask_by_turns(compared, photos)
            for size, photo in photos.items():
                began = time.perf_counter()
                classifier.predict(photo)
                in_process[size].append(time.perf_counter() - began)
        for server in compared:
            for way, call in server.ways.items():
                rate = throughput(server, call, photos["224 pixels"], arguments)
                server.a_second.setdefault(way, []).append(rate)
        for server, process in zip(compared, processes, strict=True):
            server.memory = memory(process)
        alone = network_alone(classifier, photos["224 pixels"], arguments)
    report(compared, list(photos), arguments)
    api = compared[-1]
    ratios = [
        f"{statistics.median(api.seconds['', size]) / statistics.median(taken):.2f}"
        for size, taken in in_process.items()
    ]
    share = statistics.median(api.a_second[""]) / alone
    print(f"{api.name}: p50 {' / '.join(ratios)} of predict; {share:.2f} of the network alone")


@contextmanager
def started(server: Server, photo: bytes) -> Iterator[psutil.Process]:
    """Start a server and time its first answer."""
    environment = os.environ | {"GRADIO_ANALYTICS_ENABLED": "False"}
    began = time.perf_counter()
    with subprocess.Popen(  # noqa: S603 (our own)
        server.command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            lines = iter(process.stdout or ())
            said = ("ready", "answers at", "Serving")
            if not any(word in line for line in lines for word in said):
                raise RuntimeError(f"{server.name} ended with status {process.wait()}")
            with connection(server) as client:
                next(iter(server.ways.values()))(client, never_sent(photo))
            server.start = time.perf_counter() - began
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


def connection(server: Server) -> httpx.Client:
    """Return a client with a connection that stays open."""
    return httpx.Client(base_url=f"http://127.0.0.1:{server.command[-1]}", timeout=120)


def never_sent(photo: bytes) -> bytes:
    """Return a photo with bytes of its own, behind what a decoder reads."""
    return photo + next(fresh).to_bytes(4, "big")


def ask_by_turns(compared: Sequence[Server], photos: dict[str, bytes]) -> None:
    """Time one answer of each server in each way, for each size."""
    for server in compared:
        with connection(server) as client:
            for way, call in server.ways.items():
                call(client, never_sent(photos["224 pixels"]))  # opens the connection
                for size, photo in photos.items():
                    sent = never_sent(photo)
                    began = time.perf_counter()
                    call(client, sent)
                    taken = time.perf_counter() - began
                    server.seconds.setdefault((way, size), []).append(taken)


def throughput(
    server: Server,
    call: Callable[[httpx.Client, bytes], None],
    photo: bytes,
    arguments: argparse.Namespace,
) -> float:
    """Return the answers a second that several clients get."""
    each = max(1, arguments.answers // arguments.clients)
    began = time.perf_counter()

    def ask_often(_: int) -> None:
        with connection(server) as client:
            for _ in range(each):
                call(client, never_sent(photo))

    with ThreadPoolExecutor(arguments.clients) as clients:
        list(clients.map(ask_often, range(arguments.clients)))
    return each * arguments.clients / (time.perf_counter() - began)


def network_alone(
    classifier: foodvision.Classifier, photo: bytes, arguments: argparse.Namespace
) -> float:
    """Return the answers a second of the network on one ready square, on all processors."""
    pixels = classifier.pixels(photo)[None]
    threads = len(os.sched_getaffinity(0))
    each = arguments.answers // threads

    def ask_often(_: int) -> None:
        for _ in range(each):
            classifier.run(pixels)

    began = time.perf_counter()
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(ask_often, range(threads)))
    return each * threads / (time.perf_counter() - began)


def memory(process: psutil.Process) -> int:
    """Return the bytes that a server and its processes take; what is shared counts in parts."""
    family = [process, *process.children(recursive=True)]
    return sum(one.memory_full_info().pss for one in family)


def report(compared: Sequence[Server], sizes: Sequence[str], arguments: argparse.Namespace) -> None:
    """Print figures and ratios."""
    print(
        f"n = {arguments.rounds} photos of each size, {arguments.answers} answers by "
        f"{arguments.clients} clients"
    )
    figures = {
        f"{server.name}{way}": of(server, way, sizes) for server in compared for way in server.ways
    }
    for name, found in figures.items():
        print(f"{name}: " + ", ".join(f"{key} {value:.4g}" for key, value in found.items()))
    for theirs, ours in itertools.product([name for name in figures if "course" in name], figures):
        if "our " in ours and "course" not in ours:
            ratios = compare(figures[theirs], figures[ours])
            print(f"{ours} against the {theirs}: {ratios}")


def of(server: Server, way: str, sizes: Sequence[str]) -> dict[str, float]:
    """Return a server's figures by name."""
    found = {
        f"p50 {size} (ms)": 1000 * statistics.median(server.seconds[way, size]) for size in sizes
    }
    found["answers a second"] = statistics.median(server.a_second[way])
    return found | {"start (s)": server.start, "memory (MB)": server.memory / 1e6}


def compare(theirs: dict[str, float], ours: dict[str, float]) -> str:
    """Return in words how many times as fast we are, and how much of their start and memory."""
    p50 = [f"{theirs[key] / ours[key]:.1f}" for key in ours if key.startswith("p50")]
    rate = ours["answers a second"] / theirs["answers a second"]
    shares = [ours[key] / theirs[key] for key in ("start (s)", "memory (MB)")]
    return (
        f"p50 {' / '.join(p50)} times as fast, {rate:.1f} times the answers, start "
        f"{shares[0]:.2f}, memory {shares[1]:.2f}"
    )


if __name__ == "__main__":
    main()
