"""Settings from a file, a preset or the resumed run; options override them."""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from foodvision.cli.options import check_effects, check_whole_numbers
from foodvision.errors import SettingsError, first_line
from foodvision.safety.files import FileError, parse_json, read_file
from foodvision.training.config import PRESETS, TrainConfig

_FLAGS = {f"--{field.name.replace('_', '-')}" for field in fields(TrainConfig)}
_FLAGS |= {"--config", "--preset"}

# The parser of YAML takes seconds for a megabyte.
_MOST_YAML = 100_000

# Options of `train` that are not settings.
_NO_SETTINGS = ("data", "config", "resume")


def fill_settings(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill the options that were not given: from `--resume`, else `--config`, then `--preset`.

    Raises SettingsError for a file that is not there, for options beside `--resume` and options
    without effect, and cyclopts' errors for a setting that nobody knows and for a fraction where a
    whole number must be.
    """
    given = {
        argument.name: argument.tokens[0].value or "" for argument in arguments if argument.tokens
    }
    for source in _sources(given):
        source(app, commands, arguments)
    check_whole_numbers(arguments)
    check_effects(arguments)


def _sources(given: dict[str, str]) -> Iterable[Dict]:
    if resume := given.get("--resume"):
        if contradicted := sorted(_FLAGS & set(given)):
            raise SettingsError(
                f"--resume keeps the run's settings: leave out {', '.join(contradicted)}"
            )
        if not (Path(resume) / "run.json").is_file():
            raise SettingsError(f"{resume} does not exist: foodvision runs lists your runs")
        yield _file(Path(resume) / "config.json")
        yield Dict({"output": resume}, use_commands_as_keys=False)
    if file := given.get("--config"):
        yield _file(Path(file))
    if (preset := given.get("--preset", "")) in PRESETS:
        yield Dict(dict(PRESETS[preset]), use_commands_as_keys=False, source=f"preset {preset}")


def _file(path: Path) -> Dict:
    from foodvision.safety.schema import Settings  # with pydantic, for which --help does not wait

    if not path.is_file():
        raise SettingsError(f"{path} does not exist: check the path of --config")
    try:
        content = read_file(path, path.parent)
        if path.suffix != ".json":
            content = _from_yaml(content)
        settings = parse_json(content, Settings)
    except FileError as fault:
        raise SettingsError(
            f"{path}: {fault}; write one NAME: VALUE per line, or JSON in a file that ends in .json"
        ) from None
    if strange := [name for name in settings if name in _NO_SETTINGS]:
        raise SettingsError(f"{path}: unknown setting {strange[0]}: remove it")
    return Dict(dict(settings), use_commands_as_keys=False, source=str(path))


def _from_yaml(content: bytes) -> bytes:
    """Return the JSON of a YAML file. Raises FileError.

    References are refused: a few lines of them can stand for gigabytes.
    """
    import yaml

    if len(content) > _MOST_YAML:
        raise FileError(f"is larger than {_MOST_YAML:,} bytes")
    try:
        depth = 0
        for event in yaml.parse(content):
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if isinstance(event, yaml.AliasEvent) or depth > 1:
                raise FileError(f"line {event.start_mark.line + 1} is not NAME: VALUE")
        return json.dumps(yaml.safe_load(content) or {}, allow_nan=False).encode()
    except FileError:
        raise
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1} " if mark else ""
        raise FileError(f"{line}cannot be read ({first_line(error)})") from None
    except (TypeError, ValueError) as error:  # a date, a name that is none, an invalid one
        raise FileError(f"cannot be read ({first_line(error)})") from None
