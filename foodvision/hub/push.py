"""A finished checkpoint to the Hub, with a card that tells what was measured."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from foodvision.checkpoint import FILES, FOLDERS, Checkpoint, check_figures, checkpoint_files
from foodvision.errors import CheckpointError, HubError, one_line
from foodvision.hub.card import hub_card
from foodvision.hub.client import (
    BEGUN_WITH,
    READ_ONLY,
    check_name,
    check_private,
    translate_hub_errors,
)
from foodvision.hub.session import shown_endpoint
from foodvision.safety.files import FileError, read_json

if TYPE_CHECKING:
    from foodvision.hub.answers import RepoInfo

REPLACED = [*FILES, *(f"{name}/*" for name in FOLDERS)]
"""What a push replaces, as patterns: what the last one had and this one has not is removed."""


@dataclass(frozen=True)
class Pushed:
    """Where a checkpoint is on the Hub.

    changed: False if the repository had the same files already, so there is no new commit.
    private: whether the repository is private or gated.
    """

    url: str
    commit: str
    changed: bool
    private: bool


def push_checkpoint(
    checkpoint: Checkpoint,
    repo_id: str,
    *,
    private: bool = False,
    revision: str | None = None,
    license: str | None = None,  # noqa: A002 (the card's word)
) -> Pushed:
    """Push a checkpoint to `user/name`, which is created if it is not there.

    Pushed again unchanged, it makes no commit; interrupted, what was uploaded is not sent again.

    private: for its owner alone.
    revision: a branch, created if it is not there; the main branch if None.
    license: of the weights, as the Hub names licences; "other" if None.

    Raises what `files_to_push` does, HubError with the way out: also for a repository that holds
    something else, or is there already and not private where it should be.
    """
    from huggingface_hub import HfApi

    from foodvision.hub.answers import commit_of

    files = files_to_push(checkpoint, repo_id, license)
    api = HfApi()
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        with translate_hub_errors(repo_id):
            api.create_repo(repo_id, private=private or None, exist_ok=True)
            # A new branch begins as the main one is.
            is_there = revision and api.revision_exists(repo_id, revision)
        before = _check_target(api, repo_id, revision if is_there else None, private=private)
        with translate_hub_errors(repo_id):
            if revision:
                api.create_branch(repo_id, branch=revision, exist_ok=True)
            commit = api.upload_folder(
                repo_id=repo_id,
                folder_path=folder,
                revision=revision,
                commit_message="Push a foodvision checkpoint",
                delete_patterns=REPLACED,
            )
            made = commit_of(commit)
    return Pushed(
        f"{shown_endpoint()}/{repo_id}",
        made,
        # If no file differs, the client makes no commit and answers with the last one.
        changed=made != before.sha or bool(revision and not is_there),
        private=before.private or bool(before.gated),
    )


def _check_target(
    api: Any, repo_id: str, revision: str | None = None, *, private: bool = False
) -> "RepoInfo":
    """Return what the Hub says of a repository.

    Raises HubError if it holds something else, or shows what should be private. A job's unfinished
    run is not something else.
    """
    from foodvision.hub.answers import RepoInfo

    with translate_hub_errors(repo_id):
        info = RepoInfo.model_validate(api.model_info(repo_id, revision=revision))
    if private:
        check_private(repo_id, info)
    files = [file.rfilename for file in info.siblings]
    others = [name for name in files if name not in BEGUN_WITH and not name.startswith("run/")]
    if others and not ("config.json" in files and _is_ours(api, repo_id, info.sha)):
        raise HubError(
            f"{repo_id} contains other files ({one_line(others[0])}): choose another name, or "
            "remove it"
        )
    return info


def _is_ours(api: Any, repo_id: str, commit: str) -> bool:
    """Whether the config.json of a repository is that of a checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        with translate_hub_errors(repo_id):
            path = api.hf_hub_download(repo_id, "config.json", revision=commit, local_dir=folder)
        try:
            return "schema_version" in read_json(Path(path), dict)
        except FileError:
            return False


def check_push(repo_id: str, *, private: bool = False) -> None:
    """Check that a checkpoint can be pushed to `user/name`, before there is one.

    private: as `push_checkpoint` takes it.

    Raises HubError if the name is none, or no repository that a checkpoint can go to, or there is
    no token that may write there.
    """
    from huggingface_hub import HfApi

    if check_writable(repo_id, "model"):
        _check_target(HfApi(), repo_id, private=private)


def check_writable(repo_id: str, repo_type: str) -> bool:
    """Check that a repository may be written, or created, and return whether it is there.

    repo_type: model, dataset or space.

    Raises HubError if the name is none, or there is no token that may.
    """
    from huggingface_hub import HfApi

    from foodvision.hub.answers import Account

    check_name(repo_id)
    api = HfApi()
    with translate_hub_errors(repo_id):
        account = Account.model_validate(api.whoami(cache=True))
    if account.role == "read":
        raise HubError(f"{repo_id} {READ_ONLY}")
    with translate_hub_errors(repo_id):
        if api.repo_exists(repo_id, repo_type=repo_type):
            api.auth_check(repo_id, repo_type=repo_type, write=True)
            return True
    namespace, _, name = repo_id.partition("/")
    names = [account.name, *(of.name for of in account.orgs)]
    if namespace.casefold() not in map(str.casefold, names):
        raise HubError(
            f"{repo_id} cannot be created: {namespace} is neither your account nor one of your "
            f"organisations; use {account.name}/{name}"
        )
    return False


def files_to_push(
    checkpoint: Checkpoint,
    repo_id: str,
    license: str | None = None,  # noqa: A002
) -> Mapping[str, bytes]:
    """Return what is pushed, by name.

    Raises HubError for what is no name; CheckpointError if the figures are another model's, or
    files that they were measured on are missing; PhotoError for an example that tells where it was
    taken.
    """
    check_name(repo_id)
    check_figures(checkpoint)
    folder = checkpoint.folder
    paths = checkpoint_files(folder)
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    measured_on = checkpoint.config.figures.get("measured_on", {})
    if missing := sorted(measured_on.keys() - files.keys()):
        # So it is with what `load` takes from the Hub; pushed there, it would be gone there too.
        raise CheckpointError(
            f"{folder} has no {missing[0]}, on which its figures were measured: download all of "
            "it with hf download user/name --local-dir FOLDER"
        )
    return {"README.md": hub_card(checkpoint, repo_id, license).encode(), **files}
