"""Published checkpoints, from the Hub or from its cache on this disk."""

import warnings
from pathlib import Path

from foodvision.checkpoint import WEIGHTS
from foodvision.errors import HubError, HubWarning
from foodvision.hub.client import status_of, told

# Only what serving reads: no weights in another format, nothing that could run.
_SERVED = ["config.json", "model.onnx", "README.md", "page.json", "examples/*"]

_PATIENCE = 10.0  # seconds for an answer that is not a file's


def download_checkpoint(
    repo_id: str, revision: str | None = None, *, weights: bool = False
) -> Path:
    """Download a checkpoint from the Hub, or take it from the cache, and return its folder.

    revision: a branch, tag or commit; the main branch if None.
    weights: also those that training starts from.

    Warns (HubWarning) where the cache answers for a repository that is gone from the Hub, or that
    the token does not see any more. Raises HubError for a repository or revision that is not
    there, may not be read, or cannot be reached while nothing is cached.
    """
    # Imported here: the model that ships answers without the Hub's client.
    from huggingface_hub import constants, model_info, snapshot_download

    at = f"{repo_id} at revision {revision}" if revision else repo_id
    files = [*_SERVED, WEIGHTS] if weights else _SERVED
    if not constants.HF_HUB_OFFLINE:
        try:
            with told(at):
                model_info(repo_id, revision=revision, timeout=_PATIENCE)
        except HubError as error:
            cached = _find_cached(repo_id, revision, files)
            if not cached:
                raise
            if status_of(error.__context__) in (401, 403, 404):
                # The Hub's client says nothing then.
                warnings.warn(f"{error}. The copy in the cache answers", HubWarning, stacklevel=2)
            return cached
    elif weights:
        if cached := _find_cached(repo_id, revision, files):
            return cached
        raise HubError(
            f"{at} has no weights in the cache, and HF_HUB_OFFLINE forbids to ask the Hub: unset it"
        )
    with told(at), warnings.catch_warnings():
        # A disk that is full is told by the error that follows.
        warnings.filterwarnings("ignore", "Not enough free disk space")
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=files))


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
