"""Photos that a model's page offers: put into its checkpoint before it is published."""

from pathlib import Path
from typing import TYPE_CHECKING

from foodvision.errors import SettingsError
from foodvision.system.terminal import say

if TYPE_CHECKING:
    from foodvision.checkpoint import Checkpoint

AUTO = "auto"
"""Takes test photos of the run that trained the model, instead of a folder."""


def publish_examples(given: str, checkpoint: "Checkpoint", examples: str) -> None:
    """Put photos into a checkpoint for its page to offer, and print the name of each.

    given: the checkpoint as the user named it. examples: a folder of photos, or "auto".

    Raises SettingsError for a model that is no folder here, and where there are no photos.
    """
    from foodvision.page.examples import photos_to_show

    if not Path(given).is_dir():
        raise SettingsError(
            f"--examples needs a checkpoint folder, but {given} is not a folder: push the "
            "checkpoint with the photos first"
        )
    if examples != AUTO:
        _add(checkpoint, photos_to_show(Path(examples)))
        return
    from foodvision.data import open_photos
    from foodvision.data.names import relative_name
    from foodvision.runs.answers import typical_answers
    from foodvision.runs.reading import read_run

    run = read_run(_run_folder(Path(given), checkpoint.folder))
    if not Path(run.data.partition("?")[0]).exists():
        raise SettingsError(
            f"--examples auto: {run.data}, the photos of the run, does not exist: give a folder "
            "of photos instead"
        )
    chosen = {answer.photo: answer.label for answer in typical_answers(run.answers)}
    with open_photos(run.data) as photos:
        names = {photo.path: relative_name(photo.path, photos.root) for photo in photos.members}
        found = {
            path: _named_by_class(path.stem, chosen[name])
            for path, name in sorted(names.items())
            if name in chosen
        }
        if not found:
            raise SettingsError(
                f"--examples auto: {run.data} no longer has the run's test photos: give a folder "
                "of photos instead"
            )
        _add(checkpoint, found)


def _named_by_class(stem: str, label: str) -> str:
    """Return a name that begins with the photo's class, by which the page tells mistakes."""
    return stem if stem.startswith(label) else f"{label}_{stem}".replace("/", "_")


def _add(checkpoint: "Checkpoint", photos: dict[Path, str]) -> None:
    from foodvision.page.examples import add_examples

    for photo, target in add_examples(checkpoint, photos):
        say(f"{photo} is an example now: {target}")


def _run_folder(*folders: Path) -> Path:
    """Return which of some folders is a run's, or lies in one."""
    for folder in folders:
        for place in (folder, folder.parent):
            if (place / "run.json").is_file():
                return place
    raise SettingsError(
        f"--examples auto: {folders[0]} is not a run, so it has no test photos to choose from: "
        "give a folder of photos instead"
    )
