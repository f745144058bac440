"""Options that several commands have."""

from typing import Annotated, Literal

from cyclopts import Parameter
from cyclopts.validators import Number

ModelName = Annotated[str | None, Parameter(env_var="FOODVISION_MODEL")]
Port = Annotated[int | None, Parameter(validator=Number(gte=1, lte=65535))]
Switch = Annotated[bool, Parameter(negative="")]

Preset = Literal["quick", "balanced", "best"]
