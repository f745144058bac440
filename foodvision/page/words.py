"""What the page says, in the visitor's language and in a model's own words."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Annotated

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from foodvision.checkpoint import translate_faults
from foodvision.errors import CheckpointError, PhotoError, printable
from foodvision.safety.files import read_json
from foodvision.safety.schema import MOST_CLASSES, Name, Text, at_most

LANGUAGES = ("en", "ko", "ja")
"""The first is for everybody whose language is none of them."""

# Classes that a sentence names; of more it says how many.
_FEW = 6

_TEXTS = Path(__file__).parent / "texts"
_OWN = "page.json"


@with_config(ConfigDict(extra="forbid"))
class _Own(TypedDict, total=False):
    """`page.json`: a title; texts and names, by language, by key."""

    title: Name
    texts: dict[Name, Annotated[dict[Name, Text], at_most(1000)]]
    names: dict[Name, Annotated[dict[Name, Name], at_most(MOST_CLASSES)]]


@dataclass(frozen=True)
class Words:
    """The page's words in one language.

    texts: sentences by key, with {places} to fill in. names: what classes are called.
    """

    texts: Mapping[str, str]
    names: Mapping[str, str]

    def __call__(self, key: str, **values: object) -> str:
        """Return a sentence, filled in."""
        return self.texts[key].format(**values)

    def fault(self, error: PhotoError, photo: str) -> str:
        """Return why a photo is not taken, under the name of its file."""
        return printable(self(error.fault, **{"name": Path(photo).name, **error.values}))

    def parts(self, key: str, **values: object) -> list[tuple[str, str]]:
        """Return a sentence in parts: each text, and the {place} that it fills or "" for none."""
        parts = []
        for text, place, _, _ in Formatter().parse(self.texts[key]):
            parts += [(text, "")] if text else []
            parts += [(str(values[place]), place)] if place else []
        return parts

    def name(self, label: str) -> str:
        """Return what people call a class: "french_toast" is "French toast"."""
        return self.names.get(label) or display_name(label)

    def in_sentence(self, label: str) -> str:
        """Return a class's name inside a sentence: "french_toast" is "french toast"."""
        return self.names.get(label) or spaced(label)


@dataclass(frozen=True)
class Wording:
    """All that a page says: its title, and its words by language."""

    title: str
    languages: Mapping[str, Words]

    def choose(self, accepted: str | None) -> Words:
        """Return the words that a browser's Accept-Language asks for first, or the English ones.

        The first alone, because Gradio looks at no other for the page's labels.
        """
        language = (accepted or "").split(",")[0].split(";")[0].strip().split("-")[0].lower()
        return self.languages.get(language) or self.languages[LANGUAGES[0]]


def introduce(classes: Sequence[str], words: Words) -> str:
    """Say in a sentence what a model tells apart."""
    names = [words.name(label) for label in classes]
    if len(names) > _FEW:
        return words("introduction_many", n=len(names), first=names[0], last=names[-1])
    listed = words("and", all=words("comma").join(names[:-1]), last=names[-1])
    return words("introduction_few", names=listed)


def read_wording(folder: Path, title: str) -> Wording:
    """Return the words for a checkpoint: the package's, and over them those of its `page.json`.

    `page.json` may have `title`, `texts` (by language, by the keys of `foodvision/page/texts`), and
    `names` (by language, by class). title: what the page is called if it has none.

    Raises CheckpointError if it is not of this form.
    """
    path = folder / _OWN
    own = _read_own(path, folder)
    languages = {}
    for language in LANGUAGES:
        texts = json.loads((_TEXTS / f"{language}.json").read_text("utf-8"))
        over = own.get("texts", {}).get(language, {})
        for key, text in over.items():
            if key not in texts:
                raise CheckpointError(f"{path}: unknown text {key!r}: see {_TEXTS}")
            if (places := _places(text)) is None or not places <= (_places(texts[key]) or set()):
                raise CheckpointError(
                    f"{path}: {key!r} has placeholders that {texts[key]!r} lacks: correct it"
                )
        languages[language] = Words(texts | over, own.get("names", {}).get(language, {}))
    return Wording(own.get("title", printable(title)), languages)


def _read_own(path: Path, folder: Path) -> _Own:
    if not os.path.lexists(path):
        return {}
    with translate_faults(path, "correct it"):
        return read_json(path, _Own, folder)


def display_name(label: str) -> str:
    """Return a class name as people write it: "french_toast" as "French toast"."""
    words = spaced(label)
    return words[:1].upper() + words[1:]


def spaced(label: str) -> str:
    """Return a class name in words, its letters as they are: "french_toast" as "french toast"."""
    return label.replace("_", " ").replace("-", " ").strip()


def _places(text: str) -> set[str] | None:
    """Return the {places} that a text has to fill in, or None if they are not as simple as that."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return None
    if any(how or kind for _, _, how, kind in parts):
        return None
    return {name for _, name, _, _ in parts if name is not None}
