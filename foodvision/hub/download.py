"""Published checkpoints, from the Hub or from its cache on this disk."""

import hashlib
import warnings
from contextlib import suppress
from fnmatch import fnmatch
from glob import escape
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, NamedTuple

from foodvision.checkpoint import WEIGHTS
from foodvision.errors import HubError, HubWarning, one_line
from foodvision.hub.client import status_of, translate_hub_errors, with_folder
from foodvision.hub.session import LARGEST_FILE, LARGEST_TEXT
from foodvision.safety.foreign import fault_of_repository

if TYPE_CHECKING:
    from foodvision.hub.answers import File, RepoInfo

# Only what serving reads: no weights in another format, nothing that could run.
_SERVED = ["config.json", "model.onnx", "README.md", "page.json", "examples/*"]

_PATIENCE = 10.0  # seconds for an answer that is not a file's

_MOST_FILES = 1000
# Bytes by the end of a name; of photos all together.
_LARGEST = {".json": LARGEST_TEXT, ".md": LARGEST_TEXT, ".onnx": LARGEST_FILE}
_LARGEST |= {".safetensors": LARGEST_FILE}
_LARGEST_REST = 500_000_000


class _Repository(NamedTuple):
    """What of the Hub is downloaded; the main branch where no revision is named."""

    repo_id: str
    repo_type: str = "model"
    revision: str | None = None

    def __str__(self) -> str:
        return f"{self.repo_id} at revision {self.revision}" if self.revision else self.repo_id


def download_checkpoint(
    repo_id: str, revision: str | None = None, *, weights: bool = False
) -> Path:
    """Download a checkpoint from the Hub, or take it from the cache, and return its folder.

    revision: a branch, tag or commit; the main branch if None.
    weights: also those that training starts from.

    Warns (HubWarning) where the cache answers for a repository that is gone from the Hub, or that
    the token does not see any more. Raises HubError for a repository or revision that is not
    there, may not be read, or cannot be reached while nothing is cached; also for files that are
    too large, or not what the Hub lists.
    """
    # Imported here: the model that ships answers without the Hub's client.
    from huggingface_hub import constants

    repository = _Repository(repo_id, revision=revision)
    files = [*_SERVED, WEIGHTS] if weights else _SERVED
    if not constants.HF_HUB_OFFLINE:
        try:
            info = _list_files(repository)
        except HubError as error:
            cached = _find_cached(repo_id, revision, files)
            if not cached:
                raise with_folder(str(repository), error) from error.__cause__
            if status_of(error.__context__) in (401, 403, 404):
                # The Hub's client says nothing then.
                warnings.warn(f"{error}. Using the copy in the cache", HubWarning, stacklevel=2)
            return cached
        if not any(file.rfilename == "model.onnx" for file in info.siblings):
            if info.library_name not in (None, "foodvision"):
                raise HubError(fault_of_repository(str(repository), info.library_name))
            files = _SERVED  # the weights of another library may have gigabytes
        return _fetch(repository, files, info)
    if cached := _find_cached(repo_id, revision, files):
        return cached
    missing = "has no weights" if weights else "is not"
    raise HubError(f"{repository} {missing} in the cache, and HF_HUB_OFFLINE is set: unset it")


def fetch_space(repo_id: str, files: list[str]) -> Path:
    """Download what of a Space's main branch has these patterns, and return the folder.

    Raises HubError as `download_checkpoint` does, also where only the cache has them.
    """
    repository = _Repository(repo_id, "space")
    return _fetch(repository, files, _list_files(repository))


def fetch_weights(repo_id: str, names: list[str]) -> str:
    """Have the first of these files that a model has in the cache, and return its commit.

    Where the Hub cannot be reached, the cache answers.

    Raises HubError at once where neither has it: the client by itself tries again for 20 seconds.
    """
    from huggingface_hub import constants

    repository = _Repository(repo_id)
    try:
        if constants.HF_HUB_OFFLINE:
            raise HubError("they are not in the cache, and HF_HUB_OFFLINE is set")
        info = _list_files(repository)
    except HubError:
        for name in names:
            cached = _find_cached(repo_id, None, [name])
            if cached and (cached / name).is_file():
                return cached.name
        raise
    listed = {file.rfilename for file in info.siblings}
    found = next((name for name in names if name in listed), names[0])
    _fetch(repository, [found], info)
    return info.sha


def _list_files(repository: _Repository) -> "RepoInfo":
    from huggingface_hub import HfApi

    from foodvision.hub.answers import RepoInfo

    with translate_hub_errors(str(repository)):
        found = HfApi().repo_info(**repository._asdict(), files_metadata=True, timeout=_PATIENCE)
        return RepoInfo.model_validate(found)


def _fetch(repository: _Repository, patterns: list[str], info: "RepoInfo") -> Path:
    """Download the listed files of these patterns, no others, and look whether they are whole."""
    from huggingface_hub import hf_hub_download, snapshot_download, try_to_load_from_cache

    files = [
        file
        for file in info.siblings
        if any(fnmatch(file.rfilename, pattern) for pattern in patterns)
    ]
    at, names = str(repository), [file.rfilename for file in files]
    if not files:
        raise HubError(
            f"{at} has no {patterns[0]}, so it is not a foodvision repository: choose another one"
        )
    _check_sizes(at, files)
    # By its commit, which was checked: the client makes a path of it.
    commit = repository._replace(revision=info.sha)._asdict()
    kept = {
        name for name in names if isinstance(try_to_load_from_cache(filename=name, **commit), str)
    }
    with translate_hub_errors(at), warnings.catch_warnings():
        # A disk that is full is told by the error that follows.
        warnings.filterwarnings("ignore", "Not enough free disk space")
        found = snapshot_download(**commit, allow_patterns=[*map(escape, names)])
    for file in files:
        _check_whole(at, Path(found) / file.rfilename, file, is_new=file.rfilename not in kept)
    if repository.revision != info.sha:
        # The cache then knows which commit a branch points to, for times without a network.
        with suppress(HubError), translate_hub_errors(repository.repo_id):
            hf_hub_download(filename=names[0], **repository._asdict())
    return Path(found)


def _check_sizes(at: str, files: list["File"]) -> None:
    """Raise HubError for more, or larger, files than any checkpoint has."""
    if len(files) > _MOST_FILES:
        raise HubError(
            f"{at} has {len(files)} files, more than {_MOST_FILES}, so it is not a foodvision "
            "repository"
        )
    rest = 0
    for file in files:
        suffix, size = PurePosixPath(file.rfilename).suffix, file.size or 0
        rest += 0 if suffix in _LARGEST else size
        if size > _LARGEST.get(suffix, _LARGEST_REST) or rest > _LARGEST_REST:
            name = one_line(file.rfilename, 100)
            raise HubError(
                f"{at}: {name} is too large ({size:,} bytes), so it is not a foodvision repository"
            )


def _check_whole(at: str, path: Path, file: "File", *, is_new: bool) -> None:
    """Take a file out of the cache, and raise HubError, if it is not the one that is listed.

    is_new: not looked into before, which takes a second for each gigabyte.
    """
    if path.is_file():
        is_size = file.size is None or path.stat().st_size == file.size
        if is_size and (not is_new or _is_listed(path, file)):
            return
        path.resolve().unlink(missing_ok=True)
        path.unlink(missing_ok=True)
    raise HubError(
        f"{at}: {one_line(file.rfilename, 100)} differs from what the Hub lists: run the command "
        "again, or check HF_ENDPOINT and the proxy"
    )


def _is_listed(path: Path, file: "File") -> bool:
    """Whether the content is that of the listed hash: SHA-256 of LFS files, git's of others."""
    digest = hashlib.sha256() if file.lfs else hashlib.sha1(usedforsecurity=False)
    if not file.lfs:
        digest.update(b"blob %d\0" % path.stat().st_size)
    with path.open("rb") as content:
        while part := content.read(1_000_000):
            digest.update(part)
    listed = file.lfs.sha256 if file.lfs else file.blob_id
    return listed in (None, digest.hexdigest())


def _find_cached(repo_id: str, revision: str | None, files: list[str]) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        found = snapshot_download(
            repo_id, revision=revision, allow_patterns=files, local_files_only=True
        )
    except LocalEntryNotFoundError:
        return None
    # The folder is there as soon as any of the files is.
    return None if WEIGHTS in files and not Path(found, WEIGHTS).is_file() else Path(found)
