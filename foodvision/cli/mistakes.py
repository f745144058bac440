"""Error messages for wrong calls: what is wrong, and what to type instead."""

import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from cyclopts import App, CycloptsError
from cyclopts.exceptions import (
    CoercionError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
    ValidationError,
)

from foodvision.cli.examples import EXAMPLES
from foodvision.cli.names import ADVICE, COMMANDS, DEVICE, OPTIONS
from foodvision.cli.options import STANDARD_INPUT

# How alike two names must be, of 1: "modle" and "model" have 0.8, "lr" and "ray" have 0.4.
_CLOSE = 0.75
# Of three letters, one may be wrong or two swapped: "cvs" and "csv" have 0.67.
_CLOSE_SHORT = 0.66

_IN_WORDS = {int: "a whole number", float: "a number", bool: "true or false"}


def explain(error: CycloptsError, app: App) -> str:
    """Return what is wrong with a call and what to type instead.

    app: the whole command line.
    """
    command = error.command_chain[0] if error.command_chain else ""
    return _explain(error, command, app).replace(STANDARD_INPUT, "-")


def options_of(app: App) -> dict[str, tuple[str, ...]]:
    """Return by command the options that its help shows, and its arguments, as DATA."""
    return {
        command: tuple(
            name
            for argument in app[command].assemble_argument_collection()
            if argument.show
            for name in argument.names
        )
        for command in app
        if not command.startswith("-")
    }


def option_hint(given: str, command: str, options: Mapping[str, tuple[str, ...]]) -> str:
    """Say which option of the command is meant, else what to do, else which command has it.

    given: an option that the command does not have. options: as `options_of` returns them.
    """
    word = given.lower().replace("_", "-")
    if len(word) > 2 and not word.startswith("--"):
        word = f"-{word}"  # as -lr
    own, meant = options[command], OPTIONS.get(word, ())
    for name in meant:
        if name in own:
            return _suggest(name, command)
    if word in ADVICE:
        return DEVICE if "--device" in own and "CPU" in ADVICE[word] else ADVICE[word]
    for name in (word, *meant):
        having = [other for other in options if name.startswith("-") and name in options[other]]
        if having:
            return f"{name} is an option of {' and '.join(having)}."
    near = _nearest(word, own)
    return _suggest(near, command) if near else f"See: foodvision {command} --help"


def _explain(error: CycloptsError, command: str, app: App) -> str:
    match error:
        case UnknownCommandError(unused_tokens=[word, *_]):
            return f'Unknown command "{word}". {_command_hint(word, list(app))}'
        case UnknownOptionError(token=token) if token.source != "cli":
            name = (token.keyword or token.value).strip("[]")
            hint = _setting_hint(name, options_of(app)[command])
            return f'Unknown setting "{name}" in {token.source}.{hint}'
        case UnknownOptionError(token=token):
            word = (token.keyword or token.value).partition("=")[0]
            return f"Unknown option: {word}. {option_hint(word, command, options_of(app))}"
        case UnusedCliTokensError(unused_tokens=[word, *_]):
            hint = _surplus_hint(word, command, options_of(app)[command])
            return f'Unexpected argument "{word}". {hint}'
        case MissingArgumentError(argument=argument) if argument and command:
            name = error.keyword or argument.name
            if name.startswith("-"):
                return f"{name} requires a value. See: foodvision {command} --help"
            return f"{command} requires {name}, as in: {EXAMPLES[command][0]}"
        case CoercionError(token=token) if token and token.keyword == "--device":
            return f"{error} {DEVICE}"
    return _value_fault(error)


def _value_fault(error: CycloptsError) -> str:
    """Say what a value has to be."""
    match error:
        case CoercionError(token=token, target_type=kind) if token and kind in _IN_WORDS:
            name = token.keyword or (error.argument.name if error.argument else "the value")
            place = "" if token.source in ("", "cli") else f" in {token.source}"
            return f'{name.strip("[]")}{place} needs {_IN_WORDS[kind]}, not "{token.value}"'
        case ValidationError(argument=argument) if argument and argument.tokens:
            limit = error.exception_message.removesuffix(".")
            for sign, words in ((">=", "at least"), ("<=", "at most")):
                limit = limit.replace(f"Must be {sign}", words)
            return f"{argument.name} {argument.tokens[0].value} is out of range: {limit}"
    return str(error)


def _command_hint(word: str, names: Iterable[str]) -> str:
    if word.startswith("--") and word not in COMMANDS:
        return f"An option follows its command, as in: foodvision predict photo.jpg {word}"
    if os.path.exists(word):  # noqa: PTH110 (any text)
        return f"Did you mean: foodvision predict {word}"
    known = COMMANDS | {name: name for name in names}
    near = get_close_matches(word.lower().replace("_", "-"), known, n=1, cutoff=_CLOSE)
    hint = f'Did you mean "{known[near[0]]}"? ' if near else ""
    return f"{hint}See all commands: foodvision --help"


def _suggest(name: str, command: str) -> str:
    if name.startswith("-"):
        return f"Did you mean {name}?"
    return f"Give {name} without an option, as in: {EXAMPLES[command][0]}"


def _setting_hint(name: str, own: Iterable[str]) -> str:
    """Say which setting is meant by a name in a file."""
    word = "--" + name.lower().replace("_", "-")
    meant = [option for option in OPTIONS.get(word, ()) if option in own]
    near = meant[0] if meant else _nearest(word, own)
    return f' Did you mean "{near[2:].replace("-", "_")}"?' if near else ""


def _surplus_hint(word: str, command: str, own: Iterable[str]) -> str:
    if any(name.isupper() for name in own):
        return f"Quote names with spaces. See: foodvision {command} --help"
    if os.path.isfile(word):  # noqa: PTH113 (any text)
        return f"{command} takes no photos. See: foodvision {command} --help"
    return f"Did you mean --model {word}?"


def _nearest(word: str, names: Iterable[str]) -> str | None:
    bare = {name.lstrip("-"): name for name in names if name.startswith("-")}
    word = word.lstrip("-")
    cutoff = _CLOSE_SHORT if len(word) == 3 else _CLOSE
    near = get_close_matches(word, bare, n=1, cutoff=cutoff)
    return bare[near[0]] if near else None
