"""The real huggingface_hub client over HTTP, against a Hub on loopback."""

import os
import re
from pathlib import Path

import pytest
from conftest import run_python
from huggingface_hub.utils import hf_raise_for_status, httpx, validate_repo_id
from loopback_hub import LoopbackHub, Nobody

import foodvision
from foodvision.errors import FoodVisionError, HubError, HubWarning
from foodvision.hub.client import is_repo_id, translate_hub_errors
from foodvision.hub.download import download_checkpoint


@pytest.fixture
def hub(fruit_checkpoint, tmp_path):
    with LoopbackHub(tmp_path / "hub") as hub:
        hub.add("cook/fruit", fruit_checkpoint)
        yield hub


@pytest.fixture
def load(hub, client_at):
    """Load a model as nobody whom the Hub knows; return what is said."""

    def loaded(name="cook/fruit", revision=None, **client):
        client_at(hub, token=None, **client)
        try:
            return " ".join(foodvision.load(name, revision=revision).classes)
        except FoodVisionError as error:
            return f"{type(error).__name__} {error}"

    return loaded


def test_model_comes_from_the_hub_and_then_from_the_cache(hub, tmp_path):
    program = "import foodvision; print(*foodvision.load('cook/fruit').classes)"
    known = os.environ | hub.environment(tmp_path / "home", token=None)
    for offline in ("0", "1"):
        done = run_python("-c", program, env=known | {"HF_HUB_OFFLINE": offline}, check=True)
        assert done.stdout == "blueberry kiwi tomato\n"


def test_weights_that_were_never_downloaded_are_missed_offline(hub, load, client_at):
    load()
    client_at(hub, token=None, offline=True)
    with pytest.raises(HubError) as caught:
        download_checkpoint("cook/fruit", weights=True)
    assert str(caught.value) == (
        "cook/fruit has no weights in the cache, and HF_HUB_OFFLINE is set: unset it"
    )
    client_at(hub, token=None)
    hub.refuse("api/models", 502)
    with pytest.raises(HubError, match=r"^cook/fruit failed because the Hub returned a server"):
        download_checkpoint("cook/fruit", weights=True)
    hub.recover()
    download_checkpoint("cook/fruit", weights=True)
    client_at(hub, token=None, offline=True)
    download_checkpoint("cook/fruit", weights=True)


def test_only_what_serving_reads_is_downloaded(hub, load, tmp_path):
    load()
    commit = hub.repo("cook/fruit").head.oid
    snapshot = next((tmp_path / "home").rglob(f"snapshots/{commit}"))
    assert sorted(path.name for path in snapshot.iterdir()) == [
        "README.md",
        "config.json",
        "model.onnx",
    ]


def test_repository_that_is_not_there_says_so(load):
    assert load("cook/nothing") == (
        "HubError cook/nothing is neither a folder here nor a model on the Hub that your token can "
        "read: check the name; if it is private, run `hf auth login`"
    )


def test_folder_that_does_not_exist_is_told_before_the_connection(client_at):
    client_at(Nobody(), token=None)
    said = "^cook/nothing does not exist. If it is a model on the Hub, check the connection: "
    with pytest.raises(HubError, match=said):
        foodvision.load("cook/nothing")


def test_revision_that_is_not_there_says_so(load):
    assert load(revision="nowhere") == (
        "HubError cook/fruit at revision nowhere does not exist on the Hub: check the revision"
    )


def test_gated_repository_says_how_to_get_in(hub, load):
    hub.repo("cook/fruit").gated = "manual"
    assert load() == (
        "HubError cook/fruit is gated: request access on its page, then run `hf auth login`"
    )


def test_hub_that_fails_says_so(hub, load):
    hub.refuse("cook/fruit", 418, "teapot")
    assert load().startswith("HubError cook/fruit was refused by the Hub (418")


def test_hub_out_of_reach_with_an_empty_cache_says_so(load):
    assert load(offline=True) == (
        "HubError cook/fruit is not in the cache, and HF_HUB_OFFLINE is set: unset it"
    )


def test_full_disk_says_so():
    with (
        pytest.raises(HubError, match=r"^cook/fruit does not fit on the disk: free some space"),
        translate_hub_errors("cook/fruit"),
        Path("/dev/full").open("w") as disk,
    ):
        disk.write("a file that comes from the Hub")


XET = """
import sys
from pathlib import Path
from huggingface_hub.file_download import xet_get
from huggingface_hub.utils import XetFileData
from foodvision.hub.client import translate_hub_errors
data = XetFileData(file_hash="1" * 64, refresh_route=sys.argv[1] + "/xet-token")
with translate_hub_errors("cook/fruit"):
    xet_get(incomplete_path=Path(sys.argv[2]), xet_file_data=data, headers={}, expected_size=9)
"""


def test_transfer_that_fails_below_the_client_is_told(hub, tmp_path):
    storage = {"Cas-Url": hub.url, "Access-Token": "x", "Token-Expiration": "9999999999"}
    hub.refuse("xet-token", 200, headers={f"X-Xet-{key}": value for key, value in storage.items()})
    hub.refuse("reconstructions", 400)
    done = run_python(
        "-c", XET, hub.url, tmp_path / "file", env=os.environ | hub.environment(tmp_path / "home")
    )
    said = done.stderr.splitlines()[-1]
    assert "HubError: cook/fruit could not be transferred (Task error: " in said
    assert said.endswith("): run the command again; finished transfers are kept")


def test_fault_of_ours_is_no_failed_transfer():
    with (
        pytest.raises(RuntimeError, match=r"^dictionary changed"),
        translate_hub_errors("cook/fruit"),
    ):
        raise RuntimeError("dictionary changed size during iteration")


@pytest.mark.parametrize(
    ("status", "headers", "said", "line"),
    [
        (403, {}, ["No rights", "in baker"], "was refused by the Hub (No rights in baker): if"),
        (403, {}, [], "cannot be changed with this token: create one with the role write"),
        (400, {}, ["a" * 196, "\x1b[2Jb"], f"was rejected by the Hub ({'a' * 196} ...)"),
        (429, {"RateLimit": '"api";r=0;t=55'}, [], "was requested too often: wait 55 seconds"),
        (429, {"RateLimit": '"api";r=9;t=55', "Retry-After": "7"}, [], "often: wait 7 seconds"),
    ],
)
def test_reasons_of_the_hub_come_in_one_line(status, headers, said, line):
    asked = httpx.Request("POST", "http://127.0.0.1/api/repos/create")
    answer = httpx.Response(status, headers=headers, json={"error": said}, request=asked)
    with (
        pytest.raises(HubError, match=rf"^cook/fruit .*{re.escape(line)}"),
        translate_hub_errors("cook/fruit"),
    ):
        hf_raise_for_status(answer)


def test_commit_can_be_pinned(hub, load, fruit_checkpoint):
    first = hub.repo("cook/fruit").head.oid
    hub.add("cook/fruit", {"model.onnx": b"spoiled"})
    assert load(f"cook/fruit@{first}") == "blueberry kiwi tomato"
    assert load(revision=first) == "blueberry kiwi tomato"


def test_repository_that_is_gone_while_the_cache_answers_is_told(hub, load):
    load()
    hub.remove("cook/fruit")
    with pytest.warns(HubWarning) as warned:
        assert load() == "blueberry kiwi tomato"
    (said,) = (str(warning.message) for warning in warned)
    assert "does not exist on the Hub, or your token has no access" in said
    assert "Using the copy in the cache" in said


def test_hub_out_of_order_leaves_the_cache_to_answer(hub, load):
    load()
    hub.refuse("GET /api/models/cook/fruit", 503)
    assert load() == "blueberry kiwi tomato"


def test_repository_without_a_checkpoint_says_so(hub, load):
    hub.add("cook/drawings", {"README.md": b"# no model"})
    assert "is not a checkpoint: it has no config.json" in load("cook/drawings")


def test_spoiled_download_is_refused(hub, load):
    spoiled = hub.repo("cook/fruit").read("model.onnx") + b"\0"
    hub.add("cook/fruit", {"model.onnx": spoiled})
    assert "model.onnx does not match config.json" in load()


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("user/name", True),
        ("a.b/c-d_e", True),
        ("name", False),
        ("a/b/c", False),
        ("a b/c", False),
        ("./a", False),
        ("runs/pizza--2", False),
        ("runs/..", False),
        ("user/name.", False),
        ("-user/name", False),
        ("user/name-", False),
        ("user/name.git", False),
        ("user/" + 97 * "n", False),
    ],
)
def test_names_of_repositories_are_told_from_others(name, is_one):
    assert is_repo_id(name) is is_one
    if is_one:
        validate_repo_id(name)  # raises for what the client refuses
