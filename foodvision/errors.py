"""Errors that a person can mend: one line with the file or value, the reason and the way out.

They are raised where the fault is known and caught once, at the edge: command line, page, API.

    FoodVisionError
    ├── PhotoError         a photo that cannot be read
    │   └── BusyError      a photo that may be read later
    ├── DataError          a folder or archive of photos that cannot be used
    ├── CheckpointError    a checkpoint that is missing, spoiled or of another version
    ├── HubError           the Hub did not give what was asked of it
    ├── SiteError          a page for the browser that cannot be written
    ├── RunError           a run's folder that is missing, spoiled or no run
    ├── SettingsError      a setting that is unknown or out of range
    └── Stopped            a training that was asked to stop; it can go on

A FoodVisionWarning is no error: what was asked for is there, but not as the Hub has it now
(HubWarning), or not kept for the next time (CacheWarning).
"""

import re
from typing import Literal, TypeAlias

UNPRINTABLE = re.compile(
    r"[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    r"\ud800-\udfff\ufeff\ufff9-\ufffb\U000e0000-\U000e007f]"
)
"""Control characters, line ends, marks of direction, and others without a shape.

The joiners of emoji and of Indic and Persian words (U+200C, U+200D) are none of them.
"""

# A letter before a colon is a drive of Windows.
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+):/+(.*)", re.DOTALL | re.IGNORECASE)

_LONGEST_LINE = 300


def printable(text: object) -> str:
    """Return a text of others in one line, with control characters escaped as Python does."""
    return UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), str(text))


PhotoFault: TypeAlias = Literal[
    "unreadable",
    "not_photo",
    "cut_off",
    "too_large",
    "too_long",
    "too_many_bytes",
    "too_heavy",
    "dicom",
    "no_range",
    "gone",
    "must_wait",
    "bad_name",
    "no_class",
]
"""Why a photo is not taken. Each is the key of a text in `foodvision/page/texts`."""


class FoodVisionError(Exception):
    """What went wrong, with which file or value, and the way out, in one line."""

    def __str__(self) -> str:
        return printable(super().__str__())


class PhotoError(FoodVisionError):
    """A photo that cannot be read: no image, cut off, or too large.

    Command line and API show the message. The page shows the text of the fault in the visitor's
    language, and fills in the values and the photo's name.
    """

    def __init__(
        self, message: object = "", fault: PhotoFault = "unreadable", **values: object
    ) -> None:
        """Take the message, and for the page the fault and what its text needs."""
        super().__init__(message)
        self.fault, self.values = fault, values


class BusyError(PhotoError):
    """A photo that has to wait for others: it may be sent again."""


class DataError(FoodVisionError):
    """A folder or archive of photos that cannot be used."""


class CheckpointError(FoodVisionError):
    """A checkpoint that is missing, spoiled or of another version."""


class HubError(FoodVisionError):
    """The Hugging Face Hub did not give what was asked of it."""


class FoodVisionWarning(UserWarning):
    """What is not as expected while all goes on, in one line."""

    def __str__(self) -> str:
        return printable(super().__str__())


class CacheWarning(FoodVisionWarning):
    """What was computed cannot be kept for the next time."""


class HubWarning(FoodVisionWarning):
    """A model answers all the same, but not as it would be expected to."""


class SiteError(FoodVisionError):
    """A page for the browser that cannot be written."""


class RunError(FoodVisionError):
    """A run's folder that is missing, spoiled or no run."""


class SettingsError(FoodVisionError):
    """A setting that is unknown or out of range."""


class Stopped(FoodVisionError):  # noqa: N818 (nothing went wrong)
    """A training that was asked to stop; it can go on."""


def absent(name: object, what: str = "photo") -> str:
    """Return that a file or folder is not there; of an address, that it has to be downloaded.

    name: as it was given; a Path has lost the second slash of an address, which comes back.
    """
    if address := _ADDRESS.match(str(name)):
        scheme, rest = address.groups()
        kind = "a web address" if scheme.lower() in ("http", "https") else "an address"
        return f"{scheme}://{rest} is {kind}: download the {what} first"
    return f"{name} does not exist: check the path"


def first_line(error: BaseException) -> str:
    """Return the first line of a library's error, cut where it is long, or the error's name."""
    line = (str(error).strip() or type(error).__name__).splitlines()[0]
    # Some libraries quote what they read, which may be the whole file.
    return line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 4]} ..."


def renamed(error: BaseException, path: object, name: str) -> str:
    """Return what an error says of a file, under the name that people gave it."""
    return str(error).replace(printable(path), name)


def one_line(text: str, longest: int = 200) -> str:
    """Return somebody else's words on one line, `printable`, cut where they are long."""
    words = printable(" ".join(text.split()))
    return words if len(words) <= longest else f"{words[: longest - 4]} ..."
