"""The Hub on loopback is one to the real client: what it keeps, what it refuses, how it fails."""

import hashlib
import os
import subprocess
import sys

import pytest
from huggingface_hub import CommitOperationAdd, CommitScheduler, HfApi, constants
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import close_session, httpx
from loopback_hub import TOKEN, Account, LoopbackHub

# The client sends LFS objects in a way that its own HTTP library calls old.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content:DeprecationWarning")

CARD = b"---\nlicense: apache-2.0\ntags: [food]\nlibrary_name: foodvision\n---\n# Fruit\n"
SPACE = {"README.md": b"---\ntitle: Fruit\nsdk: gradio\n---\n", "app.py": b"print('fruit')\n"}


@pytest.fixture
def hub(tmp_path):
    with LoopbackHub(tmp_path / "hub") as hub:
        yield hub
    close_session()


@pytest.fixture
def api(hub, monkeypatch):
    """The client of this process, as far as it can be told about another Hub."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_PROGRESS_BARS", True)
    return HfApi(endpoint=hub.url, token=TOKEN)


@pytest.fixture
def folder(tmp_path):
    """A model: text, an LFS object by its name, one by its size, a photo, an empty file."""
    files = {
        "README.md": CARD,
        "model.onnx": os.urandom(300_000),
        "classes.txt": b"kiwi\n" * 2_100_000,
        "examples/a photo.jpg": b"\xff\xd8\xff\0" + os.urandom(2_000),
        "empty": b"",
    }
    for name, content in files.items():
        path = tmp_path / "model" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return tmp_path / "model"


def contents(folder):
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def push(api, folder, repo_id="cook/fruit", **more):
    api.create_repo(repo_id, exist_ok=True)
    return api.upload_folder(repo_id=repo_id, folder_path=folder, **more)


def pull(api, tmp_path, **more):
    return api.snapshot_download("cook/fruit", cache_dir=tmp_path / "cache", **more)


def status(error):
    return error.value.response.status_code


def test_uploaded_folder_comes_back_byte_for_byte(hub, api, folder, tmp_path):
    push(api, folder)
    back = contents(tmp_path / pull(api, tmp_path))
    assert back.keys() - contents(folder).keys() == {".gitattributes"}
    assert contents(folder).items() <= back.items()
    checkout = hub.repo("cook/fruit").checkout(tmp_path / "checkout")
    assert contents(checkout) == back


def test_what_is_large_or_no_text_is_an_lfs_object(hub, api, folder):
    push(api, folder)
    about = api.model_info("cook/fruit", files_metadata=True)
    objects = {file.rfilename: file.size for file in about.siblings if file.lfs}
    assert objects == {
        "model.onnx": 300_000,
        "classes.txt": 10_500_000,
        "examples/a photo.jpg": 2_004,
    }
    assert b"classes.txt filter=lfs" in hub.repo("cook/fruit").read(".gitattributes")
    assert about.library_name == "foodvision"


def test_same_folder_again_is_no_commit(hub, api, folder):
    first = push(api, folder)
    second = push(api, folder)
    assert first.oid == second.oid == hub.repo("cook/fruit").head.oid
    assert [commit.title for commit in hub.repo("cook/fruit").history] == [
        "Upload folder using huggingface_hub",
        "initial commit",
    ]
    assert len(hub.asked("POST .*/commit/")) == 1
    assert len(hub.asked("PUT /objects/")) == 3


def test_revisions_keep_what_was_there(hub, api, folder, tmp_path):
    old = push(api, folder).oid
    api.create_tag("cook/fruit", tag="v1")
    api.create_branch("cook/fruit", branch="try/out", revision=old)
    (folder / "README.md").write_bytes(CARD + b"More.\n")
    (folder / "examples" / "a photo.jpg").unlink()
    new = push(api, folder, delete_patterns="examples/*").oid
    assert [commit.commit_id for commit in api.list_repo_commits("cook/fruit")][:2] == [new, old]
    refs = api.list_repo_refs("cook/fruit")
    assert {ref.name: ref.target_commit for ref in refs.branches} == {"main": new, "try/out": old}
    for revision in ("v1", "try/out", old):
        before = contents(tmp_path / pull(api, tmp_path, revision=revision))
        assert before["README.md"] == CARD
        assert "examples/a photo.jpg" in before
    assert not api.file_exists("cook/fruit", "examples/a photo.jpg")
    with pytest.raises(RevisionNotFoundError):
        pull(api, tmp_path, revision="v2")


def test_tree_has_folders_and_files(api, folder):
    push(api, folder)
    top = {entry.path for entry in api.list_repo_tree("cook/fruit")}
    assert top == {".gitattributes", "README.md", "classes.txt", "empty", "examples", "model.onnx"}
    (photo,) = api.list_repo_tree("cook/fruit", "examples")
    assert api.get_paths_info("cook/fruit", ["examples/a photo.jpg", "none"]) == [photo]
    with pytest.raises(EntryNotFoundError):
        api.delete_file("none", "cook/fruit")


def test_pull_request_leaves_main_alone(hub, api, folder, tmp_path):
    pull_request = push(api, folder, create_pr=True)
    assert hub.repo("cook/fruit").head.title == "initial commit"
    assert pull_request.pr_revision == "refs/pr/1"
    there = pull(api, tmp_path, revision="refs/pr/1")
    assert contents(folder).items() <= contents(tmp_path / there).items()


def test_files_that_gitignore_names_stay_out(hub, api, folder):
    (folder / ".gitignore").write_text("# photos\nexamples/\n*.txt\n")
    push(api, folder)
    kept = {".gitattributes", ".gitignore", "README.md", "empty", "model.onnx"}
    assert hub.repo("cook/fruit").head.files.keys() == kept


def test_commit_on_a_stale_parent_is_refused(hub, api, folder):
    old = push(api, folder).oid
    hub.add("cook/fruit", {"README.md": b"# Somebody else's\n"})
    change = [CommitOperationAdd("config.json", b"{}")]
    with pytest.raises(HfHubHTTPError, match="A commit has happened since") as error:
        api.create_commit("cook/fruit", change, commit_message="Mine", parent_commit=old)
    assert status(error) == 412


def test_card_that_the_hub_would_not_have_is_refused_before_the_upload(hub, api):
    api.create_repo("cook/page", repo_type="space", space_sdk="static")
    long = b"---\nsdk: static\ncolorTo: teal\nshort_description: " + b"x" * 61 + b"\n---\n"
    with pytest.raises(ValueError, match=r'"short_description" length(.|\n)*"colorTo" must be one'):
        api.upload_file(
            path_or_fileobj=long, path_in_repo="README.md", repo_id="cook/page", repo_type="space"
        )
    assert not hub.asked("/commit/")


def test_free_account_gets_gradio_on_zerogpu_alone(hub, api):
    page = {"repo_type": "space", "space_sdk": "gradio"}
    with pytest.raises(HfHubHTTPError, match="requires a PRO subscription") as error:
        api.create_repo("cook/page", **page, exist_ok=True)
    assert status(error) == 402
    with pytest.raises(HfHubHTTPError) as error:
        api.create_repo("cook/page", **page, space_hardware="t4-small")
    assert status(error) == 402
    api.create_repo("cook/page", **page, space_hardware="zero-a10g")
    api.create_repo("cook/drawing", repo_type="space", space_sdk="static")
    hub.accounts[TOKEN].is_pro = True
    api.create_repo("cook/other", **page)
    assert api.whoami()["isPro"]


def test_space_passes_through_its_stages(hub, api):
    hub.add("cook/page", SPACE, "space")
    assert api.get_space_runtime("cook/page").stage == "BUILDING"
    runtime = api.wait_for_space("cook/page", poll_interval=0.01)
    assert (runtime.stage, runtime.hardware) == ("RUNNING", "cpu-basic")
    assert list(api.fetch_space_logs("cook/page")) == ["Application startup\n"]
    hub.stages = ["BUILDING", "BUILD_ERROR"]
    hub.logs["build"] = ["Collecting gradio\n", "ERROR: ResolutionImpossible\n"]
    api.restart_space("cook/page", factory_reboot=True)
    assert api.wait_for_space("cook/page", poll_interval=0.01).stage == "BUILD_ERROR"
    assert list(api.fetch_space_logs("cook/page", build=True)) == hub.logs["build"]


def test_space_without_app_or_settings_is_not_built(hub, api):
    hub.add("cook/page", SPACE | {"app.py": None}, "space")
    assert api.get_space_runtime("cook/page").stage == "NO_APP_FILE"
    hub.add("cook/page", SPACE | {"README.md": b"# Fruit\n"}, "space")
    assert api.get_space_runtime("cook/page").stage == "CONFIG_ERROR"


def test_secrets_are_set_and_never_seen(hub, api):
    hub.add("cook/page", SPACE, "space")
    api.add_space_secret("cook/page", "KEY", "of the cellar")
    api.add_space_variable("cook/page", "MODEL", "cook/fruit")
    assert hub.repo("cook/page", "space").space.secrets == {"KEY": "of the cellar"}
    assert api.get_space_secrets("cook/page").keys() == {"KEY"}
    assert api.get_space_variables("cook/page")["MODEL"].value == "cook/fruit"
    seen = repr((vars(hub), api.space_info("cook/page"), api.get_space_secrets("cook/page")))
    assert "cellar" not in seen
    api.delete_space_secret("cook/page", "KEY")
    assert not api.get_space_secrets("cook/page")


def test_token_that_may_only_read_cannot_write(hub, api, folder):
    push(api, folder)
    hub.accounts[TOKEN].role = "read"
    assert api.whoami()["auth"]["accessToken"]["role"] == "read"
    api.auth_check("cook/fruit")
    with pytest.raises(HfHubHTTPError) as error:
        api.auth_check("cook/fruit", write=True)
    assert status(error) == 403
    with pytest.raises(HfHubHTTPError, match="may not write to cook/fruit") as error:
        api.upload_folder(repo_id="cook/fruit", folder_path=folder)
    assert status(error) == 403


def test_private_repository_is_there_for_its_owner_alone(hub, api):
    hub.accounts["hf_guest"] = Account("guest")
    api.create_repo("cook/fruit", private=True)
    assert api.model_info("cook/fruit").private
    for token in ("hf_guest", False):
        with pytest.raises(RepositoryNotFoundError):
            api.model_info("cook/fruit", token=token)


def test_gated_repository_opens_to_who_was_let_in(hub, api, folder, tmp_path):
    push(api, folder)
    hub.accounts["hf_guest"] = Account("guest")
    api.update_repo_settings("cook/fruit", gated="manual")
    assert api.model_info("cook/fruit", token="hf_guest").gated == "manual"
    with pytest.raises(GatedRepoError):
        pull(api, tmp_path, token="hf_guest")
    hub.repo("cook/fruit").allowed.add("guest")
    assert "README.md" in contents(tmp_path / pull(api, tmp_path, token="hf_guest"))


def test_client_is_silent_about_what_is_gone_or_revoked_while_it_has_a_copy(
    hub, api, folder, tmp_path
):
    push(api, folder)
    copy = pull(api, tmp_path)
    hub.remove("cook/fruit")
    assert pull(api, tmp_path) == copy
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("cook/fruit")
    del hub.accounts[TOKEN]
    assert pull(api, tmp_path) == copy
    with pytest.raises(HfHubHTTPError, match="Invalid user token") as error:
        api.whoami()
    assert status(error) == 401


def test_name_that_is_taken(hub, api):
    api.create_repo("cook/fruit")
    assert api.create_repo("cook/fruit", exist_ok=True) == f"{hub.url}/cook/fruit"
    with pytest.raises(HfHubHTTPError, match="already created") as error:
        api.create_repo("cook/fruit")
    assert status(error) == 409
    api.delete_repo("cook/fruit")
    api.create_repo("cook/fruit")


def test_upload_that_is_cut_is_sent_again_by_the_client(hub, api, folder):
    model = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    hub.cut(f"PUT /objects/.*/{model}", after=100_000)
    push(api, folder)
    assert len(hub.asked("PUT /objects/")) == 4
    repository = hub.repo("cook/fruit")
    assert repository.read("model.onnx") == (folder / "model.onnx").read_bytes()
    assert repository.read("classes.txt") == (folder / "classes.txt").read_bytes()


def test_upload_that_failed_goes_on_where_it_was(hub, api, folder):
    model = hashlib.sha256((folder / "model.onnx").read_bytes()).hexdigest()
    hub.refuse(f"PUT /objects/.*/{model}", 403)
    with pytest.raises(RuntimeError, match=r"Error while uploading 'model\.onnx' to the Hub"):
        push(api, folder)
    assert not hub.asked("/commit/")
    hub.recover()
    hub.requests.clear()
    push(api, folder)
    assert [asked.path for asked in hub.asked("PUT")] == [f"/objects/models/cook/fruit/{model}"]
    assert hub.repo("cook/fruit").read("model.onnx") == (folder / "model.onnx").read_bytes()


def test_download_that_is_cut_goes_on_where_it_was(hub, api, folder, tmp_path):
    push(api, folder)
    hub.cut("GET .*/classes.txt", after=10_490_000)  # the client writes 10 MiB at a time
    assert contents(folder).items() <= contents(tmp_path / pull(api, tmp_path)).items()
    assert [asked.range for asked in hub.asked("GET .*/classes.txt")] == [
        "",
        f"bytes={10 * 2**20}-",
    ]


def test_hub_that_is_busy_is_asked_again_by_the_client(hub, api, folder):
    api.create_repo("cook/fruit")
    hub.refuse("/preupload/", 503, times=1)
    hub.refuse("/objects/batch", 429, headers={"Retry-After": "0"}, times=1)
    push(api, folder)
    assert len(hub.asked("/preupload/")) == 2
    assert len(hub.asked("/objects/batch")) == 2
    assert len(hub.asked("/commit/")) == 1


def test_hub_that_hangs_is_waited_for_as_long_as_the_client_wants(hub, api):
    hub.add("cook/fruit", {"README.md": CARD})
    hub.hang("GET /api/models/cook/fruit")
    with pytest.raises(httpx.TimeoutException):
        api.model_info("cook/fruit", timeout=0.1)
    hub.recover()
    assert api.model_info("cook/fruit").tags == ["food"]


def test_feedback_is_committed_by_the_scheduler(hub, api, tmp_path):
    notes = tmp_path / "feedback" / "notes.jsonl"
    with CommitScheduler(
        repo_id="cook/feedback", repo_type="dataset", folder_path=notes.parent, hf_api=api
    ):
        notes.write_text('{"said": "kiwi"}\n')
    repository = hub.repo("cook/feedback", "dataset")
    assert repository.read("notes.jsonl") == notes.read_bytes()
    assert [commit.title for commit in repository.history] == ["Scheduled Commit", "initial commit"]


@pytest.fixture
def say(hub, tmp_path):
    """Run a program in a fresh process that knows this Hub alone; return what it prints."""

    def said(program):
        done = subprocess.run(
            [sys.executable, "-c", f"from huggingface_hub import *\n{program}"],
            env=os.environ | hub.environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    return said


def test_fresh_process_asks_this_hub_alone(hub, say):
    assert say("print(whoami()['name'], create_repo('fruit'))") == f"cook {hub.url}/cook/fruit"
    say("upload_file(path_or_fileobj=bytes(100), path_in_repo='a', repo_id='cook/fruit')")
    assert hub.repo("cook/fruit").read("a") == bytes(100)


def test_space_that_is_there_needs_no_second_payment(hub, say):
    hub.add("cook/page", SPACE, "space")
    program = "create_repo('cook/page', repo_type='space', space_sdk='gradio', exist_ok=True)"
    assert say(f"print({program}.repo_id)") == "cook/page"
