"""What goes wrong between here and the Hub, told in one line each, with the way out."""

import errno
import re
import textwrap
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from foodvision.errors import HubError, first_line

# The Hub has no names with "--" or "..".
_REPO_ID = re.compile(r"(?!.*(--|\.\.))\w[\w.-]*/[\w.-]+")

_SILENCE = 60.0  # seconds without a byte, after which the Hub is given up

_LONGEST = 300  # characters of what the Hub says

_AGAIN = "run it again, what arrived is kept"
_TOKENS = "https://huggingface.co/settings/tokens"
_ANOTHER = f"make one with the role write at {_TOKENS}"

READ_ONLY = f"may not be changed with this token: {_ANOTHER}"
"""Why nothing can be pushed."""

BEGUN_WITH = frozenset({".gitattributes", "README.md"})
"""What a repository may have from its first moment."""


def is_repo_id(name: str) -> bool:
    """Whether a name has the form of a Hub repository, `user/name`."""
    return _REPO_ID.fullmatch(name) is not None


def check_name(repo_id: str) -> None:
    """Raise HubError for what is no name of a Hub repository."""
    if not is_repo_id(repo_id):
        raise HubError(f"{repo_id!r} is no name of a Hub repository: it should be user/name")


def check_private(repo_id: str, info: Any) -> None:
    """Raise HubError for a repository that should be private, and was there before as a public one.

    info: what the Hub says of it.
    """
    if not info.private:
        raise HubError(
            f"{repo_id} is there already, for everybody to see: make it private in its settings "
            "on the Hub, or choose another name"
        )


@contextmanager
def told(at: str) -> Iterator[None]:
    """Have the client's errors come as HubError, in one line, and its waiting end.

    at: what is asked for, as `user/name at revision main`.
    """
    # Imported here: the model that ships answers without the Hub's client.
    from huggingface_hub import errors
    from huggingface_hub.utils import get_session, httpx  # type: ignore[attr-defined]

    session = get_session()
    patience, session.timeout = session.timeout, _SILENCE  # by itself it would wait for ever
    try:
        yield
    except errors.HFValidationError:
        name = at.split()[0]
        raise HubError(f"{name!r} is no name of a Hub repository: it should be user/name") from None
    except (httpx.HTTPError, OSError) as error:
        raise HubError(f"{at} {_reason(error)}") from error
    except ValueError as error:  # so comes a card that the Hub does not take
        if not isinstance(error.__cause__, errors.BadRequestError):
            raise
        raise HubError(f"{at} is not taken by the Hub: {' '.join(str(error).split())}") from error
    except RuntimeError as error:  # so come failed uploads of large files
        cause = error.__cause__
        if isinstance(cause, (httpx.HTTPError, OSError)):
            raise HubError(f"{at} {_reason(cause)}") from cause
        if cause or not _is_of_client(error):
            raise
        raise HubError(f"{at} {_not_transferred(error)}") from error
    finally:
        session.timeout = patience


def _reason(error: BaseException) -> str:
    from huggingface_hub import constants, errors
    from huggingface_hub.utils import httpx  # type: ignore[attr-defined]

    unreachable = (
        f"needs the Hub, which cannot be reached ({first_line(error)}): check the connection, or "
        "the name if it should be a folder here"
    )
    offline = "is not in the cache, and HF_HUB_OFFLINE forbids to ask the Hub: unset it"
    reasons: list[tuple[Any, str]] = [
        (
            errors.OfflineModeIsEnabled,
            "needs the Hub, and HF_HUB_OFFLINE forbids to ask it: unset it",
        ),
        (
            errors.LocalEntryNotFoundError,
            offline if constants.HF_HUB_OFFLINE else unreachable,
        ),
        (errors.LocalTokenNotFoundError, "needs a token: `hf auth login`, or set HF_TOKEN"),
        (errors.GatedRepoError, "is gated: ask for access on its page, then `hf auth login`"),
        (
            errors.RepositoryNotFoundError,
            "is no folder here, and no repository on the Hub that your token sees: check the "
            "name, or `hf auth login` for a private one",
        ),
        (errors.RevisionNotFoundError, "is not on the Hub: check the revision"),
        (errors.HfHubHTTPError, _of_status(error)),
        (httpx.TimeoutException, f"got no answer from the Hub in time: {_AGAIN}"),
        ((httpx.HTTPError, ConnectionError), unreachable),
        (OSError, _not_transferred(error)),
    ]
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"does not fit on the disk: make room, then {_AGAIN}"
    return next(text for kind, text in reasons if isinstance(error, kind))


def _not_transferred(error: BaseException) -> str:
    return f"could not be transferred ({first_line(error)}): {_AGAIN}"


def _is_of_client(error: BaseException) -> bool:
    """Whether the client raised it, or what has no frames: Xet, which moves large files for it."""
    *_, (frame, _) = traceback.walk_tb(error.__traceback__)
    return str(frame.f_globals.get("__name__")).startswith("huggingface_hub.")


def status_of(error: BaseException | None) -> int:
    """Return the HTTP status of the client's error; 0 if the Hub did not answer."""
    response = getattr(error, "response", None)
    return response.status_code if response is not None else 0


def _of_status(error: BaseException) -> str:
    status = status_of(error)
    server_said = getattr(error, "server_message", None)
    # It may be of several lines, or a whole document.
    said = textwrap.shorten(server_said or first_line(error), _LONGEST, placeholder=" ...")
    may_not = f"is refused by the Hub ({said}): if that is for the token, {_ANOTHER}"
    reasons = {
        400: f"is not taken by the Hub ({said})",
        401: f"needs a token that is valid, this one is not: `hf auth login`, or see {_TOKENS}",
        402: f"is not free for this account ({said})",
        403: may_not if server_said else READ_ONLY,
        409: f"is taken, or being changed ({said}): choose another name, or {_AGAIN}",
        412: "was changed by somebody else meanwhile: look at their change, then run it again",
        429: f"got too many requests: wait {_seconds(error)} seconds, then {_AGAIN}",
    }
    if status >= 500:
        return f"meets a Hub that is out of order ({status}): {_AGAIN}"
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
    return str(headers.get("Retry-After") or 300)
