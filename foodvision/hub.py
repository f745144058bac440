"""The Hugging Face Hub: where published checkpoints come from."""

import re
from pathlib import Path

from foodvision.errors import HubError, first_line

_REPO_ID = re.compile(r"\w[\w.-]*/[\w.-]+")

# Only what serving reads: no weights in another format, nothing that could run.
_FILES = ["config.json", "model.onnx", "README.md", "page.json", "examples/*"]


def is_repo_id(name: str) -> bool:
    """Whether a name has the form of a Hub repository, `user/name`."""
    return _REPO_ID.fullmatch(name) is not None


def download_checkpoint(repo_id: str, revision: str | None = None) -> Path:
    """Download a checkpoint from the Hub, or take it from the cache, and return its folder.

    revision: a branch, tag or commit; the main branch if None.

    Raises HubError for a repository or revision that is not there, may not be read, or cannot be
    reached while nothing is cached.
    """
    # Imported here: the model that ships answers without the Hub's client.
    from huggingface_hub import errors, snapshot_download
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    at = f"{repo_id} at revision {revision}" if revision else repo_id
    try:
        return Path(snapshot_download(repo_id, revision=revision, allow_patterns=_FILES))
    except errors.GatedRepoError:
        message = f"{repo_id} is gated: ask for access on its page, then `hf auth login`"
    except errors.RepositoryNotFoundError:
        message = (
            f"{repo_id} is no folder here, and no public repository on the Hub: "
            "check the name, or `hf auth login` for a private one"
        )
    except errors.RevisionNotFoundError:
        message = f"{at} is not on the Hub: check the revision"
    except errors.LocalEntryNotFoundError as error:
        reason = first_line(error.__cause__ or error)
        message = (
            f"{at} is no folder here and not in the cache, and the Hub did not give it "
            f"({reason}): try again later"
        )
    except (errors.HfHubHTTPError, httpx.HTTPError, OSError) as error:
        message = f"{at} could not be downloaded ({first_line(error)}): try again later"
    except errors.HFValidationError:
        message = f"{repo_id!r} is no name of a Hub repository: it should be user/name"
    raise HubError(message)
