"""Settings that come from a file, a preset or the run that is resumed; options win over them."""

import json
from collections.abc import Iterable
from dataclasses import fields
from pathlib import Path

from cyclopts import App
from cyclopts.argument import ArgumentCollection
from cyclopts.config import Dict

from foodvision.config import PRESETS, TrainConfig
from foodvision.errors import SettingsError, first_line

_FLAGS = {f"--{field.name.replace('_', '-')}" for field in fields(TrainConfig)}
_FLAGS |= {"--config", "--preset"}

# What the command has besides settings.
_NO_SETTINGS = ("data", "config", "resume")


def fill_settings(app: App, commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Fill the options that were not given: from `--resume`, else `--config`, then `--preset`.

    Raises SettingsError for a file that is not there, for options beside `--resume`, and cyclopts'
    errors for a setting that nobody knows.
    """
    given = {
        argument.name: argument.tokens[0].value or "" for argument in arguments if argument.tokens
    }
    for source in _sources(given):
        source(app, commands, arguments)


def _sources(given: dict[str, str]) -> Iterable[Dict]:
    if resume := given.get("--resume"):
        if contradicted := sorted(_FLAGS & set(given)):
            raise SettingsError(
                f"a run goes on with its own settings: leave out {', '.join(contradicted)}"
            )
        if not (Path(resume) / "run.json").is_file():
            raise SettingsError(f"{resume}: no such run (foodvision runs lists those there are)")
        yield _file(Path(resume) / "config.json")
        yield Dict({"output": resume}, use_commands_as_keys=False)
    if file := given.get("--config"):
        yield _file(Path(file))
    if (preset := given.get("--preset", "")) in PRESETS:
        yield Dict(dict(PRESETS[preset]), use_commands_as_keys=False, source=f"preset {preset}")


def _file(path: Path) -> Dict:
    import yaml

    if not path.is_file():
        raise SettingsError(f"{path}: no such file of settings")
    read = json.loads if path.suffix == ".json" else yaml.safe_load
    try:
        settings = read(path.read_text("utf-8"))
    except (ValueError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{path}, line {mark.line + 1}" if mark else path
        raise SettingsError(
            f"{place} cannot be read ({first_line(error)}): it should be NAME: VALUE in each line, "
            "or JSON in a file that ends in .json"
        ) from None
    names = settings if isinstance(settings, dict) else ()
    if strange := [name for name in names if name in _NO_SETTINGS or not isinstance(name, str)]:
        raise SettingsError(f"{path}: {strange[0]} is no setting: leave it out")
    return Dict(settings or {}, use_commands_as_keys=False, source=str(path))
