"""Whether a running Space answers as the model does here."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from foodvision.classifier import Classifier, load
from foodvision.deploy.folder import DESCRIPTION
from foodvision.errors import HubError, first_line
from foodvision.files import FileError, check_inside, read_json
from foodvision.hub.client import told
from foodvision.schema import Name
from foodvision.web.models import example_photos

# Between machines the same graph sums in another order.
_TOLERATED_DIFFERENCE = 0.01

_PATIENCE = 600.0  # seconds for a Space that was asleep


class _Description(TypedDict):
    """`space.json`: the models that a Space serves."""

    models: Annotated[list[Name], Field(min_length=1)]


@dataclass(frozen=True)
class SpaceCheck:
    """What a Space answered: its address, and how many example photos it was asked for."""

    url: str
    photos: int


def check_space(repo_id: str) -> SpaceCheck:
    """Send the example photos to a running Space and compare its answers with those given here.

    One that is asleep is woken.

    Raises HubError if it is not there or does not run, if it has no example photos, or if an
    answer differs in its dish or by more than 0.01 in its confidence.
    """
    from gradio_client import Client, handle_file  # type: ignore[import-untyped]
    from huggingface_hub import HfApi, get_token

    classifier = served_model(repo_id)
    photos = example_photos(classifier.checkpoint)
    if not photos:
        raise HubError(f"{repo_id}: its model has no examples/ to ask it about: add photos there")
    api = HfApi()
    wait_for_stage(api, repo_id, _PATIENCE)
    with told(repo_id):
        url = api.space_info(repo_id).host
    if not url:
        raise HubError(f"{repo_id} has no address yet: see https://huggingface.co/spaces/{repo_id}")
    try:
        client = Client(url, token=get_token(), verbose=False)
        answers = [client.predict(handle_file(photo), api_name="/predict") for photo in photos]
    except Exception as error:  # the client raises whatever the page or the network gave it
        raise HubError(
            f"{repo_id} at {url} does not answer ({first_line(error)}): look at its log"
        ) from error
    for photo, answer in zip(photos, answers, strict=True):
        _compare(f"{repo_id} answers {photo.name}", answer, classifier, photo)
    return SpaceCheck(url, len(photos))


def wait_for_stage(api: Any, repo_id: str, timeout: float) -> str:
    """Wait until a Space is built and started, awake, and return the stage in which it ends.

    timeout: seconds that this may take.

    Raises HubError for one that is paused, or takes longer.
    """
    page = f"https://huggingface.co/spaces/{repo_id}"
    with told(repo_id):
        try:
            stage = api.wait_for_space(repo_id, timeout=timeout).stage
            if stage == "SLEEPING":
                api.restart_space(repo_id)
                stage = api.wait_for_space(repo_id, timeout=timeout).stage
        except TimeoutError:
            raise HubError(
                f"{repo_id} does not run after {timeout:.0f} seconds: look at its log at {page}, "
                f"then foodvision deploy {repo_id} --check"
            ) from None
    if stage == "PAUSED":
        raise HubError(
            f"{repo_id} is paused: restart it at {page}/settings, then foodvision deploy {repo_id} "
            "--check"
        )
    return str(stage)


def served_model(repo_id: str) -> Classifier:
    """Load the model that a Space serves, the first of several, as its repository says.

    Raises HubError or CheckpointError if it is no Space of ours.
    """
    from huggingface_hub import snapshot_download

    with told(repo_id):
        folder = Path(
            snapshot_download(
                repo_id, repo_type="space", allow_patterns=[DESCRIPTION, "checkpoint/*"]
            )
        )
    try:
        name = read_json(folder / DESCRIPTION, _Description)["models"][0]
        if (folder / name).is_dir():
            check_inside(folder / name, folder)
    except FileError as fault:
        raise HubError(
            f"{repo_id} has no {DESCRIPTION} that names a model ({fault}): "
            "was it made by foodvision deploy?"
        ) from None
    return load(folder / name if (folder / name).is_dir() else name)


def _compare(what: str, answer: dict[str, object], classifier: Classifier, photo: Path) -> None:
    here = classifier.predict(photo)
    difference = abs(float(str(answer["confidence"])) - here.confidence)
    if answer["label"] != here.label or difference > _TOLERATED_DIFFERENCE:
        raise HubError(
            f"{what} with {answer['label']} ({answer['confidence']}), here it is {here.label} "
            f"({here.confidence}): deploy it again"
        )
