"""Whether a running Space answers as the model does here."""

import io
import re
from contextlib import redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict

from foodvision.checkpoint import BUNDLED, read_checkpoint
from foodvision.classifier import Classifier, load
from foodvision.deploy.folder import DESCRIPTION
from foodvision.errors import HubError, first_line, one_line
from foodvision.hub.answers import SpaceInfo, SpaceRuntime
from foodvision.hub.client import is_repo_id, translate_hub_errors
from foodvision.hub.download import fetch_space
from foodvision.page.examples import example_photos
from foodvision.safety.files import FileError, check_inside, read_json
from foodvision.safety.schema import Name

# Between machines the same graph sums in another order.
_TOLERATED_DIFFERENCE = 0.01

_PATIENCE = 600.0  # seconds for a Space that was asleep
_BETWEEN = 5.0  # seconds between two looks at it

# Where the Hub runs Spaces.
_OF_THE_HUB = re.compile(r"https://[A-Za-z0-9-]+\.hf\.space/?")


class _Description(TypedDict):
    """`space.json`: the models that a Space serves."""

    models: Annotated[list[Name], Field(min_length=1)]


@dataclass(frozen=True)
class SpaceCheck:
    """What a Space answered: its address, and how many photos it was asked about."""

    url: str
    photos: int


def check_space(repo_id: str) -> SpaceCheck:
    """Send photos to a running Space and compare its answers with those given here.

    The photos are the model's examples, or one of ours if it has none. A Space that is asleep is
    woken.

    Raises HubError if it is not there or does not run, or if an answer differs in its dish or by
    more than 0.01 in its confidence.
    """
    from huggingface_hub import HfApi

    classifier = served_model(repo_id)
    # Without examples, of one of ours: the answer is right if it is the same here.
    photos = example_photos(classifier.checkpoint) or example_photos(read_checkpoint(BUNDLED))[:1]
    api = HfApi()
    wait_for_stage(api, repo_id, _PATIENCE)
    with translate_hub_errors(repo_id):
        url = SpaceInfo.model_validate(api.space_info(repo_id)).host
    if not url:
        raise HubError(f"{repo_id} has no address yet: see https://huggingface.co/spaces/{repo_id}")
    answers = _ask(repo_id, url, photos)
    for photo, answer in zip(photos, answers, strict=True):
        _compare(f"{repo_id} answers {photo.name}", answer, classifier, photo)
    return SpaceCheck(url, len(photos))


def _ask(repo_id: str, url: str, photos: list[Path]) -> list[Any]:
    """Return what a page answers for photos.

    The token goes along to the Hub's own domain alone: the address is what the Hub says.
    """
    from gradio_client import Client, handle_file  # type: ignore[import-untyped]
    from huggingface_hub import get_token

    token = get_token() if _OF_THE_HUB.fullmatch(url) else None
    try:
        # Its threads print what goes wrong in them.
        with redirect_stderr(io.StringIO()):
            # False: by itself it would send the token that lies on this machine.
            client = Client(url, token=token or False, verbose=False, analytics_enabled=False)
            jobs = [client.submit(handle_file(photo), api_name="/predict") for photo in photos]
            return [job.result(timeout=_PATIENCE) for job in jobs]
    except Exception as error:  # the client raises whatever the page or the network gave it
        raise HubError(
            f"{repo_id} at {url} does not respond ({one_line(first_line(error))}): see its log"
        ) from error


def wait_for_stage(api: Any, repo_id: str, timeout: float) -> str:
    """Wait until a Space is built and started, awake, and return the stage in which it ends.

    timeout: seconds that this may take.

    Raises HubError for one that is paused, or takes longer.
    """
    page = f"https://huggingface.co/spaces/{repo_id}"

    def wait() -> str:
        runtime = api.wait_for_space(repo_id, timeout=timeout, poll_interval=_BETWEEN)
        return SpaceRuntime.model_validate(runtime).stage

    with translate_hub_errors(repo_id):
        try:
            stage = wait()
            if stage == "SLEEPING":
                api.restart_space(repo_id)
                stage = wait()
        except TimeoutError:
            raise HubError(
                f"{repo_id} is not running after {timeout:.0f} seconds: see its log at {page}, "
                f"then run foodvision deploy {repo_id} --check"
            ) from None
    if stage == "PAUSED":
        raise HubError(
            f"{repo_id} is paused: restart it at {page}/settings, then run foodvision deploy "
            f"{repo_id} --check"
        )
    return stage


def served_model(repo_id: str) -> Classifier:
    """Load the model that a Space serves, the first of several, as its repository says.

    Raises HubError or CheckpointError if it is no Space of ours.
    """
    folder = fetch_space(repo_id, [DESCRIPTION, "checkpoint/*"])
    try:
        name = read_json(folder / DESCRIPTION, _Description)["models"][0]
        if (folder / name).is_dir():
            check_inside(folder / name, folder)
    except FileError as fault:
        raise HubError(
            f"{repo_id} has no {DESCRIPTION} that names a model ({fault}): was the Space created "
            "by foodvision deploy?"
        ) from None
    if (folder / name).is_dir():
        return load(folder / name)
    if not is_repo_id(name.partition("@")[0]):  # it may name any folder of this disk
        raise HubError(
            f"{repo_id} serves {one_line(name, 100)!r}, which is not a model on the Hub: was the "
            "Space created by foodvision deploy?"
        )
    return load(name)


def _compare(what: str, answer: Any, classifier: Classifier, photo: Path) -> None:
    here = classifier.predict(photo)
    try:
        label, confidence = str(answer["label"]), float(answer["confidence"])
    except (LookupError, TypeError, ValueError):
        raise HubError(
            f"{what} without a label and confidence: was the Space created by foodvision deploy?"
        ) from None
    # Written so that no number, which compares with nothing, does not pass.
    if label == here.label and abs(confidence - here.confidence) <= _TOLERATED_DIFFERENCE:
        return
    raise HubError(
        f"{what} with {one_line(label, 100)} ({confidence}), but the model here gives "
        f"{here.label} ({here.confidence}): deploy it again"
    )
