"""Errors of the Hub's client as one line each, with what to do."""

import errno
import re
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from foodvision.errors import FoodVisionError, HubError, first_line, one_line

if TYPE_CHECKING:
    from foodvision.hub.answers import RepoInfo

# As the Hub's client has them: it raises an error of its own for others.
_REPO_ID = re.compile(r"(?!.*(--|\.\.|\.git$))\b[\w.-]+\b/\b[\w.-]{1,96}\b")

# What reads answers: where none of these is in a traceback, the fault is ours.
_READERS = ("huggingface_hub", "httpx", "httpx2", "pydantic")

_FEW = 100  # characters of what is odd about an answer

_AGAIN = "run the command again; finished transfers are kept"
_UNREACHABLE = "needs the Hub, which cannot be reached"
_TOKENS = "https://huggingface.co/settings/tokens"
_ANOTHER = f"create one with the role write at {_TOKENS}"

READ_ONLY = f"cannot be changed with this token: {_ANOTHER}"
"""Why nothing can be pushed."""

BEGUN_WITH = frozenset({".gitattributes", "README.md"})
"""What a repository may have from its first moment."""


def is_repo_id(name: str) -> bool:
    """Whether a name has the form of a Hub repository, `user/name`."""
    return _REPO_ID.fullmatch(name) is not None


def check_name(repo_id: str) -> None:
    """Raise HubError for what is not a valid repository name."""
    if not is_repo_id(repo_id):
        raise HubError(f"{repo_id!r} is not a valid repository name: write user/name")


def check_private(repo_id: str, info: "RepoInfo") -> None:
    """Raise HubError for a repository that should be private, and was there before as a public one.

    info: what the Hub says of it.
    """
    if not info.private:
        raise HubError(
            f"{repo_id} already exists and is public: make it private in its settings on the "
            "Hub, or choose another name"
        )


@contextmanager
def translate_hub_errors(at: str) -> Iterator[None]:
    """Turn the client's errors into HubError, in one line, and bound how long it waits.

    Inside belong only calls of the client, and checks of their answers.

    at: what is asked for, as `user/name at revision main`.
    """
    # Imported here: the model that ships answers without the Hub's client.
    from huggingface_hub import errors

    from foodvision.hub.session import bounded_total, guarded

    try:
        with guarded(), bounded_total():
            yield
    except FoodVisionError:
        raise
    except errors.HFValidationError:
        name = at.split()[0]
        raise HubError(f"{name!r} is not a valid repository name: write user/name") from None
    except Exception as error:
        reason = _reason_of(error)
        if reason is None:
            raise
        raise HubError(f"{at} {reason}") from _cause_of(error)


def with_folder(at: str, error: HubError) -> HubError:
    """Return the error for a name that is not a folder either, where this may be the mistake."""
    from huggingface_hub import errors

    if isinstance(error.__cause__, errors.RepositoryNotFoundError):
        return HubError(
            f"{at} is neither a folder here nor a model on the Hub that your token can read: check "
            "the name; if it is private, run `hf auth login`"
        )
    if str(error).startswith(f"{at} {_UNREACHABLE} ("):
        said = one_line(first_line(error.__cause__ or error))
        return HubError(
            f"{at} does not exist. If it is a model on the Hub, check the connection: the Hub "
            f"cannot be reached ({said})"
        )
    return error


def _reason_of(error: Exception) -> str | None:
    """Return why the Hub did not give something, with the way out; None for a fault of ours."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    if isinstance(error.__cause__, errors.BadRequestError) and type(error) is ValueError:
        # So comes a card that the Hub does not take.
        return f"was rejected by the Hub: {one_line(str(error))}"
    if odd := odd_answer(error):
        return odd
    cause = _cause_of(error)
    if isinstance(cause, (httpx.HTTPError, OSError)):
        return _reason(cause)
    # So comes from the client what has no frames: Xet, which moves large files for it.
    is_moved = type(cause) is RuntimeError and _modules(error)[-1].startswith("huggingface_hub.")
    return _not_transferred(cause) if is_moved else None


def odd_answer(error: Exception) -> str | None:
    """Return the sentence for an answer that no Hub would give; None for any other error."""
    from huggingface_hub import errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    from foodvision.hub.session import NotAHubError

    cause = _cause_of(error)
    odd = (
        *(NotAHubError, errors.FileMetadataError, httpx.InvalidURL),
        *(httpx.DecodingError, httpx.TooManyRedirects),
        *(httpx.ProtocolError, httpx.UnsupportedProtocol),
    )
    if isinstance(cause, odd):
        return _of_odd(cause)
    if isinstance(cause, (httpx.HTTPError, OSError)) or type(cause) is RuntimeError:
        return None
    # Below its last call of ours, and of `datasets`, only what reads answers.
    modules = [name.partition(".")[0] for name in _modules(error)]
    callers = [place for place, name in enumerate(modules) if name in ("foodvision", "datasets")]
    below = modules[callers[-1] + 1 :] if callers else modules
    return _of_odd(cause) if any(name in _READERS for name in below) else None


def _modules(error: BaseException) -> list[str]:
    """Return where an error passed, outermost first."""
    walk = traceback.walk_tb(error.__traceback__)
    return [str(frame.f_globals.get("__name__")) for frame, _ in walk]


def _cause_of(error: Exception) -> BaseException:
    """Return what the client wrapped: a failed upload, or why a file was not found."""
    from huggingface_hub import errors

    wrapped = error.__cause__
    if type(error) is RuntimeError and wrapped:
        return wrapped
    if isinstance(error, errors.LocalEntryNotFoundError):
        return error if isinstance(wrapped, errors.OfflineModeIsEnabled) else wrapped or error
    return error


def _of_odd(error: BaseException) -> str:
    from foodvision.hub.session import shown_endpoint

    return (
        f"was requested from {shown_endpoint()}, which does not respond like a Hub "
        f"({_oddity(error)}): open that address in a browser (a login page, a proxy or a "
        "mirror?), and check HF_ENDPOINT and the proxy"
    )


def _oddity(error: BaseException) -> str:
    """Return what is odd about an answer, in a few words."""
    from pydantic import ValidationError

    from foodvision.hub.session import NotAHubError

    if isinstance(error, ValidationError):
        fault = error.errors(include_url=False)[0]
        return one_line(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}", _FEW)
    kind = "" if isinstance(error, NotAHubError) else f"{type(error).__name__}: "
    return one_line(kind + first_line(error), _FEW)


def _reason(error: BaseException) -> str:
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    said = one_line(first_line(error))
    unreachable = f"{_UNREACHABLE} ({said}): check the connection"
    offline = "is not in the cache, and HF_HUB_OFFLINE is set: unset it"
    reasons: list[tuple[Any, str]] = [
        (
            errors.OfflineModeIsEnabled,
            "needs the Hub, but HF_HUB_OFFLINE is set: unset it",
        ),
        (
            errors.LocalEntryNotFoundError,
            offline if constants.HF_HUB_OFFLINE else unreachable,
        ),
        (errors.LocalTokenNotFoundError, "needs a token: run `hf auth login`, or set HF_TOKEN"),
        (errors.GatedRepoError, "is gated: request access on its page, then run `hf auth login`"),
        (
            errors.RepositoryNotFoundError,
            (
                "does not exist on the Hub, or your token has no access to it: check the name; if "
                "it is private, run `hf auth login`"
            ),
        ),
        (errors.RevisionNotFoundError, "does not exist on the Hub: check the revision"),
        (errors.HfHubHTTPError, _of_status(error)),
        (httpx.TimeoutException, f"got no response from the Hub in time: {_AGAIN}"),
        ((httpx.HTTPError, ConnectionError), unreachable),
        (OSError, _not_transferred(error)),
    ]
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"does not fit on the disk: free some space, then {_AGAIN}"
    return next(text for kind, text in reasons if isinstance(error, kind))


def _not_transferred(error: BaseException) -> str:
    return f"could not be transferred ({one_line(first_line(error))}): {_AGAIN}"


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status of the client's error; 0 if the Hub did not answer."""
    response = getattr(error, "response", None)
    return response.status_code if response is not None else 0


def _of_status(error: BaseException) -> str:
    status = status_of(error)
    server_said = getattr(error, "server_message", None)
    # It may be of several lines, or a whole document.
    said = one_line(str(server_said or first_line(error)))
    may_not = f"was refused by the Hub ({said}): if the token is the cause, {_ANOTHER}"
    reasons = {
        400: f"was rejected by the Hub ({said})",
        401: f"needs a valid token: run `hf auth login`, or see {_TOKENS}",
        402: f"is not free for this account ({said})",
        403: may_not if server_said else READ_ONLY,
        409: f"already exists or is being changed ({said}): choose another name, or {_AGAIN}",
        412: "was changed by somebody else meanwhile: check it, then run the command again",
        429: f"was requested too often: wait {_seconds(error)} seconds, then {_AGAIN}",
    }
    if status >= 500:
        return f"failed because the Hub returned a server error ({status}): {_AGAIN}"
    return reasons.get(status, f"was refused by the Hub ({status}: {said})")


def _seconds(error: BaseException) -> str:
    """Return how long the Hub wants to be left alone."""
    from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

    response = getattr(error, "response", None)
    headers = response.headers if response is not None else {}
    limit = parse_ratelimit_headers(headers)
    # It comes with every answer: only where nothing remains is it why.
    if limit and not limit.remaining:
        return str(limit.reset_in_seconds)
    return one_line(str(headers.get("Retry-After") or 300), _FEW)
