"""The command line: `foodvision ...`, the same as `python -m foodvision ...`.

Each command imports what it needs when it runs, so that `--help` is fast and serving never loads
torch. FoodVisionErrors are caught here alone.
"""

import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from cyclopts import App, CycloptsError, Group

import foodvision
from foodvision.cli.answering import demo, evaluate, predict
from foodvision.cli.examples import START, epilogue
from foodvision.cli.mistakes import explain
from foodvision.cli.options import STANDARD_INPUT
from foodvision.cli.photos import data
from foodvision.cli.publishing import deploy, export, push, verify
from foodvision.cli.runs import compare, runs
from foodvision.cli.serving import serve
from foodvision.cli.settings import fill_settings
from foodvision.cli.training import find_lr, train
from foodvision.errors import FoodVisionError, FoodVisionWarning, Stopped, one_line, printable
from foodvision.system.processes import is_first, reports_error
from foodvision.system.temporary import unwound_by_signals
from foodvision.system.terminal import complain, guard_terminal

# Packages by the extra that installs them, under the names they are imported by.
_PACKAGES = {
    "evaluate": ("jinja2", "matplotlib", "scipy", "sklearn", "threadpoolctl", "tqdm"),
    "datasets": ("datasets", "fsspec", "pyarrow"),
    "ray": ("ray",),
    "serve": ("fastapi", "prometheus_client", "python_multipart", "uvicorn"),
    "track": ("tensorboard", "trackio"),
    "inspect": ("cleanlab", "imagehash"),
    "train": (
        *("accelerate", "onnxscript", "safetensors"),
        *("timm", "torch", "torchmetrics", "torchvision"),
    ),
}
_EXTRA_OF = {package: extra for extra, names in _PACKAGES.items() for package in names}
# The extras of these commands include `evaluate`.
_FULLER = {"train": "train", "find-lr": "train", "data": "inspect"}

# cyclopts quotes a wrong value in full, which may be the contents of a file.
_LONGEST_ERROR = 500

# By purpose, in the order in which people need them.
_COMMANDS = {
    "Try it": (demo, predict),
    "Train": (train, data, find_lr),
    "Evaluate": (evaluate, compare, runs),
    "Publish": (push, deploy, verify, export),
    "Serve": (serve,),
}

# Where the library would write ARGS for what the help explains under a name.
_USAGE = {
    "predict": "Usage: foodvision predict [OPTIONS] PHOTOS...",
    "runs": "Usage: foodvision runs [OPTIONS] [FOLDER]",
}

app = App(
    name="foodvision",
    help="Recognise the food in a photo.",
    version=foodvision.__version__,
    config=fill_settings,
    group_parameters=Group.create_default_parameters("Options"),
    help_epilogue="`foodvision COMMAND --help` explains a command and shows examples.",
)
for _place, (_title, _commands) in enumerate(_COMMANDS.items()):
    _group = Group(_title, sort_key=_place)
    for _order, _command in enumerate(_commands):
        _name = _command.__name__.replace("_", "-")
        app.command(
            _command,
            _name,
            group=_group,
            sort_key=_order,
            help_epilogue=epilogue(_name),
            usage=_USAGE.get(_name),
        )
app["--help"].group = app["--version"].group = (Group("Options", sort_key=len(_COMMANDS)),)
app["--help"].help = "Show this help."
app["--version"].help = "Show the version."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 1 if photos are at fault, 2 for a wrong call."""
    warnings.showwarning = _warn
    guard_terminal()
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        with unwound_by_signals():
            return _run(arguments)
    except CycloptsError as error:
        _report(one_line(explain(error, app), _LONGEST_ERROR))
        return 2
    except FoodVisionError as error:
        _report(_message(error))
        return 130 if isinstance(error, Stopped) else 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        extra = _EXTRA_OF[package]
        if extra == "evaluate":
            extra = _FULLER.get(arguments[0], extra)
        _report(
            f"this command needs the package {package}: "
            f"pip install '.[{extra}]' in foodvision's folder"
        )
        return 2
    except OSError as error:
        # A full disk, a folder without write permission: the system names the reason best.
        _report(f"{error.filename or ''} {error.strerror or error}".strip())
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:
        # Usually a process that lost another one, which has reported the cause.
        if reports_error():
            raise
        return 1


def _run(arguments: Sequence[str]) -> int:
    if not arguments:
        print(START, flush=True)
        return 0
    status = app(
        [STANDARD_INPUT if argument == "-" else argument for argument in arguments],
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
    )
    print(end="", flush=True)  # here, where a closed pipe is not an error
    return status or 0


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Print a warning of foodvision like an error, and others on one line with their place."""
    if not issubclass(category, FoodVisionWarning):
        print(printable(f"{filename}:{lineno}: {category.__name__}: {message}"), file=sys.stderr)
    elif is_first():
        complain(message)


def _report(line: str) -> None:
    """Print why the command ends; of several processes that fail together, one prints."""
    if reports_error():
        complain(line)


def _message(error: FoodVisionError) -> str:
    """Return the error's message; a DataLoader's worker puts it at the end of a traceback."""
    name = f"{type(error).__module__}.{type(error).__qualname__}: "
    return str(error).rpartition(name)[2].removesuffix(printable("\n"))
