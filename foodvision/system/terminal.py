"""What is printed: names and words of others reach the terminal with control characters escaped.

Such a character could move the cursor, forge a line of ours, or turn the order of letters round.
"""

import io
import json
import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from foodvision.errors import UNPRINTABLE, printable

# Line ends, and what colours and progress bars are made of: other packages print those.
_OF_PACKAGES = re.compile(r"[\n\r\t]|\x1b\[(?:[0-9;]*[AKm]|\?25[hl])")
_HARMFUL = re.compile(f"({_OF_PACKAGES.pattern})|{UNPRINTABLE.pattern}")


class OutputClosed(SystemExit):
    """Raised by a print when nobody reads the output any more, as after `| head -1`.

    The command ends without an error, after its `with` and `finally` have cleaned up.
    """


def say(line: object) -> None:
    """Print a line."""
    print(printable(line), flush=True)


def complain(line: object) -> None:
    """Print a line to standard error, as foodvision's."""
    print("foodvision:", printable(line), file=sys.stderr)


def say_json(content: object) -> None:
    """Print a JSON object as a line; letters stay readable where the output is UTF-8."""
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(content, ensure_ascii=not is_utf8)
    print(UNPRINTABLE.sub(lambda match: json.dumps(match[0])[1:-1], text), flush=True)


def guard_terminal() -> None:
    """Escape control characters in all that this process prints, whichever package prints it.

    Packages keep line ends, colours and progress bars; `say` and `complain` escape these too. A
    character that the terminal cannot show does not end the command. A closed standard output ends
    it (`OutputClosed`), a closed standard error does not.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
        if stream is not None and not isinstance(stream, _Guarded):
            setattr(sys, name, cast("TextIO", _Guarded(stream)))


class _Guarded:
    """A stream that escapes what could harm the terminal."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        try:
            return self._stream.write(
                _HARMFUL.sub(lambda match: match[1] or printable(match[0]), text)
            )
        except BrokenPipeError:
            self._close()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._close()

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def _close(self) -> None:
        # What is left in the buffer, and all that is still printed, goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)
        if self is sys.stdout:
            raise OutputClosed(0) from None
