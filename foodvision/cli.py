"""The command line: `foodvision ...`, the same as `python -m foodvision ...`.

Each command imports what it needs when it is chosen, so that `--help` answers at once and serving
never loads torch. Errors that a person can mend are caught here, and here alone.
"""

import io
import json as json_module
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

import foodvision
from foodvision.config import PRESETS, TrainConfig
from foodvision.errors import FoodVisionError, PhotoError, RunError, Stopped
from foodvision.processes import is_first, tells_first
from foodvision.settings import fill_settings

if TYPE_CHECKING:
    from foodvision.classifier import Classifier, Prediction
    from foodvision.runs import RunRecord

ModelName = Annotated[str | None, Parameter(env_var="FOODVISION_MODEL")]
Port = Annotated[int | None, Parameter(validator=Number(gte=1, lte=65535))]
Switch = Annotated[bool, Parameter(negative="")]

Preset = Literal["quick", "balanced", "best"]

# The extra that brings a package, by the name that is imported.
_PACKAGES = {
    "evaluate": ("scipy", "sklearn", "tqdm"),
    "datasets": ("datasets", "fsspec", "pyarrow"),
    "track": ("tensorboard", "trackio"),
    "train": (
        *("accelerate", "jinja2", "matplotlib", "onnxscript", "safetensors"),
        *("timm", "torch", "torchmetrics", "torchvision"),
    ),
}
_EXTRA_OF = {package: extra for extra, names in _PACKAGES.items() for package in names}

app = App(
    name="foodvision",
    help="Tells what food is in a photo.",
    version=foodvision.__version__,
    config=fill_settings,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 if a photo failed, 2 for a wrong call."""
    try:
        status = app(
            sys.argv[1:] if arguments is None else arguments,
            exit_on_error=False,
            print_error=False,
            result_action="return_value",
        )
        return status or 0
    except CycloptsError as error:
        _tell(" ".join(str(error).split()))
        return 2
    except FoodVisionError as error:
        _tell(_message(error))
        return 130 if isinstance(error, Stopped) else 2
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRA_OF:
            raise
        _tell(
            f"this command needs the package {package}: "
            f"pip install '.[{_EXTRA_OF[package]}]' in foodvision's folder"
        )
        return 2
    except OSError as error:
        # A full disk, a folder that may not be written: the system's reason says it best.
        _tell(f"{error.filename or ''} {error.strerror or error}")
        return 2
    except KeyboardInterrupt:
        return 130
    except Exception:
        # Most often a process of the run that lost another, which told why.
        if tells_first():
            raise
        return 1


def script() -> None:
    """Be the `foodvision` that pip installs."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name that the terminal cannot show must not end the command.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())


@app.command
def predict(*photos: Path, model: ModelName = None, top: int = 5, json: Switch = False) -> int:
    """Say what is in photos.

    Parameters
    ----------
    photos:
        Photos, or folders of them.
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given.
    top:
        How many guesses to give.
    json:
        One JSON object a line: path, label, confidence, known, known_score, top; or path, error.
    """
    from foodvision.classifier import load

    paths = _photo_paths(photos)
    classifier = load(model)
    show = _show_json if json else _show_line
    answered = [show(path, _try(classifier, path, top)) for path in paths]
    return 0 if all(answered) else 1


@app.command
def evaluate(
    data: str, /, *, model: ModelName = None, split: str = "test", json: Switch = False
) -> None:
    """Judge a model on labelled photos, each figure with n and a 95% interval.

    Parameters
    ----------
    data:
        A folder, .zip or .tar.gz with train/ and test/ class folders, or with class folders only
        (then all of their photos are judged); a .csv of path and label; food101 or food101:FOLDER;
        hf://user/dataset.
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given.
    split:
        Which photos to judge: train, val or test.
    json:
        One JSON object: n, top1, top1_interval, top5, macro_f1, per_class.
    """
    from foodvision.classifier import load
    from foodvision.data import open_photos
    from foodvision.evaluation import choose_split
    from foodvision.evaluation import evaluate as judge

    classifier = load(model)
    with open_photos(data) as photos:
        figures = judge(classifier, choose_split(photos, split, classifier.classes))
    if json:
        print(json_module.dumps(figures.to_dict()))
    else:
        from foodvision.tables import console, figures_table

        console().print(figures_table(figures, f"{model or 'foodvision_101'} on {data}"))


@app.command
def train(
    data: str,
    /,
    *,
    settings: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),
    preset: Preset | None = None,
    config: Path | None = None,
    resume: Path | None = None,
) -> None:
    """Train on photos and write a checkpoint.

    Parameters
    ----------
    data:
        A folder, .zip or .tar.gz with train/ and test/ class folders (also val/), or with class
        folders only: then parts of them are set aside. Also a .csv of path and label, food101,
        hf://user/dataset.
    settings:
        How to train; every field is an option.
    preset:
        Several settings at once; those given beside it win.
    config:
        A YAML or JSON file of settings, as a run's config.json is; options win.
    resume:
        The folder of a run that was cut, to go on with its settings.
    """
    from foodvision.tables import console
    from foodvision.training import run

    if preset and is_first():
        values = ", ".join(f"{name} {value}" for name, value in PRESETS[preset].items())
        console().print(f"Preset {preset}: {values}", soft_wrap=True)
    run(data, settings, console(), resume=resume is not None)


@app.command
def find_lr(
    data: str,
    /,
    *,
    settings: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),
    preset: Preset | None = None,
    config: Path | None = None,
    plot: Path = Path("learning-rate.png"),
) -> None:
    """Try learning rates from tiny to huge, draw how the loss answers, and suggest one.

    Parameters
    ----------
    data:
        As in train.
    settings:
        As in train.
    preset:
        As in train.
    config:
        As in train.
    plot:
        Where the drawing goes.
    """
    from foodvision.tables import console
    from foodvision.training import sweep_learning_rates

    sweep_learning_rates(data, settings, plot, console())


@app.command
def demo(*, model: ModelName = None, port: Port = None, share: Switch = False) -> None:
    """Serve the page.

    Parameters
    ----------
    model:
        A checkpoint folder, or user/name on the Hub; the model that ships if not given.
    port:
        Where to listen; 7860 or the next free one if not given.
    share:
        Also make a public link to send.
    """
    from foodvision.classifier import load
    from foodvision.web import build_page, launch_page

    launch_page(build_page(load(model)), port=port, share=share)


@app.command
def runs(
    folder: Path = Path("runs"),
    /,
    *,
    sort: Literal["time", "top1"] = "time",
    json: Switch = False,
    dashboard: Switch = False,
) -> int:
    """List the runs of a folder, each with its figures.

    Parameters
    ----------
    folder:
        The folder of the runs, or a run.
    sort:
        The newest first, or the best on its test photos.
    json:
        One JSON object a line: name, folder, state, model, data, epochs, val_acc, n, top1,
        top1_interval, seconds, started.
    dashboard:
        Show the curves of tracked runs in the browser instead, until Ctrl-C.
    """
    from foodvision.runs import find_runs, sort_runs
    from foodvision.runs.tracking import choose_dashboard, show_dashboard

    tried = [_try_run(path) for path in find_runs(folder)]
    records = sort_runs([record for record in tried if record], by=sort)
    if dashboard:
        show_dashboard(choose_dashboard(records), folder)
    elif json:
        for record in records:
            print(json_module.dumps(record.to_dict()))
    else:
        from foodvision.tables import console, runs_table

        console().print(runs_table(records))
    return 0 if all(tried) else 1


@app.command
def compare(
    first: Path, second: Path, /, *, json: Switch = False, html: Path | None = None
) -> None:
    """Say which of two runs is better on the same test photos, and whether that is more than noise.

    Parameters
    ----------
    first, second:
        Folders of runs.
    json:
        One JSON object: first, second, difference, interval, only_first, only_second, p_value,
        is_more_than_noise, in_words.
    html:
        Also write a page with both runs' curves to this file.
    """
    from foodvision.runs import read_run
    from foodvision.runs.compare import compare as hold_against

    records = read_run(first), read_run(second)
    comparison = hold_against(*records)
    if html:
        from foodvision.runs.report import write_comparison

        write_comparison(html, *records, comparison)
    if json:
        print(json_module.dumps(comparison.to_dict()))
    else:
        from foodvision.tables import comparison_table, console

        console().print(comparison_table(comparison))
        console().print(comparison.in_words(), soft_wrap=True)


def _tell(line: str) -> None:
    """Say why the command ends; of several processes that fail together, one does."""
    if tells_first():
        print("foodvision:", line, file=sys.stderr)


def _try_run(folder: Path) -> "RunRecord | None":
    """Read a run; one that is spoiled is told of and does not hide the others."""
    from foodvision.runs import read_run

    try:
        return read_run(folder)
    except RunError as error:
        print(f"foodvision: {error}", file=sys.stderr)
        return None


def _message(error: FoodVisionError) -> str:
    """What the error says; from a DataLoader's worker it comes as the last line of a traceback."""
    name = f"{type(error).__module__}.{type(error).__qualname__}: "
    return str(error).strip().splitlines()[-1].removeprefix(name)


def _photo_paths(photos: Sequence[Path]) -> list[Path]:
    """Photos named, and those inside of folders named; what is missing is told photo by photo."""
    if not photos:
        raise PhotoError("name a photo or a folder of photos")
    if not any(path.exists() for path in photos):
        raise PhotoError(f"{photos[0]}: no such file or folder")
    paths = [found for path in photos for found in (_inside(path) if path.is_dir() else [path])]
    if not paths:
        raise PhotoError(f"{photos[0]} holds no photos")
    return paths


def _inside(folder: Path) -> list[Path]:
    from foodvision.image import SUFFIXES

    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    )


def _try(classifier: "Classifier", path: Path, top: int) -> "Prediction | FoodVisionError":
    try:
        return classifier.predict(path, top)
    except PhotoError as error:
        return error


def _show_json(path: Path, answer: "Prediction | FoodVisionError") -> bool:
    content = {"error": str(answer)} if isinstance(answer, FoodVisionError) else answer.to_dict()
    print(json_module.dumps({"path": str(path), **content}), flush=True)
    return "error" not in content


def _show_line(path: Path, answer: "Prediction | FoodVisionError") -> bool:
    if isinstance(answer, FoodVisionError):
        print(f"foodvision: {answer}", file=sys.stderr)
        return False
    guesses = ", ".join(f"{guess.label} {100 * guess.confidence:.1f}%" for guess in answer.top)
    print(f"{path}: {guesses}" if answer.known else f"{path}: not known (nearest: {guesses})")
    return True
