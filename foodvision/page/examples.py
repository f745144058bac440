"""The photos that a page offers to try: found in a checkpoint, or put there by its owner."""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

import foodvision
from foodvision.checkpoint import BUNDLED, Checkpoint, check_published, files_inside
from foodvision.classifier import Prediction
from foodvision.errors import CheckpointError, SettingsError
from foodvision.image import SUFFIXES, load_image
from foodvision.page.words import Words, display_name, spaced
from foodvision.system.storage import write_atomically

# Each is decoded when the page starts, and loaded by every visitor.
_MOST = 100

_FOLDER = "examples"
_SIDE, _QUALITY = 1024, 85


def example_photos(checkpoint: Checkpoint) -> list[Path]:
    """Return the photos that the page offers to try a model with.

    Raises as `foodvision.checkpoint.check_published` does, CheckpointError for too many.
    """
    folder = checkpoint.folder
    if not (folder / _FOLDER).is_dir() and folder == BUNDLED:
        # In a checkout the photos lie at the top; a wheel puts them beside the model.
        folder = Path(foodvision.__file__).parents[1]
    found = [path for path in files_inside(folder, _FOLDER) if path.suffix.lower() in SUFFIXES]
    if len(found) > _MOST:
        raise CheckpointError(f"{folder / _FOLDER} has {len(found):,} photos: keep at most {_MOST}")
    for path in found:
        check_published(path, folder)
    return found


@dataclass(frozen=True)
class Caption:
    """What stands under an example: what it shows, and the model's mistake if it makes one."""

    title: str
    mistake: str = ""


def caption(
    stem: str, prediction: Prediction | None, words: Words, classes: Sequence[str]
) -> Caption:
    """Return an example's caption.

    stem: the file's name without ending. It begins with the class that the photo shows ("pizza",
        "pizza_2"), or with "not" where it shows none ("not_food_cat"). Other names do not say
        whether a prediction is wrong.
    prediction: None of a photo that cannot be read.
    """
    label = class_in_name(stem, classes)
    title = words.names.get(stem) or display_name(stem)
    if label and stem not in words.names:
        title = f"{words.name(label)} {spaced(stem[len(label) :])}".strip()
    if prediction is None or not (label or _shows_none(stem)):
        return Caption(title)
    answer = prediction.label if prediction.known else None
    if answer == label:
        return Caption(title)
    return Caption(
        title,
        words("example_mistaken", name=words.in_sentence(answer))
        if answer
        else words("example_missed"),
    )


def class_in_name(stem: str, classes: Sequence[str]) -> str | None:
    """Return the class that a file's name begins with, the longest if there are several."""
    name = spaced(stem).casefold() + " "
    found = [label for label in classes if name.startswith(f"{spaced(label).casefold()} ")]
    return max(found, key=len, default=None)


def _shows_none(stem: str) -> bool:
    return spaced(stem).casefold().startswith("not ")


def add_examples(checkpoint: Checkpoint, photos: Mapping[Path, str]) -> Iterator[tuple[Path, Path]]:
    """Put photos into a checkpoint for its page to offer; yield each with its new file.

    photos: what each is called in the checkpoint, without ending.

    They are made smaller, to 1024 pixels, and written anew as JPEG: without place, time and camera.
    One of the same name takes the other's place.

    Raises PhotoError for a photo that cannot be read, SettingsError for too many.
    """
    if len(photos) > _MOST:
        raise SettingsError(
            f"examples: {len(photos):,} photos are too many, choose at most {_MOST}"
        )
    for photo, name in photos.items():
        image = load_image(photo, _SIDE, checkpoint.config.preprocess.white)
        image.thumbnail((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        content = io.BytesIO()
        image.save(content, "JPEG", quality=_QUALITY)
        target = checkpoint.folder / _FOLDER / f"{name}.jpg"
        target.parent.mkdir(exist_ok=True)
        write_atomically(target, content.getvalue())
        yield photo, target


def photos_to_show(source: Path) -> dict[Path, str]:
    """Return the photos directly in a folder, and their names without ending.

    Raises SettingsError if there are none.
    """
    found = list(source.iterdir()) if source.is_dir() else []
    photos = sorted(
        path for path in found if path.suffix.lower() in SUFFIXES and path.name[0] != "."
    )
    if not photos:
        raise SettingsError(f"examples {source}: not a folder with photos")
    return {path: path.stem for path in photos}
