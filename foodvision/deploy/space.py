"""A Space of the Hub: created, filled, waited for."""

import shlex
import tempfile
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from foodvision.browser import write_site
from foodvision.checkpoint import read_checkpoint
from foodvision.classifier import find_checkpoint
from foodvision.deploy.checking import SpaceCheck, check_space, wait_for_stage
from foodvision.deploy.folder import DESCRIPTION, ZERO_GPU, SpaceSettings, write_space
from foodvision.errors import HubError, SettingsError, one_line
from foodvision.hub.answers import Account, RepoState, SpaceInfo, SpaceRuntime, commit_of
from foodvision.hub.client import BEGUN_WITH, check_private, status_of, translate_hub_errors
from foodvision.system.terminal import say

_FREE_HARDWARE = (None, "cpu-basic")
_LINES_OF_LOG, _LONGEST_LINE = 40, 1000
_BUILD_SECONDS = 1800

# A file that only the page without a server has.
_STATIC_MARK = "release.js"


def deploy_space(
    settings: SpaceSettings,
    *,
    secrets: Mapping[str, str] = MappingProxyType({}),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> SpaceCheck:
    """Create or renew a Space, wait until it runs, and compare its answers with those given here.

    secrets, variables: of the Space, by name; secrets are never shown. Each step is printed.

    Raises HubError with the way out: what the account may not have, a build that failed (its log
    is said first), a Space that answers otherwise.
    """
    from huggingface_hub import HfApi

    api, repo_id = HfApi(), settings.repo_id
    with translate_hub_errors(repo_id):
        exists = api.repo_exists(repo_id, repo_type="space")
    own = _own_hardware(api, settings) if exists else None
    settings = replace(settings, hardware=settings.hardware or own)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with translate_hub_errors(repo_id):
            kept = api.get_space_secrets(repo_id) if exists else {}
        write_space(folder, settings, has_token="HF_TOKEN" in {*secrets, *kept})
        if not exists:
            _create_gradio(api, settings)
        with translate_hub_errors(repo_id):
            if exists and settings.hardware != own:
                # The Hub knows more kinds than its client lists.
                api.request_space_hardware(repo_id, settings.hardware)  # type: ignore[arg-type]
            for key, value in secrets.items():
                api.add_space_secret(repo_id, key, value)
            for key, value in variables.items():
                api.add_space_variable(repo_id, key, value)
        _upload(api, repo_id, folder)
    _wait(api, repo_id)
    return check_space(repo_id)


def try_space(
    settings: SpaceSettings,
    secrets: Sequence[str] = (),
    variables: Mapping[str, str] = MappingProxyType({}),
) -> Path:
    """Write the folder of a Space beside the work at hand, and say what would happen to it.

    secrets: names of those that would be set. variables: that would be set, by name.

    Returns the folder. Raises SettingsError if there is something of its name already.
    """
    folder = Path(settings.repo_id.partition("/")[2])
    if folder.exists():
        raise SettingsError(f"{folder} already exists: remove it, or change to another folder")
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        written = Path(temporary) / folder.name
        written.mkdir()
        write_space(written, settings, has_token="HF_TOKEN" in secrets)
        written.rename(folder)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    size = sum(path.stat().st_size for path in files) / 1e6
    hardware = settings.hardware or "cpu-basic"
    say(f"Wrote {folder}: {len(files)} files to upload, {size:.1f} MB")
    say(f"{settings.repo_id} would be created as a Gradio Space on {hardware}, or updated")
    for name in (*secrets, *variables):
        say(f"{name} would be set in the Space")
    say("Then foodvision would wait for the build, and test the page with example photos")
    if settings.hardware != ZERO_GPU:
        say(f"On a free account, create a static Space: {_command(settings)} --static")
    options = [f"--hardware={settings.hardware}"] if settings.hardware else []
    options += [f"--secret={name}" for name in secrets]
    options += [f"--variable={name}={value}" for name, value in variables.items()]
    say(f"Create or update it: {_command(settings, *options)}")
    return folder


def _command(settings: SpaceSettings, *options: str) -> str:
    """Return the command that deploys a Space; options as they are before a shell reads them."""
    private = ["--private"] if settings.private else []
    words = ["deploy", settings.repo_id, "--model", settings.model, *private, *options]
    return f"foodvision {shlex.join(words)}"


def deploy_static(settings: SpaceSettings) -> str:
    """Put the page that answers in the browser on a static Space, and return its address.

    Every account may have one. Raises HubError with the way out, and what `write_site` raises.
    """
    from huggingface_hub import HfApi

    api, repo_id = HfApi(), settings.repo_id
    checkpoint = read_checkpoint(find_checkpoint(settings.model))
    with tempfile.TemporaryDirectory() as temporary:
        folder = write_site(checkpoint, Path(temporary) / "page")
        _create(api, settings, "static")
        _check_ours(api, settings, "static", mark=_STATIC_MARK)
        _upload(api, repo_id, folder)
    return f"https://huggingface.co/spaces/{repo_id}"


def _own_hardware(api: Any, settings: SpaceSettings) -> str | None:
    """Return the hardware of a Space that exists.

    Raises HubError if it is somebody else's work, or of another kind.
    """
    _check_ours(api, settings, "gradio", mark=DESCRIPTION)
    with translate_hub_errors(settings.repo_id):
        runtime = SpaceRuntime.model_validate(api.get_space_runtime(settings.repo_id))
    return runtime.requested_hardware


def _check_ours(api: Any, settings: SpaceSettings, sdk: str, mark: str) -> None:
    """Raise HubError for a Space of another kind, that others see, or whose files would be lost.

    mark: the file by which ours is known.
    """
    with translate_hub_errors(settings.repo_id):
        space = SpaceInfo.model_validate(api.space_info(settings.repo_id))
    files = {file.rfilename for file in space.siblings} - BEGUN_WITH
    if (sdk, space.sdk) == ("gradio", "static") and _STATIC_MARK in files:
        raise HubError(
            f"{settings.repo_id} is a static Space: update it with --static, or choose another name"
        )
    if space.sdk != sdk or (files and mark not in files):
        raise HubError(
            f"{settings.repo_id} exists but is not a {sdk} Space created by foodvision deploy: "
            "choose another name, or remove it"
        )
    if settings.private:
        check_private(settings.repo_id, space)


def _create(api: Any, settings: SpaceSettings, sdk: str) -> None:
    with translate_hub_errors(settings.repo_id):
        api.create_repo(
            settings.repo_id,
            repo_type="space",
            space_sdk=sdk,
            space_hardware=settings.hardware if sdk == "gradio" else None,
            private=settings.private or None,
            exist_ok=True,
        )


def _create_gradio(api: Any, settings: SpaceSettings) -> None:
    with translate_hub_errors(settings.repo_id):
        account = Account.model_validate(api.whoami(cache=True))
    if not _may_have(account, settings.repo_id, settings.hardware):
        raise HubError(_not_free(settings))
    try:
        _create(api, settings, "gradio")
    except HubError as error:
        if status_of(error.__cause__) == 402:
            raise HubError(_not_free(settings)) from error
        raise


def _upload(api: Any, repo_id: str, folder: Path) -> None:
    with translate_hub_errors(repo_id):
        before = RepoState.model_validate(api.space_info(repo_id)).sha
        uploaded = api.upload_folder(
            repo_id=repo_id,
            repo_type="space",
            folder_path=folder,
            commit_message="Deploy with foodvision",
            delete_patterns="*",
        )
        commit = commit_of(uploaded)
    if commit == before:
        say(f"{repo_id} already has these files (commit {commit})")
    else:
        say(f"Uploaded the files of {repo_id} (commit {commit})")


def _may_have(account: Account, repo_id: str, hardware: str | None) -> bool:
    """Whether an account may create such a Space; an organisation's plan only the Hub knows."""
    if not repo_id.startswith(f"{account.name}/") or hardware == ZERO_GPU:
        return True
    return bool(account.is_pro if hardware in _FREE_HARDWARE else account.can_pay)


def _not_free(settings: SpaceSettings) -> str:
    again = _command(settings)
    return (
        f"{settings.repo_id}: this account cannot create a Gradio Space on "
        f"{settings.hardware or 'cpu-basic'}. Free alternatives are a page that runs in the "
        f"browser (`{again} --static`) and, for accounts older than 30 days, ZeroGPU (`{again} "
        f"--hardware {ZERO_GPU}`)"
    )


def _wait(api: Any, repo_id: str) -> None:
    say(f"Building {repo_id}")
    stage = wait_for_stage(api, repo_id, _BUILD_SECONDS)
    if stage == "RUNNING":
        return
    with translate_hub_errors(repo_id):
        lines = api.fetch_space_logs(repo_id, build=stage != "RUNTIME_ERROR")
        log = deque((one_line(line, _LONGEST_LINE) for line in lines), _LINES_OF_LOG)
    for line in log:
        say(line)
    raise HubError(f"{repo_id} is not running ({stage}): the last lines of its log are above")
