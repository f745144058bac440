"""A Hub that is none: a login page, a mirror, a proxy. Each answer of it ends in one line."""

import gzip
import hashlib
import json
import re
import shutil

import pytest
from conftest import COLOURS, make_photo
from huggingface_hub import HfApi
from loopback_hub import Account, LoopbackHub

from foodvision.cli.main import main
from foodvision.deploy.folder import SpaceSettings, write_space
from foodvision.errors import HubError
from foodvision.hub import session
from foodvision.hub.client import translate_hub_errors
from foodvision.hub.download import download_checkpoint
from foodvision.web import open_feedback

DEEP = b"[" * 200_000 + b"]" * 200_000
FIELDS = {
    **{"id": 3, "name": {"a": 1}, "sha": "../../x", "siblings": {"rfilename": []}, "private": "no"},
    **{"orgs": 7, "auth": [], "stage": ["RUNNING"], "hardware": 5, "url": 1, "files": [{}, 3]},
    **{"objects": [{"oid": 1}], "commitOid": {}, "commitUrl": [], "errors": 1, "error": {"a": 1}},
}
JSON = {"content_type": "application/json"}
KINDS = {
    "login page": (b"<html>Please log in</html>", 200, {"content_type": "text/html"}),
    "no JSON": (b"<html>Please log in</html>", 200, JSON),
    "empty": (b"", 200, JSON),
    "no content": (b"", 204, {}),
    "list": (b"[]", 200, JSON),
    "null": (b"null", 200, JSON),
    "text": (b'"text"', 200, JSON),
    "empty object": (b"{}", 200, JSON),
    "deep": (DEEP, 200, JSON),
    "fields": (json.dumps(FIELDS).encode(), 200, JSON),
    "no UTF-8": (b'{"id": "\xff\xfe"}', 200, JSON),
    "no gzip": (b"{}", 200, {"content_encoding": "gzip"}),
    "bomb": (gzip.compress(bytes(30_000_000)), 200, {"content_encoding": "gzip"}),
    "loop": (b"", 302, {"location": "/api/models/cook/fruit"}),
    "nowhere": (b"", 302, {"location": "http://[::1"}),
    "other scheme": (b"", 307, {"location": "file:///etc/passwd"}),
    "names": (b"{}", 200, {"etag": '"../../../x"', "x_repo_commit": "0" * 40}),
    "refused as list": (b"[]", 403, JSON),
    "refused as deep": (DEEP, 403, JSON),
    "refused in colour": (b'{"error": "\\u001b]0;title\\u0007 first\\nsecond"}', 403, JSON),
    "wait for years": (b"{}", 429, {"retry_after": "99999999"}),
}
# One of each way to be wrong; the others are rare.
LIKELY = ("login page", "empty", "null", "fields", "loop", "names", "refused as deep")
EACH_KIND = [pytest.param(kind, marks=[pytest.mark.slow] * (kind not in LIKELY)) for kind in KINDS]
COMMANDS = {
    "predict": ("predict", "PHOTO", "--model", "cook/fruit"),
    "verify": ("verify", "cook/fruit", "FRUIT"),
    "push": ("push", "MODEL", "cook/new"),
    "push again": ("push", "MODEL", "cook/fruit", "--revision", "trial"),
    # Where the Hub lets it go on, it stops at the photos.
    "train": ("train", "no-such-folder", "--push", "cook/fruit"),
    "deploy": ("deploy", "cook/page", "--model", "MODEL"),
    "deploy again": ("deploy", "cook/old", "--model", "cook/fruit", "--variable", "A=b"),
    "deploy static": ("deploy", "cook/site", "--model", "MODEL", "--static"),
    "check": ("deploy", "cook/old", "--check"),
}
LIKE = "does not respond like a Hub ("


@pytest.fixture(scope="module")
def places(fruit, fruit_checkpoint, tmp_path_factory):
    """A checkpoint with photos to ask about, a photo, and the folder of a Space."""
    root = tmp_path_factory.mktemp("places")
    model = shutil.copytree(fruit_checkpoint, root / "checkpoint")
    for seed, (label, colour) in enumerate(COLOURS.items()):
        make_photo(model / "examples" / f"{label}.jpg", colour, seed)
    (root / "space").mkdir()
    write_space(root / "space", SpaceSettings("cook/old", str(model)))
    photo = model / "examples" / "kiwi.jpg"
    return {"MODEL": model, "PHOTO": photo, "FRUIT": fruit, "SPACE": root / "space"}


@pytest.fixture
def hub(places, tmp_path):
    with LoopbackHub(tmp_path / "hub") as hub:
        yield prepare(hub, places)


def prepare(hub, places):
    hub.accounts["hf_cook"] = Account("cook", is_pro=True)
    hub.stages = ["BUILDING", "BUILD_ERROR"]
    hub.add("cook/fruit", places["MODEL"])
    hub.add("cook/old", places["SPACE"], "space")
    space = hub.repo("cook/old", "space").space
    space.host, space.stages = hub.url, ["RUNNING"]
    return hub


@pytest.fixture
def ask(places, client_at, capsys):
    """Run a command in this process; return its status and what it says on stderr."""

    def asked(hub, command, home):
        client_at(hub, home)
        capsys.readouterr()
        status = main([str(places.get(word, word)) for word in command])
        return status, capsys.readouterr().err

    return asked


def steps_of(hub):
    """What a command asked, as patterns; the names of commits and contents are left open."""
    names = [re.escape(str(asked)) for asked in hub.requests]
    return list(dict.fromkeys(re.sub("[0-9a-f]{40,64}", "[0-9a-f]+", name) for name in names))


def one_line_of(said):
    (line,) = said.splitlines()
    assert line.isprintable(), line
    assert line.startswith("foodvision: "), line
    assert len(line) < 700, line
    return line


def ask_at_each_step(command, kind, ask, hub, places, tmp_path):
    """Run a command once for each request that it makes, which is answered oddly."""
    ask(hub, COMMANDS[command], tmp_path / "home")
    body, status, headers = KINDS[kind]
    for number, step in enumerate(steps_of(hub)):
        hub.recover()
        for repo_kind, repo_id in list(hub.repositories):
            hub.remove(repo_id, repo_kind)
        prepare(hub, places).answer(f"^{step}$", body, status, **headers)
        yield step, *ask(hub, COMMANDS[command], tmp_path / f"home-{number}")


@pytest.mark.parametrize("command", ["predict", "push again", "train"])
@pytest.mark.parametrize("kind", ["login page", "fields"])
def test_odd_answer_at_any_step_ends_in_one_line(command, kind, ask, hub, places, tmp_path):
    for step, status, said in ask_at_each_step(command, kind, ask, hub, places, tmp_path):
        assert status in (0, 2), step
        if status:
            one_line_of(said)
        if kind == "login page" and "/api/" in step:
            assert LIKE in said, (step, said)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", KINDS)
def test_every_odd_answer_at_every_step_ends_in_one_line(command, kind, ask, hub, places, tmp_path):
    for step, status, said in ask_at_each_step(command, kind, ask, hub, places, tmp_path):
        assert status in (0, 2), step
        if status:
            one_line_of(said)


@pytest.mark.parametrize("kind", EACH_KIND)
@pytest.mark.parametrize("command", ["predict", "push", "train", "deploy", "check"])
def test_hub_that_is_none_is_told_in_one_line(command, kind, ask, hub, tmp_path):
    body, status, headers = KINDS[kind]
    hub.answer("", body, status, **headers)
    status, said = ask(hub, COMMANDS[command], tmp_path / "home")
    assert status == 2
    line = one_line_of(said)
    if KINDS[kind][1] not in (403, 429) or kind in ("refused as list", "refused as deep"):
        assert f"was requested from {hub.url}, which {LIKE}" in line
        assert "check HF_ENDPOINT and the proxy" in line


@pytest.mark.parametrize("kind", EACH_KIND)
def test_feedback_is_not_kept_by_what_is_no_hub(kind, hub, client_at):
    client_at(hub)
    body, status, headers = KINDS[kind]
    hub.answer("", body, status, **headers)
    with pytest.raises(HubError) as error:
        open_feedback("hf://cook/said")
    assert str(error.value).isprintable()


@pytest.mark.parametrize("after", [0, 1, 300])
@pytest.mark.parametrize("step", ["GET /api/models/cook/fruit$", "GET .*/tree/", "GET .*/resolve/"])
def test_answer_that_is_cut_is_told_and_leaves_nothing(step, after, ask, hub, tmp_path):
    hub.cut(step, after, times=None)
    status, said = ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert status == 2
    one_line_of(said)
    hub.recover()
    assert ask(hub, COMMANDS["predict"], tmp_path / "home")[0] == 0


def test_hub_that_says_nothing_is_given_up(ask, hub, tmp_path, monkeypatch):
    monkeypatch.setattr("foodvision.hub.download._PATIENCE", 0.2)
    hub.hang("")
    status, said = ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert (status, "got no response from the Hub in time" in one_line_of(said)) == (2, True)


# What is downloaded


@pytest.mark.parametrize("name", ["model.onnx", "config.json", "examples/kiwi.jpg"])
@pytest.mark.parametrize("longer", [0, -1, 5])
def test_file_that_is_not_what_was_listed_does_not_stay(name, longer, ask, hub, places, tmp_path):
    size = (places["MODEL"] / name).stat().st_size + longer
    commit = hub.repo("cook/fruit").head.oid
    headers = {"etag": '"0123"', "x_repo_commit": commit}
    hub.answer(f"(HEAD|GET) .*/resolve/.*{name}", bytes(size), **headers)
    status, said = ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert status == 2
    assert f"cook/fruit: {name} differs from what the Hub lists: run the" in one_line_of(said)
    assert not [*(tmp_path / "home").rglob(f"snapshots/*/{name}")]
    hub.recover()
    assert ask(hub, COMMANDS["predict"], tmp_path / "home")[0] == 0


def listing_of(hub, files):
    commit = hub.repo("cook/fruit").head.oid
    named = [{"rfilename": name, "size": size, "blobId": "0" * 40} for name, size in files.items()]
    about = {"id": "cook/fruit", "sha": commit, "private": False, "siblings": named}
    return json.dumps(about).encode()


@pytest.mark.parametrize(
    ("files", "line"),
    [
        ({"config.json": 9_000_000}, "config.json is too large (9,000,000 bytes)"),
        ({"config.json": 9, "model.onnx": 2_000_000_001}, "model.onnx is too large"),
        ({f"examples/{n}.jpg": 1 for n in range(1001)}, "has 1001 files, more than 1000"),
        ({"examples/a.jpg": 3 * 10**8, "examples/b.jpg": 3 * 10**8}, "examples/b.jpg is too large"),
        ({"README.txt": 9}, "cook/fruit has no config.json"),
        ({"examples/../../../../x": 9}, "a name that leads elsewhere"),
        ({"config.json": -1}, "Input should be greater than or equal to 0"),
    ],
)
def test_what_no_checkpoint_has_is_not_downloaded(files, line, ask, hub, tmp_path):
    hub.answer("GET /api/models/cook/fruit$", listing_of(hub, files))
    status, said = ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert status == 2
    assert line in one_line_of(said)
    assert not hub.asked("resolve")


def test_listing_without_end_is_left(ask, hub, tmp_path, monkeypatch):
    monkeypatch.setattr(session, "_LARGEST_TOTAL", 1_000_000)
    hub.answer("GET .*/tree/", b"[]", link=f'<{hub.url}/api/models/cook/fruit/tree/a>; rel="next"')
    status, said = ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert (status, "its listing does not end" in one_line_of(said)) == (2, True)


def test_etag_that_leads_out_of_the_cache_writes_nothing(ask, hub, tmp_path):
    commit = hub.repo("cook/fruit").head.oid
    place = tmp_path / "written"
    hub.answer("/resolve/", b"theirs", etag=f'"{place}"', x_repo_commit=commit)
    status, said = ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert (status, "its ETag is" in one_line_of(said)) == (2, True)
    assert not place.exists()


# Who gets to know the token


@pytest.fixture
def elsewhere(tmp_path):
    """Another host, which nobody asked for."""
    with LoopbackHub(tmp_path / "elsewhere") as other:
        yield other


def test_next_page_elsewhere_does_not_get_the_token(ask, hub, elsewhere, tmp_path):
    hub.answer("GET .*/tree/", b"[]", link=f'<{elsewhere.url}/api/next>; rel="next"')
    ask(hub, COMMANDS["predict"], tmp_path / "home")
    assert {asked.has_token for asked in elsewhere.requests} == {False}
    assert {asked.has_token for asked in hub.requests} == {True}


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_file_elsewhere_comes_without_the_token(status, ask, hub, elsewhere, places, tmp_path):
    elsewhere.add("cook/fruit", places["MODEL"])
    graph = hub.repo("cook/fruit").head.files["model.onnx"]
    place = elsewhere.repo("cook/fruit").head.oid
    hub.answer(
        "(HEAD|GET) .*/resolve/.*model.onnx",
        status=status,
        location=f"{elsewhere.url}/cook/fruit/resolve/{place}/model.onnx",
        x_repo_commit=hub.repo("cook/fruit").head.oid,
        x_linked_etag=f'"{graph.sha256}"',
        x_linked_size=str(graph.size),
    )
    assert ask(hub, COMMANDS["predict"], tmp_path / "home") == (0, "")
    assert [str(asked)[:3] for asked in elsewhere.requests] == ["GET"]
    assert not elsewhere.requests[0].has_token


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize(
    "step", ["POST /api/repos/create", "POST .*/preupload/", "POST .*/commit/"]
)
def test_what_is_posted_is_not_sent_on(step, status, ask, hub, elsewhere, tmp_path):
    hub.answer(step, status=status, location=f"{elsewhere.url}/api/repos/create")
    code, said = ask(hub, COMMANDS["push"], tmp_path / "home")
    assert (code, "it redirects a POST to 127.0.0.1" in one_line_of(said)) == (2, True)
    assert not elsewhere.requests


def test_upload_elsewhere_is_not_confirmed_there(ask, hub, elsewhere, places, tmp_path):
    """The client would send the token with it."""
    elsewhere.create("cook/new")
    graph = (places["MODEL"] / "model.onnx").read_bytes()
    oid = hashlib.sha256(graph).hexdigest()
    href = f"{elsewhere.url}/objects/models/cook/new/{oid}"
    actions = {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}
    answer = {"oid": oid, "size": len(graph), "actions": actions}
    batch = json.dumps({"transfer": "basic", "objects": [answer]}).encode()
    hub.answer("objects/batch", batch, content_type="application/json")
    status, said = ask(hub, COMMANDS["push"], tmp_path / "home")
    assert (status, LIKE in one_line_of(said)) == (2, True)
    assert not [asked for asked in elsewhere.requests if asked.has_token]


def test_space_elsewhere_does_not_get_the_token(ask, hub, elsewhere, tmp_path):
    hub.repo("cook/old", "space").space.host = elsewhere.url
    status, said = ask(hub, COMMANDS["check"], tmp_path / "home")
    assert (status, "does not respond" in one_line_of(said)) == (2, True)
    assert {asked.has_token for asked in elsewhere.requests} == {False}


@pytest.mark.parametrize("named", ["/etc", "../../..", "checkpoint/../../x", 5])
def test_space_that_serves_a_folder_of_this_disk_is_refused(named, ask, hub, tmp_path):
    hub.add("cook/old", {"space.json": json.dumps({"models": [named]}).encode()}, "space")
    status, said = ask(hub, COMMANDS["check"], tmp_path / "home")
    assert (status, "was the Space created by foodvision deploy?" in one_line_of(said)) == (2, True)


# What is not the Hub's fault


def test_program_that_uses_the_client_itself_has_it_as_it_was(hub, client_at, elsewhere):
    client_at(hub)
    elsewhere.create("cook/theirs")
    with translate_hub_errors("cook/fruit"):
        HfApi().model_info("cook/fruit")
    HfApi(endpoint=elsewhere.url, token="hf_cook").create_repo("cook/more")
    assert [asked.has_token for asked in elsewhere.requests] == [True]


def test_fault_of_ours_stays_one():
    with pytest.raises(KeyError), translate_hub_errors("cook/fruit"):
        {}["siblings"]


def test_weights_that_are_cut_are_told_too(hub, client_at, tmp_path):
    client_at(hub)
    hub.cut("GET .*/model.safetensors", 100, times=None)
    with pytest.raises(HubError, match=r"^cook/fruit "):
        download_checkpoint("cook/fruit", weights=True)
    hub.recover()
    assert (download_checkpoint("cook/fruit", weights=True) / "model.safetensors").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", ["", "/tree/", "/resolve/"])
def test_odd_dataset_is_told_in_one_line(kind, step, hub, run_apart, tmp_path):
    hub.add("cook/photos", {"train.parquet": b"none", "README.md": b"# Photos"}, "dataset")
    body, status, headers = KINDS[kind]
    hub.answer(step, body, status, **headers)
    done = run_apart("data", "check", "hf://cook/photos", FOODVISION_CACHE=str(tmp_path / "cache"))
    assert done.returncode == 2
    one_line_of(done.stderr)
