"""Names of datasets of the Hugging Face Hub: hf://user/dataset, and what is asked of them."""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from foodvision.errors import DataError
from foodvision.hub import is_repo_id
from foodvision.system.storage import cache_folder

_SOURCE = re.compile(
    r"hf://(?:datasets/)?(?P<name>[^@?]+)(?:@(?P<revision>[^?]+))?(?:\?(?P<options>.*))?"
)
_OPTIONS = ("config", "side", "image", "label")
_SIDES = range(32, 641)


@dataclass(frozen=True)
class HubDataset:
    """A dataset by name, and what of it shall be kept.

    source: the name as it was given.
    name: user/dataset on the Hub, or the absolute path of a folder of parquet files.
    revision: a branch, tag or commit; the main branch if None.
    config: which of the dataset's configurations.
    side: the short side, in pixels, that larger photos are shrunk to; photos stay as they are if
        None.
    image, label: the columns, if they cannot be told by their types and names.
    """

    source: str
    name: str
    revision: str | None = None
    config: str | None = None
    side: int | None = None
    image: str | None = None
    label: str | None = None

    @property
    def is_local(self) -> bool:
        """Whether it lies in a folder of this disk."""
        return Path(self.name).is_absolute()

    @property
    def folder(self) -> Path:
        """Where its photos are kept: another folder for whatever makes other photos."""
        content = {name: value for name, value in asdict(self).items() if name != "source"}
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
        words = Path(self.name).name if self.is_local else self.name.replace("/", "-")
        return cache_folder() / "datasets" / f"{words}-{digest[:12]}"


def parse_dataset(source: str) -> HubDataset:
    """Read a dataset's name and options.

    Raises DataError for a name of another form, an unknown option, and a side out of range.
    """
    match = _SOURCE.fullmatch(source)
    if match is None:
        raise DataError(f"{source} is not a dataset name: write hf://user/dataset")
    name, revision = match["name"].rstrip("/"), match["revision"]
    if name.startswith((".", "/", "~")):
        name = str(Path(name).expanduser().resolve())
        if not Path(name).is_dir():
            raise DataError(f"{source}: the folder does not exist")
        if revision:
            raise DataError(f"{source} is a folder and has no revisions: leave out @{revision}")
    elif not is_repo_id(name):
        raise DataError(f"{source} is not a dataset name: write hf://user/dataset")
    options: dict[str, Any] = dict(parse_qsl(match["options"] or "", keep_blank_values=True))
    for option in options:
        if option not in _OPTIONS:
            near = get_close_matches(option, _OPTIONS, n=1)
            hint = f"did you mean {near[0]}?" if near else f"use {', '.join(_OPTIONS)}"
            raise DataError(f"{source}: unknown option {option!r}: {hint}")
    if "side" in options:
        options["side"] = _side(source, options["side"])
    return HubDataset(source, name, revision, **options)


def _side(source: str, value: str) -> int:
    if not value.isdecimal() or int(value) not in _SIDES:
        raise DataError(
            f"{source}: side {value} is out of range: {_SIDES[0]} to {_SIDES[-1]} pixels"
        )
    return int(value)
