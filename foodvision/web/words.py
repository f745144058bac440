"""What the page says, in the visitor's language and in a model's own words."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

from foodvision.errors import CheckpointError, first_line

LANGUAGES = ("en", "ko", "ja")
"""The first is for everybody whose language is none of them."""

_TEXTS = Path(__file__).parent / "texts"
_OWN = "page.json"


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

    def name(self, label: str) -> str:
        """Return what people call a class: "french_toast" is "French toast"."""
        return self.names.get(label) or display_name(label)


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


def read_wording(folder: Path, title: str) -> Wording:
    """Return the words for a checkpoint: the package's, and over them those of its `page.json`.

    `page.json` may have `title`, `texts` (by language, by the keys of `foodvision/web/texts`), and
    `names` (by language, by class). title: what the page is called if it has none.

    Raises CheckpointError if it is not of this form.
    """
    path = folder / _OWN
    own = _read_own(path) if path.is_file() else {}
    languages = {}
    for language in LANGUAGES:
        texts = json.loads((_TEXTS / f"{language}.json").read_text("utf-8"))
        over = own.get("texts", {}).get(language, {})
        for key, text in over.items():
            if key not in texts:
                raise CheckpointError(f"{path}: the page has no text {key!r}: see {_TEXTS}")
            if (places := _places(text)) is None or not places <= (_places(texts[key]) or set()):
                raise CheckpointError(
                    f"{path}: {key!r} has other {{places}} than {texts[key]!r}: mend it"
                )
        languages[language] = Words(texts | over, own.get("names", {}).get(language, {}))
    return Wording(own.get("title", title), languages)


def display_name(label: str) -> str:
    """Return a class name as people write it: "french_toast" as "French toast"."""
    words = label.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def _read_own(path: Path) -> dict[str, Any]:
    try:
        own = json.loads(path.read_text("utf-8"))
    except (ValueError, OSError) as error:
        raise CheckpointError(f"{path} cannot be read ({first_line(error)}): mend it") from None
    if not isinstance(own, dict) or (strange := set(own) - {"title", "texts", "names"}):
        what = f"{sorted(strange)[0]!r} is none of them" if isinstance(own, dict) else "it has none"
        raise CheckpointError(f"{path} should have title, texts and names: {what}")
    if not isinstance(own.get("title", ""), str):
        raise CheckpointError(f"{path}: title should be a text")
    for part in ("texts", "names"):
        if not _is_by_language(own.get(part, {})):
            raise CheckpointError(f"{path}: {part} should be texts by key, by language: mend it")
    return own


def _is_by_language(part: object) -> bool:
    return isinstance(part, dict) and all(
        isinstance(texts, dict) and all(isinstance(text, str) for text in texts.values())
        for texts in part.values()
    )


def _places(text: str) -> set[str] | None:
    """Return the {places} that a text has to fill in, or None if they are not as simple as that."""
    try:
        parts = list(Formatter().parse(text))
    except ValueError:
        return None
    if any(how or kind for _, _, how, kind in parts):
        return None
    return {name for _, name, _, _ in parts if name is not None}
