"""Which photos a run was trained on, and those of a source that it was not trained on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from foodvision.checkpoint import Checkpoint
from foodvision.data import LabelledPhoto, Photos, digests, exclude
from foodvision.evaluation.judge import choose_split
from foodvision.runs.reading import read_photos, read_run
from foodvision.runs.record import RunRecord, UsedPhoto
from foodvision.system.packed import size_of

_NOT_TEST = "train or val"


@dataclass(frozen=True)
class Chosen:
    """The photos to judge a model on.

    of_run: their number and split, if they are the photos that the model's training set aside.
    notes: sentences for the user: which photos were chosen, and whether they trained the model.
    """

    photos: tuple[LabelledPhoto, ...]
    of_run: str = ""
    notes: tuple[str, ...] = ()

    def in_words(self, source: str) -> str:
        """Return what a title calls the photos of a source."""
        return f"{source}, {self.of_run}" if self.of_run else source


def used_photos(photos: Photos) -> list[UsedPhoto]:
    """Return the photos of a run's splits, as rows of its `photos.csv`. All of them are read."""
    used = [(photo.path, split) for split, members in photos.splits.items() for photo in members]
    return [
        UsedPhoto(photos.name_of(path), split, size_of(path), digest)
        for (path, split), digest in zip(used, digests([path for path, _ in used]), strict=True)
    ]


def photos_to_judge(
    photos: Photos,
    split: str | None,
    checkpoint: Checkpoint,
    source: str,
    excluded: Path | None = None,
) -> Chosen:
    """Return the photos of a source to judge a model on.

    split: as `choose_split` takes it. source: the name of the photos, as the user gave it.
    excluded: a list of photos to leave out, as `exclude` takes it.

    For the photos that a run was trained on, these are the ones that it set aside, even if the
    folder has changed since. If some of the photos trained the model, a note says how many.

    Raises DataError as `choose_split` and `exclude` do, and if no photo is left; RunError for a
    spoiled run.
    """
    kept = exclude(photos, excluded) if excluded else photos
    there = {photo.path for photo in kept.members}
    unwanted = {photo.path for photo in photos.members} - there
    notes = kept.notes[len(photos.notes) :]
    wanted, run = split or "test", _run_of(checkpoint)
    used = _used(run, kept, source) if run else {}
    is_named = wanted == "all" or bool(photos.splits.get(wanted))
    own = tuple(photo for photo in kept.members if used.get(photo.path) == wanted)
    rest = len(kept.members) - len(own)
    if run and own and not is_named and (_is_of(read_run(run), source) or there <= used.keys()):
        counted = _count(len(own), wanted)
        said = f"Evaluated on the {counted} of {run}."
        if rest:
            why = ": the model was trained on them, or may have been" if wanted == "test" else ""
            said += f" The other {rest:,} photos of {source} are left out{why}."
        return Chosen(own, counted, (*notes, said))
    chosen = choose_split(photos, split, checkpoint.config, unwanted)
    if wanted != "train":
        notes += _warning(chosen, photos, used, checkpoint, source)
    return Chosen(chosen, notes=notes)


def _warning(
    chosen: Collection[LabelledPhoto],
    photos: Photos,
    used: Mapping[Path, str],
    checkpoint: Checkpoint,
    source: str,
) -> tuple[str, ...]:
    seen = sum(used.get(photo.path) in ("train", _NOT_TEST) for photo in chosen)
    if seen:
        return (
            f"Warning: the model was trained on {seen:,} of these {len(chosen):,} photos, so the "
            "accuracy is too high. Use photos that it has not seen.",
        )
    trained_here = checkpoint.config.data.get("source") == source
    if not used and trained_here and set(chosen) == set(photos.splits.get("all", ())):
        return (
            f"Warning: the model was trained on photos of {source}, but not on exactly these. "
            "Which of them it has seen cannot be told: the accuracy may be too high.",
        )
    return ()


def _run_of(checkpoint: Checkpoint) -> Path | None:
    """Return the folder of the run whose checkpoint it is, if it lies there."""
    folder = checkpoint.folder
    is_in_run = folder.name == "checkpoint" and (folder.parent / "run.json").is_file()
    return folder.parent if is_in_run else None


def _used(run: Path, photos: Photos, source: str) -> dict[Path, str]:
    """Return the splits of the photos that a run used.

    A run without `photos.csv` lists only its test photos. All others of its source are
    `_NOT_TEST`, and may have trained the model.
    """
    names = {path: name for name, path in photos.paths().items()}
    if rows := read_photos(run):
        # A photo may be in several splits. Its name decides, or else the first split: training.
        splits: dict[str, str] = {row.sha256: row.split for row in reversed(rows)}
        exact = {(row.photo, row.sha256): row.split for row in rows}
        sizes = {row.bytes for row in rows}
        # No other photo needs to be read.
        alike = [path for path in names if size_of(path) in sizes]
        found = {
            path: exact.get((names[path], digest)) or splits.get(digest)
            for path, digest in zip(alike, digests(alike), strict=True)
        }
        return {path: split for path, split in found.items() if split}
    record = read_run(run)
    if not _is_of(record, source):
        return {}
    test = {answer.photo for answer in record.answers}
    return {path: "test" if name in test else _NOT_TEST for path, name in names.items() if test}


def _is_of(run: RunRecord, source: str) -> bool:
    return Path(run.data).resolve() == Path(source).resolve()


def _count(number: int, split: str) -> str:
    names = {"val": "validation", "train": "training"}
    return f"{number:,} {names.get(split, split)} photo{'' if number == 1 else 's'}"
