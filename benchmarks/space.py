"""Whether a Space of today would build, start and answer, and how long that takes.

    python benchmarks/space.py [--python python3.12]

Writes the folder that `foodvision deploy` uploads, installs it in an empty environment by the two
pip lines that the platform's build logs show, starts `python app.py` there with the environment
variables of a Space, and uploads a photo to it in Chromium. Prints the megabytes installed and the
seconds from the start of the process to the first answer: under 700 MB and under 15 seconds are
asked. Ends with status 1 if the page does not answer rightly, so that a weekly run of it (see
.github/workflows/space.yml) sees when something that a Space installs has changed.

The platform runs Python 3.12; where there is none, say which Python stands in for it.
"""

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from playwright.sync_api import sync_playwright

from foodvision.deploy.folder import SpaceSettings, write_space

PHOTO = Path(__file__).parents[1] / "examples" / "pizza.jpg"

# Build logs of Spaces, November 2026: first these, then the requirements with these.
FIRST = ["datasets", "huggingface-hub>=0.30", "hf-transfer>=0.1.4", "protobuf<4", "click<8.1"]
BESIDE = ["uvicorn>=0.14.0", "websockets>=10.4", "spaces"]


def main() -> None:
    """Build, start, ask, print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=shutil.which("python3.12") or sys.executable)
    parser.add_argument("--hardware", help="zero-a10g for the ZeroGPU variant")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "app"
        folder.mkdir()
        write_space(folder, SpaceSettings("me/food", hardware=arguments.hardware))
        python = install(arguments.python, Path(temporary) / "environment", folder)
        size = sum(
            path.stat().st_size
            for path in (Path(temporary) / "environment").rglob("*")
            if path.is_file() and not path.is_symlink()
        )
        print(f"{size / 1e6:.0f} MB installed", flush=True)
        start = time.perf_counter()
        with served(python, folder) as url:
            headline = ask(url)
        print(f"{time.perf_counter() - start:.1f} s from the start of the process to the answer")
    if "pizza" not in headline:
        sys.exit(f"the page says {headline!r} of a pizza")


def install(python: str, environment: Path, folder: Path) -> Path:
    """Install a Space's folder as the platform does; return the environment's Python."""
    run([python, "-m", "venv", str(environment)])
    inside = environment / "bin" / "python"
    pip = [str(inside), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    run([*pip, *FIRST])
    gradio = f"gradio[oauth,mcp]=={version('gradio')}"
    run([*pip, "-r", str(folder / "requirements.txt"), gradio, *BESIDE])
    return inside


@contextmanager
def served(python: Path, folder: Path) -> Iterator[str]:
    """Start the page as a Space does, and give its address when it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = os.environ | {
        "SYSTEM": "spaces",
        "SPACE_ID": "me/food",
        "SPACE_HOST": "me-food.hf.space",
        "SPACE_AUTHOR_NAME": "me",
        "SPACE_REPO_NAME": "food",
        "ACCELERATOR": "none",
        "CPU_CORES": "2",
        "MEMORY": "16Gi",
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_SSR_MODE": "true",
    }
    environment.pop("PYTHONPATH", None)
    with subprocess.Popen(  # noqa: S603 (our own page)
        [python, "app.py"], cwd=folder, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if not any("Serving at" in line for line in process.stdout or ()):
                sys.exit("the page did not start")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def ask(url: str) -> str:
    """Upload a photo in Chromium and return the headline of the answer."""
    options = ["--no-sandbox", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        page = browser.new_page()
        page.goto(url)
        page.locator("input[type=file]").first.set_input_files(PHOTO)
        page.locator(".guesses li").first.wait_for(timeout=60_000)
        headline = page.locator(".answer h2").inner_text()
        browser.close()
    return headline


def run(command: list[str]) -> None:
    """Run a command, and end with what it says if it fails."""
    done = subprocess.run(  # noqa: S603 (our own commands)
        command, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stderr}")


if __name__ == "__main__":
    main()
