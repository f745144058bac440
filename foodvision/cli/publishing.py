"""A model made public: pushed to the Hub, shown as a page, exported, and verified."""

import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from foodvision.cli.example_photos import publish_examples
from foodvision.cli.options import ModelName, Names, Split, Switch
from foodvision.errors import SettingsError
from foodvision.system.terminal import complain, say

if TYPE_CHECKING:
    from foodvision.checkpoint import Checkpoint
    from foodvision.hub.push import Pushed


def push(
    checkpoint: str,
    name: str,
    /,
    *,
    private: Switch = False,
    revision: str | None = None,
    license: Annotated[str | None, Parameter(name="--license")] = None,  # noqa: A002
    examples: str | None = None,
    dry_run: Switch = False,
) -> None:
    """Upload a model to the Hugging Face Hub.

    The model card with its measured accuracy is uploaded with it.

    Parameters
    ----------
    checkpoint:
        A checkpoint or run folder.
    name:
        Where to upload it, as user/name. The repository is created if needed.
    private:
        Create a private repository. Refused if it exists and is public.
    revision:
        The branch to push to, created if needed. The default is main.
    license:
        Licence of the weights, by its name on the Hub, such as apache-2.0 or cc-by-nc-4.0. The
        default is "other".
    examples:
        A folder of photos that the model's page offers to try. The copies are smaller, have no
        place, time and camera, and become public with the checkpoint. "auto" chooses up to eight
        test photos of the run.
    dry_run:
        List the files without uploading them. Works offline.
    """
    from foodvision.checkpoint import read_checkpoint
    from foodvision.classifier import find_checkpoint
    from foodvision.hub.push import files_to_push, push_checkpoint

    found = read_checkpoint(find_checkpoint(checkpoint))
    if examples:
        publish_examples(checkpoint, found, examples)
    if dry_run:
        for path, content in files_to_push(found, name, license).items():
            say(f"{len(content):>12,} bytes  {path}")
        options = {"--revision": revision, "--license": license}
        words = ["push", checkpoint, name, *(["--private"] if private else [])]
        words += [f"{option}={value}" for option, value in options.items() if value]
        say(f"Upload these files: foodvision {shlex.join(words)}")
        return
    pushed = push_checkpoint(found, name, private=private, revision=revision, license=license)
    say_pushed(pushed, found, name if revision is None else f"{name}@{revision}")


def say_pushed(pushed: "Pushed", checkpoint: "Checkpoint", model: str) -> None:
    """Say where a model is now, and the next command, which every account may run.

    model: where it was pushed to, as user/name or user/name@revision.
    """
    if pushed.changed:
        say(f"Pushed to {pushed.url} (commit {pushed.commit})")
    else:
        say(f"{pushed.url} already has this checkpoint (commit {pushed.commit}), nothing changed")
    if checkpoint.config.preprocess.white:  # which no page in the browser takes
        say(f"Serve a page with it: foodvision demo --model {model}")
        return
    # A page in the browser contains the model, so it shows it to everybody who sees the page.
    private = " --private" if pushed.private else ""
    say(
        "Create a page with it, free for every account: foodvision deploy "
        f"{model.partition('@')[0]}-page --model {model} --static{private}"
    )


def verify(model: str, data: str, /, *, split: Split | None = None) -> int:
    """Measure a published model again and check its card.

    The card is confirmed if its figures lie in the 95% intervals of the new measurement.
    Otherwise, the exit status is 1.

    Parameters
    ----------
    model:
        user/name on the Hub, or a checkpoint folder.
    data:
        The test photos, as in evaluate.
    split:
        Which photos to use: train, val, test or all. The default is test, or all photos where there
        are no splits.
    """
    from foodvision.checkpoint import check_figures
    from foodvision.classifier import load
    from foodvision.cli.tables import claims_table, console
    from foodvision.data import open_photos
    from foodvision.evaluation.judge import evaluate
    from foodvision.runs.photos import photos_to_judge

    classifier = load(model)
    check_figures(classifier.checkpoint)
    with open_photos(data) as photos:
        chosen = photos_to_judge(photos, split, classifier.checkpoint, data)
        for note in chosen.notes:
            complain(note)
        found = evaluate(classifier, chosen.photos)
    table, holds = claims_table(classifier.config.figures.get("test", {}), found)
    console().print(table)
    say(f"the card of {model} is {'confirmed' if holds else 'not confirmed'}")
    return 0 if holds else 1


def deploy(
    space: str,
    /,
    *,
    model: ModelName = None,
    static: Switch = False,
    hardware: str | None = None,
    private: Switch = False,
    secret: Names = (),
    variable: Names = (),
    examples: str | None = None,
    dry_run: Switch = False,
    check: Switch = False,
) -> None:
    """Put a model online as a Hugging Face Space.

    The Gradio Space is created or updated, and its predictions are compared with the model's.

    Parameters
    ----------
    space:
        Name of the Space, as user/space.
    model:
        The model: user/name on the Hub, or a checkpoint folder, which is uploaded with the page.
        The default is foodvision_101.
    static:
        Create a static Space: the model runs in the visitor's browser. Free for every account.
    hardware:
        The Space's hardware, by its name on the Hub. The default is cpu-basic, or what the Space
        has. zero-a10g is ZeroGPU, which is free.
    private:
        Create a private Space. Refused if it exists and is public.
    secret:
        Name of an environment variable to set as a secret of the Space. Its value is not shown.
        Repeat it for several.
    variable:
        NAME=VALUE of a public variable of the Space. Repeat it for several.
    examples:
        Photos for the page to offer, as for push. Only with a checkpoint folder.
    dry_run:
        Write the folder to upload and list the steps, without changing anything on the Hub. The
        model may be downloaded.
    check:
        Only compare the running Space's predictions with its model's. A sleeping Space is woken.
    """
    from foodvision.checkpoint import read_checkpoint
    from foodvision.classifier import BUNDLED_NAME, find_checkpoint
    from foodvision.deploy.checking import check_space
    from foodvision.deploy.folder import SpaceSettings
    from foodvision.deploy.space import deploy_space, deploy_static, try_space
    from foodvision.hub.client import check_name

    check_name(space)
    settings = SpaceSettings(space, model or BUNDLED_NAME, hardware, private)
    secrets, variables = _from_environment(secret), _pairs(variable)
    if examples:
        publish_examples(settings.model, read_checkpoint(find_checkpoint(settings.model)), examples)
    if static:
        say(f"{deploy_static(settings)} now runs in the visitor's browser")
        return
    if dry_run:
        try_space(settings, list(secrets), variables)
        return
    checked = (
        check_space(space)
        if check
        else deploy_space(settings, secrets=secrets, variables=variables)
    )
    photos = "a photo" if checked.photos == 1 else f"{checked.photos} photos"
    say(f"{checked.url} gives the same predictions as the model here, for {photos}")


def export(checkpoint: str, folder: Path, /, *, cdn: Switch = False) -> None:
    """Write a page that runs the model in the visitor's browser.

    Any static host can serve the folder.

    Parameters
    ----------
    checkpoint:
        A checkpoint or run folder, user/name on the Hub, or foodvision_101.
    folder:
        Folder to write. A page exported there before is replaced.
    cdn:
        Load onnxruntime-web from a CDN instead of copying it into the folder.
    """
    from foodvision.browser import write_site
    from foodvision.checkpoint import read_checkpoint
    from foodvision.classifier import find_checkpoint

    write_site(read_checkpoint(find_checkpoint(checkpoint)), folder, cdn=cdn)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    say(
        f"Wrote {folder} ({size / 1e6:.1f} MB). "
        f"Preview it: python -m http.server --directory {folder}"
    )


def _from_environment(names: Sequence[str]) -> dict[str, str]:
    for name in names:
        if name not in os.environ:
            # What stands behind a "=" may be the secret itself.
            name = name.partition("=")[0]
            raise SettingsError(
                f"--secret {name}: no environment variable has this name; set it first"
            )
    return {name: os.environ[name] for name in names}


def _pairs(settings: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise SettingsError(f"--variable {setting}: write NAME=VALUE")
        pairs[name] = value
    return pairs
