"""Checkpoints go to the Hub: the real commands and client, a Hub on loopback."""

import json
import os
import re
import shlex
import shutil
from dataclasses import replace

import pytest
import yaml
from conftest import EXAMPLES, make_photo, run_python
from loopback_hub import Account, LoopbackHub
from PIL import ExifTags, Image
from safetensors.torch import load_file

import foodvision
from foodvision.checkpoint import BUNDLED, read_checkpoint
from foodvision.hub.card import hub_card
from foodvision.runs.reading import read_run

NEXT = (
    r"Create a page with it, free for every account: "
    r"foodvision (deploy (\S+)-page --model (\4(?:@\S+)?) --static(?: --private)?)\n"
)
PUSHED = re.compile(r"Pushed to (\S+) \(commit ([0-9a-f]{40})\)\n" + NEXT)
UNCHANGED = re.compile(
    r"(\S+) already has this checkpoint \(commit ([0-9a-f]{40})\), nothing changed\n" + NEXT
)


@pytest.fixture
def hub(tmp_path):
    with LoopbackHub(tmp_path / "hub") as hub:
        yield hub


def error_of(done):
    """The one line that a command failed with."""
    assert done.returncode == 2, done
    *progress, line = done.stderr.splitlines()
    assert not any("Traceback" in part for part in progress)
    return line


def test_pushed_checkpoint_answers_under_its_name(hub, run_apart, fruit_checkpoint, tmp_path):
    done = run_apart("push", fruit_checkpoint, "cook/fruit")
    assert PUSHED.fullmatch(done.stdout).group(2) == hub.repo("cook/fruit").head.oid
    photo = make_photo(tmp_path / "kiwi.jpg", (60, 190, 60), seed=5)
    answered = run_apart("predict", photo, "--model", "cook/fruit", "--json")
    here = foodvision.load(fruit_checkpoint).predict(photo)
    assert json.loads(answered.stdout)["label"] == here.label


def test_pushed_again_nothing_changes(hub, run, fruit_checkpoint):
    first = PUSHED.fullmatch(run("push", fruit_checkpoint, "cook/fruit").stdout)
    again = UNCHANGED.fullmatch(run("push", fruit_checkpoint, "cook/fruit").stdout)
    assert first.groups() == again.groups()
    assert again.group(2) == hub.repo("cook/fruit").head.oid


@pytest.mark.parametrize("options", [(), ("--private",), ("--revision", "trial")])
def test_next_command_works_on_a_free_account_and_shows_nobody_what_is_private(
    hub, run, fruit_checkpoint, options
):
    hub.accounts["hf_cook"] = Account("cook")
    pushed = PUSHED.fullmatch(run("push", fruit_checkpoint, "cook/fruit", *options).stdout)
    done = run(*pushed.group(3).split())
    assert done.returncode == 0, done.stderr
    assert pushed.group(5) == ("cook/fruit@trial" if "trial" in options else "cook/fruit")
    assert hub.repo("cook/fruit-page", "space").private == ("--private" in options)


def test_model_that_no_page_in_the_browser_takes_is_offered_the_page_here(
    hub, run, fruit_checkpoint, tmp_path
):
    deep = shutil.copytree(fruit_checkpoint, tmp_path / "deep")
    config = json.loads((deep / "config.json").read_text())
    config["preprocess"]["white"] = 4095
    (deep / "config.json").write_text(json.dumps(config))
    done = run("push", deep, "cook/fruit")
    assert done.stdout.endswith("Serve a page with it: foodvision demo --model cook/fruit\n")


def test_card_is_read_by_the_hub_and_used_as_it_says(hub, run, fruit_checkpoint, tmp_path):
    run("push", fruit_checkpoint, "cook/fruit", "--license", "cc-by-4.0")
    card = hub.repo("cook/fruit").read("README.md").decode()
    head = yaml.safe_load(card.split("---\n")[1])
    figures = foodvision.load(fruit_checkpoint).config.figures["test"]
    assert head["license"] == "cc-by-4.0"
    assert head["library_name"] == "foodvision"
    assert "base_model" not in head  # TinyVGG starts from nothing
    assert head["pipeline_tag"] == "image-classification"
    metrics = head["model-index"][0]["results"][0]["metrics"]
    assert metrics[0]["value"] == pytest.approx(figures["top1"], abs=1e-4)
    for told in (
        "pictures/confusion.png",
        "pictures/reliability.png",
        "| kiwi |",
        "foodvision train",
    ):
        assert told in card
    assert "pictures/confusion.png" in hub.repo("cook/fruit").head.files
    lines = re.search(r"```python\n(.*?)```", card, re.DOTALL).group(1)
    assert len(lines.strip().splitlines()) == 4
    make_photo(tmp_path / "photo.jpg", (60, 190, 60), seed=5)
    done = run_python(
        "-c", lines, cwd=tmp_path, env=os.environ | hub.environment(tmp_path / "home"), check=True
    )
    assert done.stdout.startswith("Prediction(label='")


def test_card_names_what_the_training_started_from():
    card = hub_card(read_checkpoint(BUNDLED), "cook/food")
    head = yaml.safe_load(card.split("---\n")[1])
    assert head["base_model"] == "timm/tf_efficientnet_lite0.in1k"
    assert head["datasets"] == ["ethz/food101"]


@pytest.mark.parametrize(
    ("source", "datasets"),
    [
        ("food101", ["ethz/food101"]),
        ("food101:/photos", ["ethz/food101"]),
        ("food101-mini", None),
        ("hf://cook/fruit@v1?side=320", ["cook/fruit"]),
        ("hf://datasets/cook/fruit/?label=a@b", ["cook/fruit"]),
        ("hf://./parquet", None),
        ("hf:///photos/parquet", None),
        ("cook/fruit", None),
    ],
)
def test_card_names_the_dataset_that_others_can_have(source, datasets):
    bundled = read_checkpoint(BUNDLED)
    config = replace(bundled.config, data={"source": source})
    head = hub_card(replace(bundled, config=config), "cook/food").split("---\n")[1]
    assert yaml.safe_load(head).get("datasets") == datasets


def test_dry_run_lists_and_asks_nobody(hub, run, fruit_checkpoint):
    options = ("--private", "--license", "mit")
    done = run("push", fruit_checkpoint, "cook/fruit", *options, "--dry-run", token=None)
    assert "model.onnx" in done.stdout
    assert hub.requests == []
    last = done.stdout.splitlines()[-1]
    assert last.startswith("Upload these files: foodvision push ")
    pushed = run(*shlex.split(last.partition(": foodvision ")[2]))
    assert pushed.returncode == 0, pushed.stderr
    assert hub.repo("cook/fruit").private
    assert "license: mit" in hub.repo("cook/fruit").read("README.md").decode()


def test_what_serving_downloads_is_not_pushed(hub, run, fruit_checkpoint):
    run("push", fruit_checkpoint, "cook/fruit")
    head = hub.repo("cook/fruit").head.oid
    done = run("push", "cook/fruit", "cook/fruit", "--license", "mit")
    assert "has no model.safetensors, on which its figures were measured" in error_of(done)
    assert hub.repo("cook/fruit").head.oid == head


def test_card_that_was_on_the_hub_says_once_how_it_is_used(fruit_checkpoint, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    first = hub_card(read_checkpoint(folder), "cook/one")
    (folder / "README.md").write_text(first)
    second = hub_card(read_checkpoint(folder), "cook/two")
    assert second.count("foodvision.load(") == first.count("foodvision.load(")
    assert second.replace("cook/two", "cook/one").replace("two", "one") == first


def test_training_pushes_what_it_made_for_its_owner_alone(hub, run, fruit, tmp_path):
    settings = ("--model", "tinyvgg", "--image-size", "32", "--epochs", "1")
    place = ("--output", tmp_path / "run", "--push", "cook/fruit", "--private")
    done = run("train", fruit, *settings, *place)
    assert done.returncode == 0, done.stderr
    assert PUSHED.search(done.stdout).group(2) == hub.repo("cook/fruit").head.oid
    assert hub.repo("cook/fruit").private
    assert done.stdout.endswith("--static --private\n")
    graph = (tmp_path / "run" / "checkpoint" / "model.onnx").read_bytes()
    assert hub.repo("cook/fruit").read("model.onnx") == graph


@pytest.mark.slow
def test_training_starts_from_a_pushed_model_and_is_taught_by_one(
    hub, run, fruit, fruit_checkpoint, tmp_path
):
    hub.add("cook/fruit", fruit_checkpoint)
    start = ("--model", "cook/fruit@main", "--teacher", "cook/fruit", "--no-freeze")
    done = run("train", fruit, *start, "--epochs", "1", "--output", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert "3 classes are known to cook/fruit@main" in done.stdout
    trained = read_checkpoint(tmp_path / "run").config
    assert (trained.architecture, trained.base_model) == ("tinyvgg", "cook/fruit")
    # What goes on with the run, or repeats it, starts from the same commit.
    assert re.fullmatch(r"cook/fruit@[0-9a-f]{40}", read_run(tmp_path / "run").settings["model"])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("cook/fruit",), "cook/fruit needs a token"),
        (("baker/bread",), "baker/bread cannot be created: baker is neither your account nor"),
        (
            ("baker/vit",),
            "baker/vit was refused by the Hub (This token may not write to baker/vit)",
        ),
        (("Bakery/vit",), "Bakery/vit contains other files (config.json)"),
        (("cook/seen", "--private"), "cook/seen already exists and is public"),
    ],
)
def test_training_that_could_not_push_does_not_begin(hub, run, fruit, tmp_path, options, line):
    hub.accounts["hf_cook"] = Account("cook", organizations=("Bakery",))
    for name in ("baker/vit", "Bakery/vit"):
        hub.add(name, {"config.json": b'{"model_type": "vit"}'})
    hub.create("cook/seen")
    token = None if options == ("cook/fruit",) else "hf_cook"
    place = ("--output", tmp_path / "run", "--push", *options)
    assert line in error_of(run("train", fruit, *place, token=token))
    assert not (tmp_path / "run").exists()


def test_hidden_files_and_folders_beside_the_examples_stay_here(run, fruit_checkpoint, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    make_photo(folder / "examples" / "kiwi.jpg", (60, 190, 60), seed=5)
    (folder / "examples" / ".DS_Store").touch()
    (folder / "examples" / "older").mkdir()
    done = run("push", folder, "cook/fruit", "--dry-run")
    assert "examples/kiwi.jpg" in done.stdout
    assert ".DS_Store" not in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        ("push", "CHECKPOINT", "cook/fruit"),
        ("deploy", "cook/page", "--model", "CHECKPOINT"),
        ("export", "CHECKPOINT", "SITE", "--cdn"),
    ],
)
def test_example_that_tells_where_it_was_taken_is_not_published(
    hub, run, fruit_checkpoint, tmp_path, command
):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    photo = make_photo(folder / "examples" / "kiwi.jpg", (60, 190, 60), seed=5)
    with Image.open(photo) as image:
        exif = image.getexif()
        exif.get_ifd(ExifTags.IFD.GPSInfo).update({1: "N", 2: (38.0, 57.0, 30.0)})
        image.save(photo, exif=exif)
    places = {"CHECKPOINT": folder, "SITE": tmp_path / "site"}
    done = run(*(places.get(word, word) for word in command))
    assert "kiwi.jpg contains its location (GPS in its EXIF)" in error_of(done)
    assert not hub.asked("POST|PUT")


@pytest.mark.parametrize("spoiled", ["model.safetensors", "config.json"])
def test_figures_of_another_model_are_refused(hub, run, fruit_checkpoint, tmp_path, spoiled):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    if spoiled == "config.json":
        config = json.loads((folder / spoiled).read_text())
        config["figures"]["measured_on"]["model.onnx"] = "0" * 64
        (folder / spoiled).write_text(json.dumps(config))
    else:
        with (folder / spoiled).open("ab") as file:
            file.write(b"\0")
    assert "were not measured on its graph and weights" in error_of(
        run("push", folder, "cook/fruit")
    )
    assert hub.requests == []


def test_branch_is_created_and_read(hub, run, fruit_checkpoint, tmp_path):
    run("push", fruit_checkpoint, "cook/fruit")
    done = run("push", fruit_checkpoint, "cook/fruit", "--revision", "trial")
    assert PUSHED.fullmatch(done.stdout), done  # the branch is new
    again = run("push", fruit_checkpoint, "cook/fruit", "--revision", "trial")
    assert UNCHANGED.fullmatch(again.stdout), again
    photo = make_photo(tmp_path / "kiwi.jpg", (60, 190, 60), seed=5)
    assert run("predict", photo, "--model", "cook/fruit@trial").returncode == 0


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"config.json": b'{"model_type": "vit"}', "model.safetensors": b"theirs"}, "config.json"),
        ({"model.safetensors": b"theirs", "README.md": b"# Theirs"}, "model.safetensors"),
        ({"config.json": b"no JSON", "examples/kiwi.jpg": b"theirs"}, "config.json"),
        ({"README.md": b"# Theirs", "pytorch_model.bin": b"theirs"}, "pytorch_model.bin"),
    ],
)
@pytest.mark.parametrize("revision", [(), ("--revision", "trial")])
def test_somebody_elses_model_is_left_alone(hub, run, fruit_checkpoint, files, found, revision):
    head = hub.add("cook/fruit", files).head.oid
    said = error_of(run("push", fruit_checkpoint, "cook/fruit", *revision))
    assert f"cook/fruit contains other files ({found})" in said
    assert hub.repo("cook/fruit").head.oid == head
    assert not hub.asked("POST .*/(commit|branch)/")


def test_model_goes_beside_the_run_that_a_job_began(hub, run, fruit_checkpoint):
    hub.add("cook/fruit", {"run/run.json": b"{}"})
    done = run("push", fruit_checkpoint, "cook/fruit")
    assert done.returncode == 0, done.stderr
    assert "run/run.json" in hub.repo("cook/fruit").head.files


def test_what_should_be_private_is_not_pushed_where_everybody_sees_it(hub, run, fruit_checkpoint):
    head = hub.create("cook/fruit").head.oid
    said = error_of(run("push", fruit_checkpoint, "cook/fruit", "--private"))
    assert "cook/fruit already exists and is public" in said
    assert hub.repo("cook/fruit").head.oid == head


def test_organisation_decides_who_sees_what_is_not_asked_to_be_private(hub, run, fruit_checkpoint):
    hub.default_visibility = "private"
    assert run("push", fruit_checkpoint, "cook/fruit").returncode == 0
    assert hub.repo("cook/fruit").private


@pytest.mark.parametrize(
    ("pattern", "status", "line"),
    [
        (
            "POST /api/repos/create",
            403,
            "was refused by the Hub (It is told to fail): if the token",
        ),
        ("POST .*/commit/", 412, "was changed by somebody else meanwhile"),
        ("POST .*/commit/", 409, "already exists or is being changed"),
        ("PUT /objects", 403, "was refused by the Hub (It is told to fail): if the token"),
        ("POST /api/repos/create", 402, "is not free for this account"),
        ("POST /api/repos/create", 429, "was requested too often: wait 300 seconds"),
        ("POST /api/repos/create", 502, "failed because the Hub returned a server error (502)"),
    ],
)
def test_refusals_say_the_way_out(hub, run, fruit_checkpoint, pattern, status, line):
    hub.refuse(pattern, status)
    assert f"foodvision: cook/fruit {line}" in error_of(run("push", fruit_checkpoint, "cook/fruit"))


def test_hub_that_does_not_answer_is_given_up(hub, fruit_checkpoint, tmp_path):
    hub.hang("POST /api/repos/create")
    program = """
import sys
from dataclasses import replace
from foodvision.cli.main import main
from foodvision.hub import session
session.SILENCE = 0.5
sys.exit(main(["push", sys.argv[1], "cook/fruit"]))
"""
    done = run_python(
        "-c", program, fruit_checkpoint, env=os.environ | hub.environment(tmp_path / "home")
    )
    assert "foodvision: cook/fruit got no response from the Hub in time" in error_of(done)


def test_read_only_and_missing_and_revoked_tokens_say_the_way_out(hub, run, fruit_checkpoint):
    hub.accounts["hf_guest"] = Account("cook", role="read")
    said = error_of(run("push", fruit_checkpoint, "cook/fruit", token="hf_guest"))
    assert "create one with the role write" in said
    for token in (None, "hf_revoked"):
        said = error_of(run("push", fruit_checkpoint, "cook/fruit", token=token))
        assert "hf auth login" in said
        assert "hf_revoked" not in said


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_name_of_another_form_is_refused(run, fruit_checkpoint, option):
    said = error_of(run("push", fruit_checkpoint, "fruit", *option))
    assert said == "foodvision: 'fruit' is not a valid repository name: write user/name"


def test_card_that_the_hub_does_not_take_is_told(hub, run, fruit_checkpoint):
    hub.refuse("POST /api/validate-yaml", 400)
    said = error_of(run("push", fruit_checkpoint, "cook/fruit", "--license", "nonsense"))
    assert said == "foodvision: cook/fruit was rejected by the Hub: Invalid metadata in README.md."


def test_interrupted_upload_goes_on(hub, run, fruit_checkpoint):
    hub.refuse("POST .*/commit/", 503)
    assert "server error (503)" in error_of(run("push", fruit_checkpoint, "cook/fruit"))
    sent = len(hub.asked("PUT /objects"))
    assert sent
    hub.recover()
    assert run("push", fruit_checkpoint, "cook/fruit").returncode == 0
    assert len(hub.asked("PUT /objects")) == sent


def test_upload_that_is_cut_goes_on(hub, run, fruit_checkpoint):
    hub.cut("PUT /objects", after=1000, times=1)
    assert run("push", fruit_checkpoint, "cook/fruit").returncode == 0
    assert (
        hub.repo("cook/fruit").read("model.onnx") == (fruit_checkpoint / "model.onnx").read_bytes()
    )


def test_published_card_is_verified(hub, run, fruit, fruit_checkpoint, tmp_path):
    run("push", fruit_checkpoint, "cook/fruit")
    done = run("verify", "cook/fruit", fruit)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("the card of cook/fruit is confirmed\n")
    worse = shutil.copytree(fruit / "test", tmp_path / "worse")
    (worse / "kiwi").rename(worse / "aside")
    (worse / "tomato").rename(worse / "kiwi")
    (worse / "aside").rename(worse / "tomato")
    done = run("verify", "cook/fruit", worse)
    assert done.returncode == 1
    assert done.stdout.endswith("the card of cook/fruit is not confirmed\n")


def test_network_that_the_config_names_answers_with_timm_alone():
    import timm
    import torch

    classifier = foodvision.load()
    network = timm.create_model(classifier.config.architecture, num_classes=101).eval()
    network.load_state_dict(load_file(BUNDLED / "model.safetensors"), strict=True)
    for photo in sorted(EXAMPLES.glob("*.jpg")):
        image = torch.tensor(classifier.pixels(photo)).permute(2, 0, 1) / 127.5 - 1
        with torch.inference_mode():
            answered = int(network(image[None]).argmax())
        assert classifier.classes[answered] == classifier.predict(photo).label, photo


def test_python_pushes_and_loads(hub, fruit_checkpoint, tmp_path):
    program = """
import sys, foodvision
foodvision.Classifier.from_pretrained(sys.argv[1]).push_to_hub("cook/fruit")
print(*foodvision.Classifier.from_pretrained("cook/fruit").classes)
"""
    known = os.environ | hub.environment(tmp_path / "home")
    done = run_python("-c", program, fruit_checkpoint, env=known, check=True)
    assert done.stdout == "blueberry kiwi tomato\n"
