"""Visitors' corrections, saved as a dataset if the owner asks for it."""

import hashlib
import shutil
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import gradio as gr
from markupsafe import escape

from foodvision.data.names import split_named
from foodvision.errors import HubError, PhotoError, SettingsError
from foodvision.hub.client import translate_hub_errors
from foodvision.hub.push import check_writable
from foodvision.hub.session import guarded
from foodvision.image import Photo, load_image
from foodvision.page.models import PageModels
from foodvision.reports.documents import jpeg
from foodvision.system.storage import write_atomically
from foodvision.web.choice import ModelChoice, changes_of

if TYPE_CHECKING:
    from huggingface_hub import CommitScheduler

_LONGEST_NAME = 60

# Corrections kept while a page runs: per visitor, by address, and in all.
_MOST_OF_ONE, _MOST = 500, 20_000

_ON_THE_HUB = "hf://"


class Feedback:
    """A folder of classes that grows, photo by photo."""

    def __init__(
        self,
        folder: Path,
        scheduler: "CommitScheduler | None" = None,
        *,
        only_classes: bool = False,
    ) -> None:
        """Take the folder, made with the first photo, and what brings it to the Hub, if it does.

        only_classes: keep no photo of what is none of the model's classes.
        """
        self.folder, self._scheduler, self.only_classes = folder, scheduler, only_classes
        self._guard = ExitStack()
        if scheduler:
            self._guard.enter_context(guarded())  # it pushes in a thread of its own
        self._given: Counter[str] = Counter()
        # Two visitors may correct the same example at once.
        self._lock = scheduler.lock if scheduler else Lock()

    def keep(self, photo: Photo, label: str, classes: Collection[str] = ()) -> Path:
        """Write a photo into the folder of a class, and return the file.

        It is decoded and written anew: nothing beside the pixels is kept, not where and when it was
        taken. The same photo is the same file.

        classes: the model's, whose folders are called as they are; a new one is written small and
            with "_" for all but letters and digits, and with one more where it would name a split.

        Raises PhotoError for what is no photo or no name.
        """
        name = _folder_of(label, classes)
        if self.only_classes and name not in classes:
            raise PhotoError(
                f"{label!r} is not one of the model's classes: choose one from the list",
                "no_class",
                label=label,
            )
        content = jpeg(load_image(photo), 95)
        digest = hashlib.sha256(content).hexdigest()[:16]
        path = self.folder / name / f"{digest}.jpg"
        with self._lock:
            write_atomically(path, content)
            for older in self.folder.glob(f"*/{path.name}"):
                if not older.samefile(path):
                    older.unlink()  # the last word counts
                    with suppress(OSError):  # an empty folder would be a class without photos
                        older.parent.rmdir()
        return path

    def is_full(self, visitor: str) -> bool:
        """Count a correction, and return whether a visitor, or all together, gave too many."""
        self._given[visitor] += 1
        return self._given[visitor] > _MOST_OF_ONE or self._given.total() > _MOST

    def close(self) -> None:
        """Push to the Hub what is not there yet; at exit its client no longer can.

        Raises HubError, naming the folder where the photos are, if the Hub does not take them.
        """
        if not self._scheduler:
            return
        try:
            with translate_hub_errors(self._scheduler.repo_id):
                self._scheduler.trigger().result()
        except HubError as error:
            raise HubError(f"{error}; visitors' corrections are kept in {self.folder}") from error
        finally:
            self._scheduler.stop()
            self._guard.close()
        shutil.rmtree(self.folder)


def open_feedback(place: str, *, only_classes: bool = False) -> Feedback:
    """Return where feedback is kept: a folder, or `hf://user/dataset`, a private one of the Hub.

    only_classes: keep no photo of what is none of the model's classes.

    The dataset is created if it is not there. Photos go to it every five minutes, and when
    the feedback is closed.

    Raises SettingsError for a folder that cannot be written, HubError without a token that may
    write, and for a dataset that everybody can see.
    """
    if not place.startswith(_ON_THE_HUB):
        folder = Path(place)
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise SettingsError(
                f"{place} cannot store visitors' corrections ({error.strerror}): choose another "
                "folder"
            ) from None
        return Feedback(folder, only_classes=only_classes)
    from huggingface_hub import CommitScheduler, HfApi

    from foodvision.hub.answers import RepoInfo

    repo_id = place.removeprefix(_ON_THE_HUB)
    check_writable(repo_id, "dataset")
    with translate_hub_errors(repo_id):
        api = HfApi()
        api.create_repo(repo_id, repo_type="dataset", private=True, exist_ok=True)
        info = RepoInfo.model_validate(api.dataset_info(repo_id))
    if not info.private:
        raise HubError(f"{repo_id} is public: visitors' photos need a private dataset")
    with translate_hub_errors(repo_id):
        scheduler = CommitScheduler(
            repo_id=repo_id,
            repo_type="dataset",
            folder_path=tempfile.mkdtemp(prefix="foodvision-feedback-"),
            private=True,
            allow_patterns="*.jpg",
        )
        return Feedback(scheduler.folder_path, scheduler, only_classes=only_classes)
    raise AssertionError("told raises")


def _folder_of(label: str, classes: Iterable[str]) -> str:
    # A stranger's checkpoint may call its classes by paths.
    folders = [of for of in classes if Path(of).name == of and not of.startswith(".")]
    if label in folders:
        return label
    name = _written(label)
    if not name or len(name) > _LONGEST_NAME:
        raise PhotoError(
            f"{label!r} is not a valid name: use 1 to {_LONGEST_NAME} characters",
            "bad_name",
            label=label,
            longest=_LONGEST_NAME,
        )
    if same := [of for of in folders if _written(of) == name]:
        return same[0]
    return f"{name}_" if split_named(name) else name


def _written(label: str) -> str:
    letters = unicodedata.normalize("NFC", label).lower()
    # Marks are the vowels and tones of Thai or Hindi: they belong to the word.
    kept = (char if unicodedata.category(char)[0] in "LMN" else " " for char in letters)
    return "_".join("".join(kept).split())


def feedback_form(
    feedback: Feedback, models: PageModels, chosen: ModelChoice, i18n: gr.I18n, photo: gr.Image
) -> None:
    """Lay out the question for the right label, and save the answers."""

    def suggest(path: str | None, chosen: str) -> str | None:
        try:
            return models[chosen].predict(path).label if path else None
        except PhotoError:
            return None

    def keep(path: str | None, label: str | None, chosen: str, request: gr.Request) -> None:
        words = models[chosen].words(request)
        if not path or not label or not isinstance(label, str):
            raise gr.Error(escape(words("ask_text")), print_exception=False)
        if feedback.is_full(request.client.host if request.client else ""):
            raise gr.Error(escape(words("feedback_full")), print_exception=False)
        try:
            picture = models[chosen].decoded(path).picture
            feedback.keep(picture, label, models[chosen].classifier.classes)
        except PhotoError as error:
            raise gr.Error(escape(words.fault(error, path)), print_exception=False) from None
        except OSError as error:
            raise gr.Error(escape(words("feedback_failed")), print_exception=True) from error
        gr.Info(escape(words("feedback_thanks")))

    choices = {
        label: model.wording.choose(None).name(label)
        for model in models.values()
        for label in model.classifier.classes
    }
    label = gr.Dropdown(
        [(name, label) for label, name in choices.items()],
        label=i18n("feedback_label"),
        allow_custom_value=not feedback.only_classes,
        value=None,
    )
    gr.Markdown(i18n("feedback_kept"), elem_classes="soft")
    send = gr.Button(i18n("feedback_send"), size="sm")
    gr.on(
        changes_of(photo, chosen),
        suggest,
        [photo, chosen],
        label,
        show_progress="hidden",
        api_visibility="private",
    )
    send.click(keep, [photo, label, chosen], None, api_visibility="private")
