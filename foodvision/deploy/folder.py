"""The folder that a Gradio Space is made of: a page, the package, a model, what to install."""

import json
import os
import re
import shutil
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import foodvision
from foodvision.checkpoint import WEIGHTS, check_published, checkpoint_files
from foodvision.classifier import BUNDLED_NAME, Classifier, load
from foodvision.errors import SettingsError
from foodvision.hub.answers import RepoInfo
from foodvision.hub.client import is_repo_id, translate_hub_errors
from foodvision.page.examples import example_photos
from foodvision.page.models import PageModel, name_of
from foodvision.page.pictures import draw_thumbnail

ZERO_GPU = "zero-a10g"
"""The hardware whose Spaces a free account may have."""

DESCRIPTION = "space.json"
"""The file that says which models a Space serves."""

# The newest Python that ONNX Runtime and ZeroGPU both have; without it a Space runs 3.10.
_PYTHON = "3.12"

# The platform brings them, in the release that the front matter names.
_BROUGHT = ("gradio", "gradio_client", "huggingface_hub")
# The command line's, which a Space has not.
_LEFT_OUT = ("cyclopts", "rich")

_HUB, _THUMBNAIL = "https://huggingface.co", "thumbnail.jpg"

_PACKAGE = Path(foodvision.__file__).parent
_TEMPLATES = Path(__file__).parent / "space"


@dataclass(frozen=True)
class SpaceSettings:
    """What a Space is to be.

    repo_id: user/space.
    model: user/name (also @revision) on the Hub, a checkpoint folder, or the model that ships.
    hardware: as the Hub names it; cpu-basic if None, or what the Space has already.
    private: for its owner alone; one that is there already and public is refused.
    """

    repo_id: str
    model: str = BUNDLED_NAME
    hardware: str | None = None
    private: bool = False


def write_space(folder: Path, settings: SpaceSettings, *, has_token: bool = False) -> None:
    """Write the Space's files into an empty folder.

    has_token: whether the Space will have an HF_TOKEN, by which it may read what is not public.

    Raises CheckpointError or HubError if there is no such model, SettingsError for one on the Hub
    that the Space could not read, PhotoError for an example that tells where it was taken.
    """
    classifier = load(settings.model)
    repo_id = settings.model.partition("@")[0]
    is_published = is_repo_id(repo_id) and not Path(settings.model).exists()
    if is_published:
        # Its snapshot's folder is called by the commit: what is deployed is what was looked at.
        commit = classifier.checkpoint.folder.name
        served = f"{repo_id}@{commit}"
        card: dict[str, Any] = {"models": [repo_id]}
        if _is_public(repo_id):
            card["preload_from_hub"] = [_preload(classifier, repo_id, commit)]
        elif not has_token:
            raise SettingsError(
                f"{repo_id} is private or gated, so {settings.repo_id} cannot read it: add "
                "--secret HF_TOKEN, with a token that has access"
            )
    else:
        # The page calls a model by its folder.
        served, card = f"checkpoint/{name_of(classifier.checkpoint.folder)}", {}
        _copy_checkpoint(classifier, folder / served)
    _copy_package(folder / "foodvision")
    app = "app_zero.py" if settings.hardware == ZERO_GPU else "app.py"
    shutil.copy(_TEMPLATES / app, folder / "app.py")
    (folder / DESCRIPTION).write_text(json.dumps({"models": [served]}) + "\n", "utf-8")
    (folder / "requirements.txt").write_text("\n".join(_requirements()) + "\n", "utf-8")
    if thumbnail := _thumbnail(classifier):
        (folder / _THUMBNAIL).write_bytes(thumbnail)
        card["thumbnail"] = f"{_HUB}/spaces/{settings.repo_id}/resolve/main/{_THUMBNAIL}"
    (folder / "README.md").write_text(_readme(settings.repo_id, card), "utf-8")


def _thumbnail(classifier: Classifier) -> bytes | None:
    """Return what links to the Space show: the first example that the model knows, answered."""
    model = PageModel(name_of(classifier.checkpoint.folder), classifier)
    answers = ((photo, model.predict(str(photo))) for photo in model.examples.values())
    known = next(((str(photo), answer) for photo, answer in answers if answer.known), None)
    if known is None:
        return None
    photo, answer = known
    return draw_thumbnail(model.decoded(photo).picture, answer, model.wording)


def _readme(repo_id: str, card: dict[str, Any]) -> str:
    from huggingface_hub import SpaceCardData

    name = repo_id.partition("/")[2]
    head = SpaceCardData(
        title=name,
        emoji="\N{SLICE OF PIZZA}",
        colorFrom="yellow",
        colorTo="red",
        sdk="gradio",
        sdk_version=version("gradio"),
        python_version=_PYTHON,
        app_file="app.py",
        short_description="Classifies photos, and detects photos of other things",
        license="apache-2.0",
        **card,
    ).to_yaml()
    return f"---\n{head}\n---\n\n# {name}\n\nMade with foodvision {foodvision.__version__}.\n"


def _requirements() -> list[str]:
    """Return what the page needs and the platform does not bring."""
    try:
        asked = [line for line in requires("foodvision") or [] if "extra ==" not in line]
    except PackageNotFoundError:  # a checkout that was not installed
        lines = (_PACKAGE.parent / "requirements.txt").read_text("utf-8").splitlines()
        asked = [line.partition("#")[0].strip() for line in lines]
    return [line for line in asked if line and _name(line) not in (*_BROUGHT, *_LEFT_OUT)]


def _name(requirement: str) -> str:
    return re.split(r"[^\w.-]", requirement, maxsplit=1)[0].replace("-", "_")


def _copy_package(target: Path) -> None:
    left_out = shutil.ignore_patterns("__pycache__", "*.pyc", "*.pyi", "bundled")
    shutil.copytree(_PACKAGE, target, ignore=left_out)


def _copy_checkpoint(classifier: Classifier, target: Path) -> None:
    source = classifier.checkpoint.folder
    # The weights are for who trains: a Space answers with the graph.
    paths = [path for path in checkpoint_files(source) if path.name != WEIGHTS]
    copied = {path.relative_to(source): path for path in paths}
    for path in example_photos(classifier.checkpoint):  # of the model that ships they lie elsewhere
        copied[Path("examples", path.name)] = path
    if os.path.lexists(card := source / "README.md"):  # it may have been taken away
        check_published(card, source)
        copied[Path(card.name)] = card
    for name, path in copied.items():
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target / name)


def _is_public(repo_id: str) -> bool:
    """Whether the platform, which has nobody's token, may download a model."""
    from huggingface_hub import HfApi

    with translate_hub_errors(repo_id):
        info = RepoInfo.model_validate(HfApi().model_info(repo_id))
    return not (info.private or info.gated)


def _preload(classifier: Classifier, repo_id: str, commit: str) -> str:
    """Return what the platform downloads before the page starts: the files that were tested here.

    Those whose names the line cannot hold are downloaded when it starts.
    """
    folder = classifier.checkpoint.folder
    # The weights lie there if somebody trained from the model; a Space answers with the graph.
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != WEIGHTS)
    names = (path.relative_to(folder).as_posix() for path in files)
    return f"{repo_id} {','.join(name for name in names if not re.search(r'[ ,]', name))} {commit}"
