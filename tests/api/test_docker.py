"""The Dockerfile's steps carried out without Docker: in a root of its own, by mount namespaces."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
import yaml
from conftest import EXAMPLES, REPOSITORY, free_port

# Of this machine, what an image's base has. Python comes to /usr/local, as in Docker's own images.
BASE = ("bin", "dev", "etc", "lib", "lib32", "lib64", "libx32", "proc", "sbin", "usr")

ENTER = """
root=$1 python=$2 user=$3 folder=$4 opt=$5; shift 5
mount --make-rprivate /
mount --bind "$root" "$root"
for name in $(ls "$root"); do
    if [ -d "/$name" ] && [ -e "$root/$name/.from-the-machine" ]; then
        mount --rbind "/$name" "$root/$name"
    fi
done
mount --bind "$python" "$root/usr/local"
if [ "$opt" ]; then
    for place in /opt/*/; do
        mkdir -p "$root$place"
        mount --bind "$place" "$root$place"
    done
else
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    mount -o remount,bind,ro "$root"
fi
exec chroot --userspec="$user" "$root" env -i --chdir="$folder" "$@"
"""


@dataclass
class Stage:
    """What the steps after one FROM have made."""

    root: Path
    environment: dict[str, str]
    folder: str = "/"
    user: str = "0:0"
    said: dict[str, list[str]] = field(default_factory=dict)

    def command(self, words, *, is_build):
        """The command that runs words inside: with the network's settings, or read-only."""
        environment = self.environment | (settings_of_pip() if is_build else {})
        pairs = [f"{name}={value}" for name, value in environment.items()]
        arguments = [str(self.root), sys.base_prefix, self.user, self.folder, "1" * is_build]
        return ["unshare", "--mount", "sh", "-euc", ENTER, "sh", *arguments, *pairs, *words]


def settings_of_pip():
    """How this machine reaches packages; the image has constraints of its own."""
    names = ("PIP_", "SSL_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy")
    given = {name: value for name, value in os.environ.items() if name.startswith(names)}
    given.pop("PIP_CONSTRAINT", None)  # a path outside, which CI sets
    return given


def steps(text):
    """Yield keyword and arguments of each step."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        keyword, _, arguments = line.strip().partition(" ")
        if keyword:
            yield keyword, arguments.strip()


def new_stage(root):
    root.mkdir()
    for name in BASE:
        place = Path("/", name)
        if place.is_symlink():
            (root / name).symlink_to(place.readlink())
        elif place.is_dir():
            (root / name).mkdir(parents=True)
            (root / name / ".from-the-machine").touch()
    for name in ("tmp", "opt", "root"):
        (root / name).mkdir(mode=0o755)
    libraries = {"LD_LIBRARY_PATH": "/usr/local/lib"}  # where this Python needs them
    return Stage(root, {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/root"} | libraries)


def build(text, folder):
    """Carry out all steps; return the last stage."""
    stages = {}
    for keyword, arguments in steps(text):
        if keyword == "FROM":
            name = arguments.partition(" AS ")[2] or "last"
            stage = stages[name] = new_stage(folder / name)
        else:
            STEPS[keyword](stage, arguments, stages)
    return stage


def copy(stage, arguments, stages):
    *sources, target = (word for word in arguments.split() if not word.startswith("--from="))
    source_root = REPOSITORY
    if "--from=" in arguments:
        source_root = stages[arguments.split()[0].removeprefix("--from=")].root
    place = stage.root / Path(stage.folder, target).relative_to("/")
    for source in sources:
        given = source_root / source.lstrip("/")
        if given.is_dir():
            ignored = shutil.ignore_patterns("__pycache__") if source_root == REPOSITORY else None
            shutil.copytree(given, place, symlinks=True, ignore=ignored)
        else:
            shutil.copy(given, place / given.name)


def run(stage, arguments, stages):
    done = subprocess.run(
        stage.command(["sh", "-c", arguments], is_build=True), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]


def work_in(stage, arguments, stages):
    stage.folder = arguments
    (stage.root / arguments.lstrip("/")).mkdir(parents=True, exist_ok=True)


def set_environment(stage, arguments, stages):
    for word in shlex.split(arguments):
        name, _, value = word.partition("=")
        stage.environment[name] = value.replace("$PATH", stage.environment["PATH"])


def note(keyword):
    def noted(stage, arguments, stages):
        stage.said[keyword] = json.loads(arguments[arguments.index("[") :])

    return noted


def set_user(stage, arguments, stages):
    stage.user = arguments


STEPS = {
    "COPY": copy,
    "RUN": run,
    "WORKDIR": work_in,
    "ENV": set_environment,
    "USER": set_user,
    "EXPOSE": lambda stage, arguments, stages: None,
    "HEALTHCHECK": note("HEALTHCHECK"),
    "ENTRYPOINT": note("ENTRYPOINT"),
    "CMD": note("CMD"),
}


@pytest.mark.slow
def test_image_answers_as_a_user_without_rights_on_a_file_system_that_is_read_only(tmp_path):
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody have mounts of its own: run it as root")
    port = free_port()
    stage = build((REPOSITORY / "Dockerfile").read_text().replace("7860", str(port)), tmp_path)
    packages = next((stage.root / "opt/foodvision/lib").iterdir()) / "site-packages"
    assert (packages / "foodvision/bundled/model.onnx").is_file()
    assert not [name for name in ("pip", "torch") if (packages / name).exists()]
    assert int(stage.user.partition(":")[0]) > 0
    check = stage.command(stage.said["HEALTHCHECK"], is_build=False)
    started = stage.command(stage.said["ENTRYPOINT"] + stage.said["CMD"], is_build=False)
    with subprocess.Popen(started, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert "Serving at" in server.stdout.readline()
            assert subprocess.run(check).returncode == 0
            photo = (EXAMPLES / "pizza.jpg").read_bytes()
            answer = httpx.post(f"http://127.0.0.1:{port}/api/predict", content=photo, timeout=60)
            assert answer.json()["predictions"][0]["label"] == "pizza"
            page = httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
            assert page.status_code == 200
        finally:
            server.terminate()
        assert server.wait(timeout=60) == 0
    assert subprocess.run(check, capture_output=True).returncode != 0


def test_what_the_dockerfile_copies_is_not_ignored():
    kept = {
        line[1:] for line in (REPOSITORY / ".dockerignore").read_text().split() if line[0] == "!"
    }
    copied = {
        word.removeprefix("./")
        for keyword, arguments in steps((REPOSITORY / "Dockerfile").read_text())
        if keyword == "COPY" and "--from=" not in arguments
        for word in arguments.split()[:-1]
    }
    assert copied == kept
    assert all((REPOSITORY / name).exists() for name in copied)


def compose():
    """The command of Docker Compose, which needs no Docker to check its file; skip without it."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True)
        if asked.returncode == 0:
            return ["docker", "compose"]
    if shutil.which("docker-compose"):
        return ["docker-compose"]
    pytest.skip("Docker Compose is not here: apt-get install docker-compose")


def test_compose_reads_its_file_and_puts_domain_and_model_in():
    command = [*compose(), "--file", str(REPOSITORY / "compose.yaml"), "config"]
    environment = os.environ | {"DOMAIN": "food.example.org", "MODEL": "cook/food"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    services = yaml.safe_load(done.stdout)["services"]
    assert "--allow-host=food.example.org" in services["page"]["command"]
    assert "--model=cook/food" in services["page"]["command"]
    assert services["proxy"]["environment"]["DOMAIN"] == "food.example.org"


def test_compose_gives_options_that_there_are():
    page = yaml.safe_load((REPOSITORY / "compose.yaml").read_text())["services"]["page"]
    command, *options = page["command"]
    call = [sys.executable, "-m", "foodvision", command, "--help"]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    assert [option for option in options if option.partition("=")[0] not in said] == []
    assert page["read_only"]
    assert page["cap_drop"] == ["ALL"]
