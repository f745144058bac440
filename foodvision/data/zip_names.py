"""File names of a zip, which old Windows programs write in the encoding of their country.

A name is UTF-8 if its flag says so, or if the Info-ZIP Unicode Path field (0x7075) holds it.
The encoding of the other names is chosen once for all of them:

1. UTF-8, if all are valid UTF-8: a Mac writes it without the flag.
2. Of Korean (cp949), Japanese (cp932), simplified (gbk) and traditional Chinese (cp950, Microsoft's
   Big5), those that decode all names are compared by their share of common letters among the
   different non-ASCII letters. The largest share wins if it is a half or more. Of equal ones
   the first in this order wins. All Korean is valid gbk too, and a few Chinese words may be all
   Hangul: it counts as Korean if a quarter of its syllables or more are frequent ones.
3. Otherwise each name is UTF-8 if it can be, else cp437, as the zip format has it.
"""

import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable

_IS_UTF8 = 0x800
_UNICODE_PATH = 0x7075
_LEAST_SHARE = 1 / 2

# What counts as common, as encoded: the Hangul of KS X 1001, kana and the kanji of JIS level 1, the
# Han of GB 2312, the Han of Big5's first level. All other letters of an encoding are rare in names.
_COMMON = {
    "cp949": re.compile(rb"[\xb0-\xc8][\xa1-\xfe]"),
    "cp932": re.compile(
        rb"\x82[\x9f-\xf1]|\x83[\x40-\x96]|\x81\x5b|[\x88-\x97].|\x98[\x40-\x72]", re.DOTALL
    ),
    "gbk": re.compile(rb"[\xb0-\xf7][\xa1-\xfe]"),
    "cp950": re.compile(rb"[\xa4-\xc6].", re.DOTALL),
}

# Of Korean words these are most syllables; of Chinese ones that are read as Korean, a tenth.
_FREQUENT = frozenset(
    "가각간갈감갑강개거건걸검것게겨견결경계고곡골공과관광교구국군굴권귀규그근금급기긴길김까깨꼬"
    "꽃나난날남내냉너네년노녹농누눈느능니님다단달닭담당대더덕도독돈동되된두드든들등디딸때떡떻또"
    "라락란람랑래랜량러런럼레려력련로록론료루류르른를름리린림립마막만말망맛매맥머먹면명모목무문물"
    "미민밀바박반발밥방배백버번벌베벽변별병보복볶본봉부북분불비빙빵사산살삼상새색생서석선설성세소"
    "속손송쇠수순술숙쉬스슬습시식신실심싸쌀쌈아악안알암압앙애야약양어언얼엄업없에여역연열염영예오"
    "온올와완왕외요용우운울움원월위유육율은을음의이인일임입있자작잔잡장재저적전절점접정제조족종주"
    "죽준줄중즈즙지진질집짜짬째쪽찌차참찰창채책천철첫청체초촌총추축출충치카칼커컵케코콩크큰클키킨"
    "타탄탕태터테토통투튀트특티파판팥팝패페편포표푸풀품프피하학한할함합해햄행향허험현형호혼화환활"
    "황회효후훈흑흰"
)

# In crème of cp437, è and m make a kanji of cp932; Japanese rarely mixes scripts within a word.
_BESIDE_LATIN = re.compile(r"(?<=[A-Za-z])[^\x00-\x7f]|[^\x00-\x7f](?=[A-Za-z])")


def zip_names(entries: Iterable[zipfile.ZipInfo]) -> list[str]:
    """Return the names of a zip's entries, in their order, cut at a zero byte as zipfile does."""
    listed = list(entries)
    names = [_declared(info) for info in listed]
    unknown = [_raw(info) for info, name in zip(listed, names, strict=True) if name is None]
    encoding = _encoding(unknown)
    return [
        (_decoded(_raw(info), encoding) if name is None else name).partition("\0")[0]
        for info, name in zip(listed, names, strict=True)
    ]


def _declared(info: zipfile.ZipInfo) -> str | None:
    """Return the name if the zip states its encoding, else None."""
    return info.filename if info.flag_bits & _IS_UTF8 else _unicode_path(info)


def _unicode_path(info: zipfile.ZipInfo) -> str | None:
    """Return the name of the Unicode Path field: version, checksum of the plain name, UTF-8."""
    rest = info.extra
    while len(rest) >= 4:
        kind, size = (int.from_bytes(rest[at : at + 2], "little") for at in (0, 2))
        field, rest = rest[4 : 4 + size], rest[4 + size :]
        # A program that renames a file without knowing this field leaves a wrong checksum.
        check = zlib.crc32(_raw(info)).to_bytes(4, "little")
        if kind == _UNICODE_PATH and field[:5] == b"\1" + check:
            try:
                return field[5:].decode()
            except UnicodeError:
                return None
    return None


def _raw(info: zipfile.ZipInfo) -> bytes:
    """Return the bytes that zipfile read as cp437, which has a letter for each byte."""
    return info.orig_filename.encode("cp437")


def _encoding(names: Iterable[bytes]) -> str | None:
    """Choose the encoding of all names together; None is step 3."""
    text = b"/".join(sorted({part for name in names for part in re.split(rb"[/\0]", name)}))
    if _can_decode(text, "utf-8"):
        return "utf-8"
    shares = {encoding: _common_share(text, encoding) for encoding in _COMMON}
    best = max(shares, key=shares.__getitem__)  # the first of equal ones
    return best if shares[best] >= _LEAST_SHARE else None


def _can_decode(name: bytes, encoding: str) -> bool:
    try:
        name.decode(encoding)
    except UnicodeError:
        return False
    return True


def _common_share(names: bytes, encoding: str) -> float:
    """Return the share of common letters among the different non-ASCII ones, 0 to 1."""
    if not _can_decode(names, encoding):
        return 0.0
    text = names.decode(encoding)
    letters = {letter for letter in text if not letter.isascii() and _counts(letter)}
    if encoding == "cp949" and len(letters & _FREQUENT) < len(letters) / 4:
        return 0.0
    takes_ascii = encoding in ("cp932", "cp950")  # as the second byte of a common letter
    apart = letters & set(_BESIDE_LATIN.sub("", text)) if takes_ascii else letters
    common = [
        letter for letter in apart if _COMMON[encoding].fullmatch(letter.encode(encoding, "ignore"))
    ]
    return len(common) / len(letters) if letters else 0.0


def _counts(letter: str) -> bool:
    """Whether a character speaks for or against a language; digits and punctuation do not."""
    return unicodedata.category(letter)[0] not in "NPZ"


def _decoded(name: bytes, encoding: str | None) -> str:
    if encoding is None:
        encoding = "utf-8" if _can_decode(name, "utf-8") else "cp437"
    return name.decode(encoding)
