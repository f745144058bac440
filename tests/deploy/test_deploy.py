"""Models become Spaces: the real commands and client, a Hub on loopback, a page that runs."""

import io
import json
import os
import shlex
import shutil
from pathlib import Path

import pytest
import yaml
from conftest import COLOURS, free_port, make_photo, run_python, running_page
from loopback_hub import Account, LoopbackHub
from loopback_repository import Space
from PIL import Image

from foodvision.deploy.folder import SpaceSettings, write_space


@pytest.fixture
def hub(tmp_path):
    with LoopbackHub(tmp_path / "hub") as hub:
        hub.accounts["hf_cook"] = Account("cook", is_pro=True)
        yield hub


@pytest.fixture(scope="module")
def model(fruit_checkpoint, tmp_path_factory):
    """A checkpoint with photos to ask its page about."""
    folder = tmp_path_factory.mktemp("deployed") / "checkpoint"
    shutil.copytree(fruit_checkpoint, folder)
    for seed, (label, colour) in enumerate(COLOURS.items()):
        make_photo(folder / "examples" / f"{label}.jpg", colour, seed)
    return folder


@pytest.mark.slow
def test_space_is_filled_and_answers_as_the_model_does_here(hub, run_apart, model, tmp_path):
    refused = run_apart("deploy", "cook/page", "--model", model)
    assert refused.returncode == 2
    assert "cook/page" in refused.stderr
    space = hub.repo("cook/page", "space")
    checkout = space.checkout(tmp_path / "checkout")
    port = free_port()
    environment = {"SYSTEM": "spaces", "SPACE_ID": "cook/page"}
    environment |= {"GRADIO_SERVER_PORT": str(port), "GRADIO_SERVER_NAME": "127.0.0.1"}
    with running_page(cwd=checkout, **environment):
        space.space.host = f"http://127.0.0.1:{port}"
        checked = run_apart("deploy", "cook/page", "--check")
        head = space.head.oid
        again = run_apart("deploy", "cook/page", "--model", model)
        (served,) = json.loads(space.read("space.json"))["models"]
        config = json.loads(space.read(f"{served}/config.json"))
        config["classes"].reverse()
        changed = {f"{served}/config.json": json.dumps(config).encode()}
        hub.add("cook/page", changed, "space")
        differing = run_apart("deploy", "cook/page", "--check")
    said = f"http://127.0.0.1:{port} gives the same predictions as the model here, for 3 photos\n"
    assert checked.stdout == said, checked.stderr
    assert again.stdout.endswith(said)
    assert again.stdout.split("\n")[0] == f"cook/page already has these files (commit {head})"
    assert "cook/page answers blueberry.jpg with blueberry" in differing.stderr
    assert "but the model here gives tomato" in differing.stderr


def test_page_that_does_not_answer_is_found_out(hub, run, model, tmp_path):
    other = shutil.copytree(model, tmp_path / "other")
    hub.create("cook/page", "space", Space("gradio"))
    write_space_of(hub, other, tmp_path)
    hub.repo("cook/page", "space").space.host = "http://127.0.0.1:9"
    done = run("deploy", "cook/page", "--check")
    assert done.returncode == 2
    assert "cook/page at http://127.0.0.1:9 does not respond" in done.stderr


@pytest.mark.slow
def test_space_that_sleeps_is_woken_and_one_that_is_paused_told(hub, run, model, tmp_path):
    write_space_of(hub, model, tmp_path)
    space = hub.repo("cook/page", "space").space
    space.host, space.stages, hub.stages = "http://127.0.0.1:9", ["SLEEPING"], ["RUNNING"]
    assert (
        "cook/page at http://127.0.0.1:9 does not" in run("deploy", "cook/page", "--check").stderr
    )
    assert hub.asked("POST /api/spaces/cook/page/restart")
    space.stages = ["PAUSED"]
    done = run("deploy", "cook/page", "--check")
    assert (
        "cook/page is paused: restart it at https://huggingface.co/spaces/cook/page" in done.stderr
    )


def write_space_of(hub, model, tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    write_space(folder, SpaceSettings("cook/page", str(model)))
    hub.add("cook/page", folder, "space")


def test_what_is_not_free_is_said_before_anything_is_created(hub, run, model):
    hub.accounts["hf_cook"] = Account("cook")
    done = run("deploy", "cook/page", "--model", model)
    assert done.returncode == 2
    assert "this account cannot create a Gradio Space on cpu-basic" in done.stderr
    assert "--static" in done.stderr
    assert "--hardware zero-a10g" in done.stderr
    assert not hub.asked("POST /api/repos/create")


def test_static_space_is_free_and_has_the_page(hub, run, model):
    hub.accounts["hf_cook"] = Account("cook")
    done = run("deploy", "cook/page", "--model", model, "--static")
    assert done.returncode == 0, done.stderr
    space = hub.repo("cook/page", "space")
    assert space.space.sdk == "static"
    assert {"index.html", "sw.js", "model/model.onnx.gz"} <= set(space.head.files)
    head = yaml.safe_load(space.read("README.md").decode().split("---\n")[1])
    assert head["sdk"] == "static"
    assert "cross-origin-embedder-policy" in head["custom_headers"]
    again = run("deploy", "cook/page", "--model", model)
    assert "cook/page is a static Space: update it with --static" in again.stderr
    hub.add("cook/other", {"README.md": b"---\nsdk: gradio\n---\n"}, "space")
    refused = run("deploy", "cook/other", "--model", model, "--static")
    assert "cook/other exists but is not a static Space created by" in refused.stderr


def test_refusal_that_nobody_foresaw_says_the_same(hub, run, model):
    hub.refuse("POST /api/repos/create", 402)
    done = run("deploy", "cook/page", "--model", model)
    assert "this account cannot create a Gradio Space on cpu-basic" in done.stderr


def test_failed_build_shows_its_log(hub, run, model):
    hub.stages = ["BUILDING", "BUILD_ERROR"]
    hub.logs["build"] = ["ERROR: ResolutionImpossible\n"]
    done = run("deploy", "cook/page", "--model", model)
    assert done.returncode == 2
    assert "ERROR: ResolutionImpossible" in done.stdout
    assert done.stderr.endswith(
        "foodvision: cook/page is not running (BUILD_ERROR): the last lines of its log are above\n"
    )


@pytest.mark.slow
def test_space_that_exists_keeps_its_hardware_or_gets_what_is_asked_for(hub, run, model):
    hub.stages = ["BUILD_ERROR"]
    run("deploy", "cook/page", "--model", model, "--hardware", "zero-a10g")
    space = hub.repo("cook/page", "space")
    assert b"spaces.GPU" in space.read("app.py")
    run("deploy", "cook/page", "--model", model)
    assert space.space.hardware == "zero-a10g"
    assert b"spaces.GPU" in space.read("app.py")
    run("deploy", "cook/page", "--model", model, "--hardware", "cpu-basic")
    assert space.space.hardware == "cpu-basic"
    assert b"spaces.GPU" not in space.read("app.py")


@pytest.mark.slow
def test_hardware_stays_where_the_page_cannot_be_made(hub, run, model, tmp_path):
    hub.stages = ["BUILD_ERROR"]
    run("deploy", "cook/page", "--model", model)
    space = hub.repo("cook/page", "space").space
    own = space.hardware
    done = run("deploy", "cook/page", "--model", tmp_path / "none", "--hardware", "t4-small")
    assert "does not exist" in done.stderr
    assert space.hardware == own


def test_somebody_elses_space_is_left_alone(hub, run, model):
    files = {"README.md": b"---\nsdk: gradio\napp_file: main.py\n---\n", "main.py": b"mine"}
    hub.add("cook/page", files, "space")
    done = run("deploy", "cook/page", "--model", model)
    assert "cook/page exists but is not a gradio Space created by foodvision deploy" in done.stderr
    assert hub.repo("cook/page", "space").read("main.py") == b"mine"


@pytest.mark.parametrize("kind", ["gradio", "static"])
def test_what_should_be_private_is_not_deployed_where_everybody_sees_it(hub, run, model, kind):
    space = hub.create("cook/page", "space", Space(kind))
    head = space.head.oid
    options = ("--model", model, "--private", *(["--static"] if kind == "static" else []))
    done = run("deploy", "cook/page", *options)
    assert "cook/page already exists and is public" in done.stderr
    assert space.head.oid == head


def test_secrets_are_set_and_never_shown(hub, run, model):
    hub.stages = ["BUILD_ERROR"]
    done = run(
        *("deploy", "cook/page", "--model", model),
        *("--secret", "KITCHEN_KEY", "--variable", "OPEN=yes"),
        KITCHEN_KEY="s3cret",
    )
    space = hub.repo("cook/page", "space").space
    assert space.secrets == {"KITCHEN_KEY": "s3cret"}
    assert space.variables == {"OPEN": "yes"}
    assert "s3cret" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("option", "line"),
    [
        (("--secret", "NOWHERE_KEY"), "--secret NOWHERE_KEY: no environment variable"),
        (
            ("--secret", "KITCHEN_KEY=s3cret"),
            "--secret KITCHEN_KEY: no environment variable has this name; set it first\n",
        ),
        (("--variable", "OPEN"), "--variable OPEN: write NAME=VALUE"),
    ],
)
def test_settings_that_cannot_be_are_told(hub, run, model, option, line):
    done = run("deploy", "cook/page", "--model", model, *option)
    assert done.returncode == 2
    assert line in done.stderr
    assert hub.requests == []


def test_dry_run_writes_the_folder_and_asks_nobody(hub, run, model, tmp_path):
    done = run("deploy", "cook/page", "--model", model, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "would be created as a Gradio Space on cpu-basic" in done.stdout
    assert hub.requests == []
    folder = tmp_path / "page"
    head = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
    assert head["sdk"] == "gradio"
    assert head["python_version"] == "3.12"
    assert len(head["short_description"]) <= 60
    assert head["thumbnail"].endswith("/spaces/cook/page/resolve/main/thumbnail.jpg")
    with Image.open(folder / "thumbnail.jpg") as thumbnail:
        assert thumbnail.size == (1200, 630)
    asked = (folder / "requirements.txt").read_text()
    assert "onnxruntime" in asked
    assert "gradio" not in asked
    assert "torch" not in asked
    assert not list(folder.rglob("*.safetensors"))


def test_dry_run_ends_with_the_command_to_run_next(hub, run, model):
    command = ("--model", model, "--private", "--variable", "TITLE=A b")
    done = run("deploy", "cook/page", *command, "--dry-run")
    free, last = [line.partition(": foodvision ") for line in done.stdout.splitlines()[-2:]]
    assert free[0] == "On a free account, create a static Space"
    assert last[0] == "Create or update it"
    hub.stages = ["BUILD_ERROR"]
    assert "Uploaded the files of cook/page" in run(*shlex.split(last[2])).stdout
    space = hub.repo("cook/page", "space")
    assert (space.private, space.space.variables["TITLE"]) == (True, "A b")
    hub.accounts["hf_cook"] = Account("cook")
    words = shlex.split(free[2].replace("cook/page", "cook/free"))
    assert run(*words).returncode == 0
    assert hub.repo("cook/free", "space").private


def test_dry_run_of_a_space_that_free_accounts_may_have_names_no_other(run, model):
    hardware = ("--hardware", "zero-a10g")
    done = run("deploy", "cook/page", "--model", model, *hardware, "--dry-run")
    assert "--static" not in done.stdout
    assert done.stdout.endswith(f"--model {model} --hardware=zero-a10g\n")


def test_space_that_has_the_files_already_is_said_to_have_them(hub, run, model):
    command = ("deploy", "cook/page", "--model", model, "--static")
    assert "Uploaded the files of cook/page" in run(*command).stdout
    assert "cook/page already has these files (commit " in run(*command).stdout


def test_space_has_what_belongs_to_the_model_and_nothing_else_of_its_folder(model, tmp_path):
    folder = shutil.copytree(model, tmp_path / "orchard")
    (folder / "hf_token.txt").write_text("hf_secret")
    (folder / "examples" / "._kiwi.jpg").write_bytes(b"what macOS keeps beside a photo")
    (tmp_path / "space").mkdir()
    write_space(tmp_path / "space", SpaceSettings("cook/page", str(folder)))
    served = json.loads((tmp_path / "space" / "space.json").read_text())
    assert served == {"models": ["checkpoint/orchard"]}
    copied = tmp_path / "space" / "checkpoint" / "orchard"
    names = {path.name for path in copied.iterdir()}
    assert {"model.onnx", "config.json", "README.md", "examples"} <= names
    assert not {"hf_token.txt", "model.safetensors"} & names
    assert {path.stem for path in (copied / "examples").iterdir()} == set(COLOURS)


@pytest.mark.slow
def test_freshly_trained_model_comes_to_a_link_without_a_stop(hub, run_apart, fruit, tmp_path):
    """Train, push, deploy, check: each command is the one that the last one named, on Gradio."""
    small = ("--model", "tinyvgg", "--image-size", "32", "--epochs", "6")
    run_folder = tmp_path / "runs" / "one"
    trained = run_apart("train", fruit, *small, "--output", run_folder)
    assert f"foodvision demo --model {run_folder}" in trained.stdout, trained.stderr
    pushed = run_apart("push", run_folder, "cook/fruit", "--examples", "auto")
    offered = [line for line in pushed.stdout.splitlines() if " is an example now: " in line]
    assert 0 < len(offered) <= len(COLOURS), pushed.stderr
    assert all(f"{fruit / 'test'}{os.sep}" in line for line in offered)
    assert all(Path(line.split(": ")[-1]).name.startswith(tuple(COLOURS)) for line in offered)
    *named, static = pushed.stdout.splitlines()[-1].partition(": foodvision ")[2].split()
    assert named == ["deploy", "cook/fruit-page", "--model", "cook/fruit"], pushed.stderr
    assert static == "--static"
    hub.stages = ["RUNNING"]
    run_apart(*named)  # the Space has no address yet
    space = hub.repo("cook/fruit-page", "space")
    checkout = space.checkout(tmp_path / "checkout")
    port = free_port()
    environment = {
        "SYSTEM": "spaces",
        "SPACE_ID": "cook/fruit-page",
        "GRADIO_SERVER_PORT": str(port),
    }
    environment |= {"GRADIO_SERVER_NAME": "127.0.0.1", **hub.environment(tmp_path / "home")}
    with running_page(cwd=checkout, **environment):
        space.space.host = f"http://127.0.0.1:{port}"
        done = run_apart("deploy", "cook/fruit-page", "--check")
    photos = "a photo" if len(offered) == 1 else f"{len(offered)} photos"
    said = f"http://127.0.0.1:{port} gives the same predictions as the model here, for {photos}\n"
    assert done.stdout == said, done.stderr


def test_examples_are_pushed_small_and_without_their_place(hub, run, fruit_checkpoint, tmp_path):
    model = shutil.copytree(fruit_checkpoint, tmp_path / "model")
    photo = make_photo(tmp_path / "mine" / "tart.JPG", COLOURS["kiwi"], 0, size=(2000, 1500))
    exif = Image.Exif()
    exif.get_ifd(0x8825)[1] = "N"  # a place
    Image.open(photo).save(photo, exif=exif)
    done = run("push", model, "cook/fruit", "--examples", photo.parent)
    named = f"{photo} is an example now: {model / 'examples' / 'tart.jpg'}"
    assert named in done.stdout, done.stderr
    pushed = hub.repo("cook/fruit").read("examples/tart.jpg")
    with Image.open(io.BytesIO(pushed)) as image:
        assert (image.format, image.size) == ("JPEG", (1024, 768))
        assert not image.getexif()
    empty = run("push", model, "cook/fruit", "--examples", tmp_path / "none")
    said = f"foodvision: examples {tmp_path / 'none'}: not a folder with photos\n"
    assert empty.stderr == said


def test_examples_of_a_space_come_from_a_folder_or_from_the_run_of_its_model(
    hub, run, fruit_checkpoint, tmp_path
):
    model = shutil.copytree(fruit_checkpoint, tmp_path / "orchard")
    photo = make_photo(tmp_path / "mine" / "tart.jpg", COLOURS["kiwi"], 0)
    done = run("deploy", "cook/page", "--model", model, "--examples", photo.parent, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "page" / "checkpoint" / "orchard" / "examples" / "tart.jpg").is_file()
    refused = run("deploy", "cook/page", "--model", model, "--examples", "auto", "--dry-run")
    assert f"{model} is not a run" in refused.stderr
    run("push", model, "cook/fruit")
    refused = run("deploy", "cook/page", "--model", "cook/fruit", "--examples", photo.parent)
    assert "cook/fruit is not a folder: push the checkpoint with the photos first" in refused.stderr


DOWNLOAD = (
    "import foodvision.hub.download as hub; hub.download_checkpoint('cook/fruit', weights=True)"
)


def test_published_model_is_pinned_and_preloaded(hub, run, model, tmp_path):
    run("push", model, "cook/fruit")
    commit = hub.repo("cook/fruit").head.oid
    run_python("-c", DOWNLOAD, env=os.environ | hub.environment(tmp_path / "home"), check=True)
    done = run("deploy", "cook/page", "--model", "cook/fruit", "--dry-run")
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "page"
    head = yaml.safe_load((folder / "README.md").read_text("utf-8").split("---\n")[1])
    assert head["models"] == ["cook/fruit"]
    name, files, pinned = head["preload_from_hub"][0].split()
    assert (name, pinned) == ("cook/fruit", commit)
    assert {"config.json", "model.onnx"} <= set(files.split(","))
    assert "model.safetensors" not in files  # which was just downloaded beside them
    served = json.loads((folder / "space.json").read_text())
    assert served == {"models": [f"cook/fruit@{commit}"]}


@pytest.mark.slow
def test_model_that_is_not_public_is_deployed_with_a_token_alone(hub, run, model, tmp_path):
    hub.add("cook/fruit", model).gated = "manual"
    command = ("deploy", "cook/page", "--model", "cook/fruit")
    refused = run(*command)
    assert "private or gated, so cook/page cannot read it: add --secret HF_TOKEN" in refused.stderr
    assert not hub.asked("POST")
    public = ("--variable", "HF_TOKEN=hf_cook")  # everybody would see it
    assert run(*command, *public, "--dry-run").stderr == refused.stderr
    done = run(*command, "--secret", "HF_TOKEN", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "preload_from_hub" not in (tmp_path / "page" / "README.md").read_text("utf-8")
    # A Space that was given one is renewed without.
    hub.create("cook/page", "space", Space("gradio")).space.secrets["HF_TOKEN"] = "hf_cook"
    hub.stages = ["BUILD_ERROR"]
    assert "Uploaded the files of cook/page" in run(*command).stdout


def test_zero_gpu_has_its_function_and_answers_on_the_cpu(model, tmp_path):
    folder = tmp_path / "zero"
    folder.mkdir()
    write_space(folder, SpaceSettings("cook/page", str(model), hardware="zero-a10g"))
    program = """
import app
bound = [function.fn.__name__ for function in app.demo.fns.values() if function.fn]
assert "borrow_gpu" in bound, bound
"""
    run_python("-c", program, cwd=folder, check=True)


def test_space_keeps_feedback_where_its_variable_says(hub, model, tmp_path):
    folder = tmp_path / "space"
    folder.mkdir()
    write_space(folder, SpaceSettings("cook/page", str(model)))
    program = """
import app
assert "keep" in [function.fn.__name__ for function in app.demo.fns.values() if function.fn]
"""
    environment = os.environ | hub.environment(tmp_path / "home")
    environment |= {"FOODVISION_FEEDBACK": "hf://cook/kept", "TMPDIR": str(tmp_path)}
    run_python("-c", program, cwd=folder, env=environment, check=True)
    assert hub.repo("cook/kept", "dataset").private


@pytest.mark.slow
def test_feedback_goes_to_a_private_dataset_and_back_into_training(hub, run_apart, tmp_path):
    program = """
import sys
from foodvision.web import open_feedback
feedback = open_feedback("hf://cook/kept")
feedback.keep(sys.argv[1], "kiwi")
feedback.keep(sys.argv[2], "tomato")
feedback.close()
assert not feedback.folder.exists()
"""
    photos = [
        make_photo(tmp_path / f"{label}.jpg", COLOURS[label], seed=9)
        for label in ("kiwi", "tomato")
    ]
    run_python(
        "-c", program, *photos, env=os.environ | hub.environment(tmp_path / "home"), check=True
    )
    kept = hub.repo("cook/kept", "dataset")
    assert kept.private
    names = [name for name in kept.head.files if name.endswith(".jpg")]
    assert sorted(name.partition("/")[0] for name in names) == ["kiwi", "tomato"]
    listed = run_apart("data", "hf://cook/kept", "--json")
    assert '"kiwi"' in listed.stdout, listed.stderr


def test_feedback_that_the_hub_does_not_take_stays_on_the_disk(hub, tmp_path):
    program = """
import sys
import foodvision
from foodvision.web import open_feedback
feedback = open_feedback("hf://cook/kept")
kept = feedback.keep(sys.argv[1], "kiwi")
try:
    feedback.close()
except foodvision.FoodVisionError as error:
    assert str(error).endswith(f"visitors' corrections are kept in {feedback.folder}")
    assert kept.exists()
    print(error)
"""
    hub.refuse("POST .*/commit/", 403)
    photo = make_photo(tmp_path / "kiwi.jpg", (60, 190, 60), 9)
    known = hub.environment(tmp_path / "home") | {"TMPDIR": str(tmp_path)}
    done = run_python("-c", program, photo, env=os.environ | known)
    assert done.stdout.startswith("cook/kept was refused by the Hub (It is told to fail)"), (
        done.stderr
    )


def test_public_dataset_gets_no_feedback(hub, run):
    hub.create("cook/kept", "dataset")
    done = run("demo", "--feedback", "hf://cook/kept")
    assert done.returncode == 2
    assert "cook/kept is public: visitors' photos need a private dataset" in done.stderr
