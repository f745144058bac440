"""Options that several commands have."""

import os
from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

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
Processors = Annotated[int, Parameter(validator=Number(gte=1))]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]
Names = Annotated[tuple[str, ...], Parameter(negative="", show_default=False)]

STANDARD_INPUT = "\0-"
"""What `-` among the arguments of a command becomes: the command line's library takes no hyphen."""

All = Annotated[bool, Parameter(name="--all", negative="", show_default=False)]
Preset = Literal["quick", "balanced", "best"]
Split = Literal["train", "val", "test", "all"]
