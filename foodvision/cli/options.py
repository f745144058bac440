"""Options that several commands have, and which have an effect only together."""

import os
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal

from cyclopts import CoercionError, Parameter
from cyclopts.argument import ArgumentCollection
from cyclopts.validators import Number

from foodvision.errors import SettingsError

ModelName = Annotated[str | None, Parameter(env_var="FOODVISION_MODEL")]
ModelNames = Annotated[
    tuple[str, ...],
    Parameter(
        negative="",
        show_default=False,
        consume_multiple=False,
        env_var="FOODVISION_MODEL",
        env_var_split=lambda _, value, **__: value.split(os.pathsep),
    ),
]
Port = Annotated[int | None, Parameter(validator=Number(gte=1, lte=65535))]
Count = Annotated[int, Parameter(validator=Number(gte=1))]
MaybeCount = Annotated[int | None, Parameter(validator=Number(gte=1))]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]
Names = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]

STANDARD_INPUT = "\0-"
"""What `-` among the arguments of a command becomes: the command line's library takes no hyphen."""

All = Annotated[bool, Parameter(name="--all", negative="", show_default=False)]
Preset = Literal["quick", "balanced", "best"]
Split = Literal["train", "val", "test", "all"]

NEEDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--exclude-suspects": ("--write-exclude", "--json"),
        "--feedback-classes-only": ("--feedback",),
        "--finetune-learning-rate": ("--finetune-epochs",),
        "--hidden-units": ("--model tinyvgg",),
        "--max-replicas": ("--ray",),
        "--min-replicas": ("--ray",),
        "--private": ("--push",),
        "--ray-cpus": ("--ray",),
        "--teacher-share": ("--teacher",),
        "--teacher-temperature": ("--teacher",),
    }
)
"""Options that have no effect alone: each needs one of these, where the command has them."""

_OF_FROZEN_BACKBONES = ("--views", "--finetune-epochs")

IDLE: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "--check": (
            *("--model", "--hardware", "--private", "--secret", "--variable", "--examples"),
            *("--dry-run", "--static"),
        ),
        "--dashboard": ("--json", "--sort", "--all"),
        "--model tinyvgg": _OF_FROZEN_BACKBONES,
        "--no-freeze": _OF_FROZEN_BACKBONES,
        "--no-pretrained": _OF_FROZEN_BACKBONES,
        "--optimizer adam": ("--weight-decay",),
        "--ray": ("--json", "--csv", "--sort-into"),
        "--static": ("--hardware", "--secret", "--variable", "--dry-run"),
    }
)
"""Options that have no effect beside another, by the other."""


def check_whole_numbers(arguments: ArgumentCollection) -> None:
    """Raise CoercionError for a decimal point where an option counts: cyclopts would round."""
    for argument in arguments:
        for token in argument.tokens if argument.resolved_hint is int else ():
            if "." in token.value:
                raise CoercionError(argument=argument, token=token, target_type=int)


def check_effects(arguments: ArgumentCollection) -> None:
    """Raise SettingsError for an option that was typed and has no effect beside the others."""
    names = {name for argument in arguments for name in argument.names}
    typed, given = [], set[str]()
    for argument in arguments:
        if any(token.source == "cli" for token in argument.tokens):
            typed.append(argument.name)
        for token in argument.tokens:
            given |= {argument.name, f"{argument.name} {token.value}"}
            if token.implicit_value is False or token.value == "False":  # typed, or in a file
                given.add(f"--no-{argument.name[2:]}")
    for option in typed:
        needs = [need for need in NEEDS.get(option, ()) if need.split()[0] in names]
        if needs and given.isdisjoint(needs):
            missing = " or ".join(needs)
            raise SettingsError(
                f"{option} has no effect without {missing}: add it, or leave {option} out"
            )
    for other in sorted(given & IDLE.keys()):
        if idle := [option for option in typed if option in IDLE[other]]:
            raise SettingsError(f"{' and '.join(idle)} cannot be used with {other}: leave one out")
