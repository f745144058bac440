"""The commands that train, and that search for a learning rate."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from foodvision.cli.options import Preset, Switch
from foodvision.cli.places import check_place
from foodvision.cli.publishing import say_pushed
from foodvision.errors import SettingsError
from foodvision.system.processes import is_first
from foodvision.system.terminal import say
from foodvision.training.config import PRESETS, TrainConfig


def train(
    data: str,
    /,
    *,
    settings: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),
    preset: Preset | None = None,
    config: Path | None = None,
    resume: Path | None = None,
    push: str | None = None,
    private: Switch = False,
) -> None:
    """Train on your own photos.

    The result is a run folder with a checkpoint, a report and the accuracy of every class.

    Parameters
    ----------
    data:
        Your photos: a folder, .zip or .tar.gz with one folder per class, also inside train/, val/
        and test/. Missing splits are set aside from the photos. Also a .csv of path and label,
        food101, or hf://user/dataset.
    settings:
        Training settings; every field is an option.
    preset:
        Several settings at once. quick gives a first result, best takes longest and is the most
        accurate. Options override it.
    config:
        A YAML or JSON file of settings, such as a run's config.json. Options override it.
    resume:
        The folder of an interrupted run, to continue with its settings.
    push:
        After training, upload the model to user/name on the Hub.
    private:
        With --push: make the repository private.
    """
    from foodvision.data import check_source
    from foodvision.hub.push import check_push, push_checkpoint

    if push:
        check_push(push, private=private)  # before hours of training, not after
    check_source(data)
    if settings.unknown:
        check_source(settings.unknown)

    # Only now: torch takes seconds to import.
    from foodvision.cli.progress import print_event
    from foodvision.training.run import run_training

    if preset and is_first():
        values = ", ".join(f"{name} {value}" for name, value in PRESETS[preset].items())
        say(f"Preset {preset}: {values}")
    folder = run_training(data, settings, print_event, resume=resume is not None)
    if push and is_first():
        from foodvision.checkpoint import read_checkpoint

        checkpoint = read_checkpoint(folder)
        say_pushed(push_checkpoint(checkpoint, push, private=private), checkpoint, push)


def find_lr(
    data: str,
    /,
    *,
    settings: Annotated[TrainConfig, Parameter(name="*")] = TrainConfig(),
    preset: Preset | None = None,
    config: Path | None = None,
    plot: Path = Path("learning-rate.png"),
) -> None:
    """Find a learning rate.

    It trains briefly with rising learning rates, plots loss against learning rate, and suggests
    one.

    Parameters
    ----------
    data:
        Your photos, as in train.
    settings:
        As in train. Settings of the run's end (track, unknown) have no effect.
    preset:
        As in train.
    config:
        As in train.
    plot:
        File for the plot.
    """
    from foodvision.data import check_source

    if settings.output:
        raise SettingsError(
            "find-lr writes no run: leave out --output; --plot sets the file of the drawing"
        )
    check_place(plot, "learning-rate.png")
    check_source(data)

    from foodvision.reports.drawings import draw_rates
    from foodvision.system.storage import write_atomically
    from foodvision.training.run import sweep_learning_rates

    stage, sweep = sweep_learning_rates(data, settings)
    write_atomically(plot, draw_rates(sweep.rates, sweep.losses, sweep.suggestion))
    say(f"Suggested learning rate of the {stage}: {sweep.suggestion:.2g}. The curve: {plot}")
