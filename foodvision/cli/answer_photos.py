"""`foodvision predict`: print or write each answer, and sort its photo, as soon as it comes."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from foodvision.classifier import Classifier
from foodvision.cli.answer_files import Write, Written, csv_file, parquet_file, read_written
from foodvision.cli.many_photos import Answer, count_into, predict_all
from foodvision.cli.sorting import Sorter
from foodvision.decoding import Decoder
from foodvision.errors import FoodVisionError
from foodvision.system.progress import progress
from foodvision.system.terminal import complain, say, say_json


@dataclass(frozen=True)
class Output:
    """Where answers go: into `csv` or `parquet`, to the terminal as JSON lines, or as text.

    resume: whether `csv` is continued. sort_into: a folder for the photos themselves.
    """

    csv: Path | None = None
    parquet: Path | None = None
    json: bool = False
    resume: bool = False
    sort_into: Path | None = None

    @property
    def file(self) -> Path | None:
        """The file that is written, if any."""
        return self.csv or self.parquet


def answer_photos(
    classifier: Classifier, decoder: Decoder, photos: Sequence[str], top: int, output: Output
) -> int:
    """Answer photos and return the exit status: 1 if one of them could not be read.

    Raises SettingsError for a CSV file that cannot be continued, OSError for a full disk.
    """
    columns = min(top, len(classifier.classes))
    before = read_written(output.csv, columns) if output.csv and output.resume else Written()
    sorter = Sorter(output.sort_into, classifier.classes) if output.sort_into else None
    answers = predict_all(
        classifier, decoder, photos, top, is_wanted=before.lacks, without=output.sort_into
    )
    count, failed = 0, 0
    with closing(answers), _opened(output, columns, before) as write, _bar(output, before) as bar:
        count_into(bar, photos, output.sort_into)
        for photo, answer in answers:
            if isinstance(answer, FoodVisionError):
                failed += 1
            elif sorter:
                # The interrupted call may have sorted this photo without writing its row.
                sorter.sort(photo, answer, again=count == 0 and output.resume)
            write(photo.name, answer)
            count += 1
            bar.update()
    _tell(output, count, failed, len(before.names), sorter)
    return 1 if failed or before.failed else 0


@contextmanager
def _opened(output: Output, top: int, before: Written) -> Iterator[Write]:
    if output.csv:
        with csv_file(output.csv, top, before) as write:
            yield write
    elif output.parquet:
        with parquet_file(output.parquet, top) as write:
            yield write
    else:
        yield _show_json if output.json else _show_line


def _bar(output: Output, before: Written) -> tqdm:
    """Return a progress bar, hidden where the answers go to the terminal."""
    is_free = output.file or (output.json and not sys.stdout.isatty())
    options: dict[str, Any] = {"initial": len(before.names)} if is_free else {"disable": True}
    return progress(None, "photos", **options)


def _tell(output: Output, count: int, failed: int, before: int, sorter: Sorter | None) -> None:
    """Print what was written; to standard error if standard output is for programs.

    before: photos that the file held already.
    """
    show = complain if output.json else say
    if output.file:
        photos = f"{count:,} {'new ' if before else ''}{'photo' if count == 1 else 'photos'}"
        unreadable = f", {failed:,} unreadable" if failed else ""
        already = f", {before:,} already there" if before else ""
        show(f"{output.file}: {photos}{unreadable}{already}")
    if sorter:
        show(sorter.in_words())


def _show_json(name: str, answer: Answer) -> None:
    content = {"error": str(answer)} if isinstance(answer, FoodVisionError) else answer.to_dict()
    say_json({"path": name, **content})


def _show_line(name: str, answer: Answer) -> None:
    if isinstance(answer, FoodVisionError):
        complain(answer)
        return
    guesses = ", ".join(f"{guess.label} {100 * guess.confidence:.1f}%" for guess in answer.top)
    said = f"{answer.certainty}: {guesses}" if answer.known else f"not known (nearest: {guesses})"
    say(f"{name}: {said}")
