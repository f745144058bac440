"""What several tests need: synthetic photos, a tiny checkpoint, the shared photos."""

import functools
import os
import re
import shutil
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from foodvision.system.telemetry import switch_off_telemetry

# Before a test imports the libraries that report to their makers.
switch_off_telemetry()

# The same examples every time, however slow the machine.
hypothesis.settings.register_profile("here", deadline=None, derandomize=True)
hypothesis.settings.load_profile("here")

REPOSITORY = Path(__file__).parents[1]
EXAMPLES = REPOSITORY / "examples"
SHARED = REPOSITORY.parent / "shared" / "data"

COLOURS = {"blueberry": (40, 60, 200), "kiwi": (60, 190, 60), "tomato": (210, 50, 40)}


# Folders whose tests need a browser, a server, a training or other processes.
THOROUGH = (
    *("api", "browser", "cli", "cluster", "deploy", "export", "hub", "inspection"),
    *("system", "training", "web"),
)

# Folders whose modules start pages and browsers.
STARTING = ("web", "browser", "api")

# Where torch's exporter makes its table of operators, which is the same every time.
EXPORTER = "torch.onnx._internal.exporter._registration"


def pytest_collection_modifyitems(items):
    """Leave these folders out of `make test-quick`, and have those that start pages come first.

    Two workers share out what is left at the end: where that is a module with a page, each of them
    starts one, several times over.
    """
    for item in items:
        if item.path.parent.name in THOROUGH:
            item.add_marker(pytest.mark.thorough)
    items.sort(key=lambda item: item.path.parent.name not in STARTING)


def pytest_runtest_setup():
    """Have torch make its table of operators once, not for every training: half of an export."""
    if exporter := sys.modules.get(EXPORTER):
        make = exporter.ONNXRegistry.from_torchlib
        if not hasattr(make, "cache_info"):
            exporter.ONNXRegistry.from_torchlib = staticmethod(functools.cache(make))


def make_photo(path: Path, colour: tuple[int, int, int], seed: int, size=(80, 64)) -> Path:
    """Write a photo of a coloured, noisy thing: easy to tell apart, never twice the same."""
    rng = np.random.default_rng(seed)
    pixels = rng.normal(colour, 40, (size[1], size[0], 3)).clip(0, 255).astype(np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, quality=90)
    return path


def make_split(folder: Path, count: int, first_seed: int = 0) -> Path:
    for number, (label, colour) in enumerate(COLOURS.items()):
        for index in range(count):
            seed = first_seed + 1000 * number + index
            make_photo(folder / label / f"{index}.jpg", colour, seed)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """No test reads what another run left in the user's cache, but onnxruntime-web (make test).

    What pages in the browser consist of is compressed once: it is the same in all of them.
    """
    from foodvision.browser import site
    from foodvision.browser.runtime import runtime_folder

    kept = runtime_folder()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FOODVISION_CACHE", str(tmp_path_factory.mktemp("cache")))
        if kept.is_dir():
            runtime_folder().symlink_to(kept)
        patch.setattr(site, "_compress", functools.lru_cache(maxsize=8)(site._compress))
        yield


@pytest.fixture
def client_at(tmp_path, monkeypatch):
    """Have the Hub's client in this process know one Hub alone, and wait for nothing."""
    import huggingface_hub
    from huggingface_hub import constants

    def client_at(hub, home=tmp_path / "home", *, offline=False, **account):
        for name, value in hub.environment(home, **account).items():
            monkeypatch.setenv(name, value)
        template = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        values = {"ENDPOINT": hub.url, "HUGGINGFACE_CO_URL_TEMPLATE": template}
        values |= {"HF_HUB_CACHE": str(home / "hub"), "HF_HUB_DISABLE_XET": True}
        values |= {"HF_TOKEN_PATH": str(home / "token"), "HF_HUB_OFFLINE": offline}
        for name, value in values.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", hub.url)
        monkeypatch.setattr("time.sleep", lambda seconds: None)

    huggingface_hub.utils.disable_progress_bars()
    yield client_at
    huggingface_hub.utils.enable_progress_bars()
    huggingface_hub.close_session()


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory):
    """What is made once for all workers of a session; kept in FOODVISION_FRUIT, if that is set."""
    if kept := os.environ.get("FOODVISION_FRUIT"):
        folder = Path(kept)
    elif "PYTEST_XDIST_WORKER" in os.environ:
        folder = tmp_path_factory.getbasetemp().parent / "shared"
    else:
        folder = tmp_path_factory.mktemp("shared")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def fruit(shared_folder) -> Path:
    """A folder with train/ and test/, three classes, 20 and 5 photos each."""
    with FileLock(shared_folder / "fruit.lock"):
        folder = shared_folder / "fruit"
        if not folder.exists():
            making = shared_folder / "making"
            make_split(making / "train", 20)
            make_split(making / "test", 5, first_seed=500)
            making.rename(folder)
    return folder


@pytest.fixture(scope="session")
def fruit_checkpoint(fruit) -> Path:
    """A checkpoint of TinyVGG, trained on the fruit."""
    from foodvision.training.config import TrainConfig
    from foodvision.training.run import run_training

    config = TrainConfig(
        model="tinyvgg",
        image_size=32,
        epochs=30,
        optimizer="adam",
        schedule="constant",
        learning_rate=0.003,
        output=fruit.with_name("run"),
    )
    with FileLock(fruit.with_name("run.lock")):
        trained = config.output / "checkpoint"
        return trained if trained.is_dir() else run_training(fruit, config)


def run_python(*arguments, check=False, **how):
    """`python ARGUMENTS`, as a user starts it; what it writes is text of the result.

    check: whether it must end well; what it wrote is told if it does not.
    how: `cwd`, `env` and so on, for `subprocess.run`.
    """
    command = [sys.executable, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, **how)
    assert not (check and done.returncode), f"{done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def run_foodvision(*arguments, **how):
    """`foodvision ARGUMENTS`, as `run_python` runs it."""
    return run_python("-m", "foodvision", *arguments, **how)


@pytest.fixture
def run_apart(hub, tmp_path):
    """Run a `foodvision` command in a process of its own that knows the test's Hub alone."""

    def ran(*command, token="hf_cook", **environment):
        known = hub.environment(tmp_path / "home", token)
        return run_foodvision(*command, cwd=tmp_path, env=os.environ | known | environment)

    return ran


@pytest.fixture
def run(hub, client_at, tmp_path, monkeypatch, capsys):
    """Run a `foodvision` command as `run_apart` does, but in this process: it takes no start."""
    from foodvision.cli.main import main

    def ran(*command, token="hf_cook", **environment):
        client_at(hub, token=token)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.chdir(tmp_path)
        capsys.readouterr()
        status = main(list(map(str, command)))
        return subprocess.CompletedProcess(command, status, *capsys.readouterr())

    return ran


@contextmanager
def running_page(*options, cwd=REPOSITORY, **environment):
    """`python app.py` in a process of its own, as a user starts it; and the page's address."""
    known = {name: value for name, value in os.environ.items() if name != "FOODVISION_MODEL"}
    with subprocess.Popen(
        [sys.executable, "app.py", *options],
        cwd=cwd,
        env=known | environment,
        stdout=subprocess.PIPE,
        text=True,
    ) as app:
        try:
            line = next((line for line in app.stdout if "Serving at" in line), "")
            assert line, f"app.py ended with status {app.wait()}"
            said = re.fullmatch(r"Serving at (.+)/ \(Ctrl-C stops it\)\n", line)
            yield app, said[1]
        finally:
            app.terminate()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def in_colours(page, scheme):
    """Have a page drawn for the light or the dark, with no colour on its way."""
    page.emulate_media(color_scheme=scheme)
    page.evaluate(
        """async () => {
            for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
            const turning = document.getAnimations().filter((one) => one instanceof CSSTransition);
            await Promise.allSettled(turning.map((one) => one.finished));
        }"""
    )


HELD_CAMERA = """
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
const permitted = new Promise((resolve) => { window.permit = resolve; });
window.tracks = [];
navigator.mediaDevices.getUserMedia = async (wanted) => {
    await permitted;
    const stream = await open(wanted);
    window.tracks.push(...stream.getTracks());
    return stream;
};
"""
"""Has a page wait for the camera until `permit()`; `tracks` are what was opened."""


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=30_000)
    executable = shutil.which("chromium")  # without it, the one that Playwright has installed
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    options += ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=options)
        yield browser
        browser.close()


@pytest.fixture
def classic() -> Path:
    """The lecture's photos of pizza, steak and sushi."""
    return shared("pizza_steak_sushi.zip")


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{path} is not here: it lies beside the project's checkouts, users have none")
    return path


def violations(page, impacts=("serious", "critical")):
    """Return what axe-core finds on a page: of each kind the rule and the first element."""
    from axe_playwright_python.sync_playwright import Axe

    # A colour that is fading in has the contrast of neither end.
    page.evaluate(
        """() => Promise.all(document.getAnimations()
            .filter((animation) => animation.effect.getComputedTiming().endTime !== Infinity)
            .map((animation) => animation.finished.catch(() => {})))"""
    )
    return [
        (violation["id"], violation["impact"], violation["nodes"][0]["html"])
        for violation in Axe().run(page).response["violations"]
        if violation["impact"] in impacts
    ]
