"""Names of photos, classes and splits, as folders and people have them."""

import os
import re
import unicodedata
from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from urllib.parse import parse_qsl

from foodvision.errors import DataError
from foodvision.system.packed import plain_path

SPLITS = ("train", "val", "test")

DEEPEST = 64
"""How many folders photos may lie in, one in the other; no real ones lie that deep."""

# In English, Korean, Japanese, and simplified and traditional Chinese.
_SPLIT_OF_WORD = {
    **dict.fromkeys(("train", "training", "trn", "학습", "훈련", "学習", "訓練"), "train"),
    **dict.fromkeys(("训练", "트레이닝"), "train"),
    **dict.fromkeys(("val", "valid", "validate", "validation", "dev", "eval", "evaluation"), "val"),
    **dict.fromkeys(("cv", "crossvalidation", "검증", "検証", "验证", "驗證"), "val"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "테스트", "시험", "テスト"), "test"),
    **dict.fromkeys(("测试", "測試"), "test"),
}

# Words that stand beside it in the names of folders: seg_train, Train_Images, "test set", trainset.
_BESIDE = (
    *("set", "data", "dataset", "split", "images", "image", "imgs", "img", "photos", "photo"),
    *("pictures", "pics", "files", "folder", "seg", "dir"),
    *("용", "데이터", "데이터셋", "세트", "셋", "이미지", "사진", "用", "データ", "セット", "画像"),
    *("集", "数据", "數據", "图片", "圖片"),
)
# Accents, and what stands between words.
_ACCENTS = re.compile("[\u0300-\u036f]")
_BETWEEN = re.compile(r"[\s_-]+")

# What cp437 has in place of the letters of other encodings: lines, blocks, and signs.
_GARBLED = re.compile("[\u2500-\u259f\u2310\u20a7≡≥≤⌠⌡≈∙√∩∞¬]|(?<=\\S)¿")

_WORDS = re.compile(r"[^\W_]+")
_JOINED = re.compile(rf"(.+?)(?:{'|'.join(sorted(_BESIDE, key=len, reverse=True))})+")
# What sounds like a split beside others: train2017, trainA, foodtest, Testdaten.
_SOUNDS = re.compile(rf"(?:{'|'.join(_SPLIT_OF_WORD)})(?:\d+|[a-z]|s?daten)?|.+(?:train|test|val)")


def relative_name(path: Path, root: Path) -> str:
    """Return a file's path from a folder, with slashes: the same wherever one stands.

    Of a photo in a shard, the shard and the photo's name in it. On another drive of Windows, the
    whole path.
    """
    plain = plain_path(path)
    try:
        return Path(os.path.relpath(plain, root)).as_posix()
    except ValueError:
        return Path(plain).absolute().as_posix()


def file_named(name: str, root: Path) -> Path:
    """Return the file that `relative_name` named, its whole path; links on the way stay."""
    return Path(os.path.normpath(root.absolute() / name))


def parse_options(source: str, options: str | None, known: Sequence[str]) -> dict[str, str]:
    """Return the options of a source, as `side=320&label=dish` stands behind the ? of its name.

    Raises DataError for an option that is not known.
    """
    values = dict(parse_qsl(options or "", keep_blank_values=True))
    for option in values:
        if option not in known:
            near = get_close_matches(option, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
            raise DataError(f"{source}: unknown option {option!r}: {hint}")
    return values


def is_text(name: str) -> bool:
    """Whether a name is Unicode, so that JSON files and cards can hold it."""
    return name.encode(errors="ignore").decode() == name


def split_named(name: str) -> str | None:
    """Return train, val or test for any of their usual names, in any case, or None."""
    return _SPLIT_OF_WORD.get("".join(word for word in _words(name) if word not in _BESIDE))


def alike_in_words(names: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for classes whose names nobody would tell apart; none if there are none."""
    groups: dict[str, list[str]] = {}
    for name in sorted(set(names)):
        groups.setdefault(_without_looks(name), []).append(name)
    alike = [" and ".join(group) for group in groups.values() if len(group) > 1]
    if not alike:
        return ()
    return (
        f"{a_few(alike, 5, '; ')}: these names differ only in case, accents or spaces, and are "
        "read as separate classes. If they are the same class, rename them.",
    )


def garbled_in_words(names: Iterable[str]) -> tuple[str, ...]:
    """Return a sentence for classes whose names were read in a wrong encoding, or none.

    Old zip files do not name it; cp437, the last that is tried, makes lines and signs of letters.
    """
    garbled = sorted({name for name in names if _GARBLED.search(name)})
    if not garbled:
        return ()
    return (
        f"{a_few(garbled)}: these names look garbled, because the zip does not state their "
        "encoding. Pack it again with UTF-8 names, or rename the folders.",
    )


def _without_looks(name: str) -> str:
    return _BETWEEN.sub("", _ACCENTS.sub("", unicodedata.normalize("NFKD", name))).casefold()


def splits_in(name: str) -> set[str]:
    """Return the splits whose words a name holds among others: train-00000-of-00010."""
    return {_SPLIT_OF_WORD[word] for word in _words(name) if word in _SPLIT_OF_WORD}


def split_words_in(name: str) -> bool:
    """Whether a name holds a word for a split among others: test_pizza, our training, train2017."""
    return any(_SOUNDS.fullmatch(word) for word in _words(name))


def _words(name: str) -> list[str]:
    """Return the words of a name in lower case, trainset and its kin without what is joined."""
    # A Mac writes Hangul and kana in parts.
    words = _WORDS.findall(unicodedata.normalize("NFC", name).lower())
    joined = [_JOINED.fullmatch(word) for word in words]
    return [
        match[1] if match and match[1] in _SPLIT_OF_WORD else word
        for word, match in zip(words, joined, strict=True)
    ]


def a_few(names: Sequence[str], most: int = 3, between: str = ", ") -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return between.join(names[:most]) + more
