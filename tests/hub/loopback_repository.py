"""Repositories of the loopback Hub: contents on disk, commits, and names that point to them."""

import hashlib
import json
import shutil
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from fnmatch import fnmatch
from pathlib import Path

import yaml

LFS = "filter=lfs diff=lfs merge=lfs -text"
LFS_SUFFIXES = (
    "bin",
    "gz",
    "h5",
    "npy",
    "npz",
    "onnx",
    "parquet",
    "pt",
    "pth",
    "safetensors",
    "zip",
)
ATTRIBUTES = "".join(f"*.{suffix} {LFS}\n" for suffix in LFS_SUFFIXES)
SPACE_README = """---
title: {name}
emoji: 🚀
colorFrom: red
colorTo: blue
sdk: {sdk}
---
"""
APP_FILES = {"gradio": "app.py", "static": "index.html", "docker": "Dockerfile"}
COLOURS = ("red", "yellow", "green", "blue", "indigo", "purple", "pink", "gray")


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    oid: str  # git's, of what git keeps: the content, or the pointer to an LFS object
    size: int
    sha256: str | None = None  # names the LFS object, if the content is one

    @property
    def object_id(self) -> str:
        """What the content is stored under, and what the client knows it by."""
        return self.sha256 or self.oid


@dataclass(frozen=True)
class Commit:
    """A state of all files, named by a hash of it and of its past."""

    oid: str
    parent: str | None
    title: str
    message: str
    author: str
    date: str
    files: dict[str, File]


@dataclass
class Space:
    """What a Space has beside its files. Values of secrets are for tests to see, and never sent."""

    sdk: str
    hardware: str = "cpu-basic"
    secrets: dict[str, str] = field(default_factory=dict, repr=False)
    variables: dict[str, str] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    host: str | None = None  # where its app answers, if a test has one running


@dataclass
class Repository:
    """A model, dataset or Space."""

    kind: str
    id: str
    folder: Path
    private: bool = False
    gated: str | bool = False
    space: Space | None = None
    lfs_above: int = 10_000_000
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.folder.mkdir(parents=True)
        files = {".gitattributes": ATTRIBUTES.encode()}
        if self.space:
            readme = SPACE_README.format(name=self.id.partition("/")[2], sdk=self.space.sdk)
            files["README.md"] = readme.encode()
        self.branches["main"] = self._record(None, {n: self.store(c) for n, c in files.items()})

    @property
    def head(self) -> Commit:
        return self.commits[self.branches["main"]]

    def find(self, revision: str) -> Commit | None:
        """Return what a branch or a commit's name points to."""
        oid = self.branches.get(revision, revision)
        return self.commits.get(oid)

    def read(self, path: str, revision: str = "main") -> bytes:
        return self.path_of(self.find(revision).files[path]).read_bytes()

    def checkout(self, folder: Path, revision: str = "main") -> Path:
        """Write the files of a revision into a folder, as `git clone` would."""
        for name, file in self.find(revision).files.items():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(self.path_of(file), target)
        return folder

    # Contents

    def path_of(self, file: File) -> Path:
        return self.folder / file.object_id

    def store(self, content: bytes) -> File:
        """Keep a content as git does."""
        file = File(git_hash(content), len(content))
        self.path_of(file).write_bytes(content)
        return file

    def keep(self, path: str, content: bytes | None) -> File | None:
        """Keep a content as the Hub does if it is uploaded as this file."""
        if content is None:
            return None
        if not self.wants_lfs(path, len(content), content[:512]):
            return self.store(content)
        sha256 = hashlib.sha256(content).hexdigest()
        (self.folder / sha256).write_bytes(content)
        return self.find_object(sha256)

    def store_object(self, upload: Path, sha256: str) -> None:
        """Keep an upload as an LFS object; a cut one never gets here."""
        upload.replace(self.folder / sha256)

    def find_object(self, sha256: str) -> File | None:
        path = self.folder / sha256
        if not path.is_file():
            return None
        size = path.stat().st_size
        return File(git_hash(pointer(sha256, size)), size, sha256)

    def wants_lfs(self, path: str, size: int, sample: bytes) -> bool:
        """Whether a file is to be an LFS object: named by .gitattributes, large, or no text."""
        return self.named_lfs(path) or size > self.lfs_above or b"\0" in sample

    def named_lfs(self, path: str) -> bool:
        attributes = self.head.files.get(".gitattributes")
        lines = self.path_of(attributes).read_text().splitlines() if attributes else []
        return any(
            matches(path, line.split()[0]) for line in lines if "filter=lfs" in line.split()[1:]
        )

    # Commits

    def commit(
        self,
        changes: dict[str, File | None],
        title: str = "Change",
        message: str = "",
        author: str = "cook",
        branch: str = "main",
    ) -> Commit:
        """Add, replace and (None) remove files."""
        parent = self.commits[self.branches[branch]]
        files = parent.files | changes
        # The Hub itself notes what was uploaded as an LFS object without being named as one.
        if unnamed := [p for p, file in changes.items() if file and self._is_unnamed_lfs(p, file)]:
            files[".gitattributes"] = self._attributes_with(files.get(".gitattributes"), unnamed)
        files = {path: file for path, file in files.items() if file}
        self.branches[branch] = self._record(parent.oid, files, title, message, author)
        return self.commits[self.branches[branch]]

    def _record(self, parent, files, title="initial commit", message="", author="cook") -> str:
        date = datetime.now(timezone.utc).isoformat().replace("+00:00", "Z")
        tree = {path: asdict(file) for path, file in sorted(files.items())}
        past = json.dumps([parent, title, message, author, date, tree])
        oid = hashlib.sha1(past.encode()).hexdigest()
        self.commits[oid] = Commit(oid, parent, title, message, author, date, dict(files))
        return oid

    def _is_unnamed_lfs(self, path: str, file: File) -> bool:
        return file.sha256 is not None and not self.named_lfs(path)

    def _attributes_with(self, attributes: File | None, paths: list[str]) -> File:
        before = self.path_of(attributes).read_text() if attributes else ""
        return self.store(
            (before + "".join(f"{p.replace(' ', '?')} {LFS}\n" for p in paths)).encode()
        )

    def flaw(self) -> str | None:
        """The stage in which this Space ends without being built."""
        readme = self.head.files.get("README.md")
        settings = front_matter(self.path_of(readme).read_text()) if readme else None
        if not settings or settings.get("sdk") not in APP_FILES:
            return "CONFIG_ERROR"
        app = settings.get("app_file") or APP_FILES[settings["sdk"]]
        return None if app in self.head.files else "NO_APP_FILE"


def matches(path: str, pattern: str) -> bool:
    """Whether a line of .gitattributes speaks of a file (without `**`)."""
    return fnmatch(path if "/" in pattern else path.rpartition("/")[2], pattern)


def git_hash(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def pointer(sha256: str, size: int) -> bytes:
    """What git keeps in place of an LFS object."""
    return (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
    ).encode()


def front_matter(text: str) -> dict | None:
    """Parse the YAML at the head of a card; None if there is none. Raises yaml.YAMLError."""
    if not text.startswith("---\n") or "\n---" not in text[3:]:
        return None
    return yaml.safe_load(text[4:].partition("\n---")[0])


def faults(text: str, kind: str) -> list[str]:
    """Say what the Hub would not have in the YAML of a card."""
    try:
        settings = front_matter(text) or {}
    except yaml.YAMLError as error:
        return [str(error)]
    if not isinstance(settings, dict):
        return ['"metadata" must be of type object']
    found = [f'"{key}" must be a string' for key in ("title", "license") if not_text(settings, key)]
    if kind == "space":
        found += space_faults(settings)
    if not isinstance(settings.get("model-index", []), list):
        found.append('"model-index" must be an array')
    return found


def not_text(settings: dict, key: str) -> bool:
    return not isinstance(settings.get(key, ""), (str, list))


def space_faults(settings: dict) -> list[str]:
    found = []
    if len(str(settings.get("short_description", ""))) > 60:
        found.append('"short_description" length must be less than or equal to 60 characters long')
    for key in ("colorFrom", "colorTo"):
        if settings.get(key, "red") not in COLOURS:
            found.append(f'"{key}" must be one of [{", ".join(COLOURS)}]')
    if settings.get("sdk", "static") not in APP_FILES:
        found.append('"sdk" must be one of [gradio, docker, static]')
    return found
