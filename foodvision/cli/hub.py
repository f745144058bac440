"""Between this machine and the Hugging Face Hub."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from foodvision.cli.options import ModelName, Split, Switch
from foodvision.errors import SettingsError
from foodvision.system.terminal import say

if TYPE_CHECKING:
    from foodvision.hub import Pushed

Named = Annotated[tuple[str, ...], Parameter(negative="")]


def push(
    checkpoint: str,
    name: str,
    /,
    *,
    private: Switch = False,
    revision: str | None = None,
    license: Annotated[str | None, Parameter(name="--license")] = None,  # noqa: A002
    examples: Path | None = None,
    dry_run: Switch = False,
) -> None:
    """Upload a model to the Hugging Face Hub.

    The model card with its measured accuracy is uploaded with it.

    Parameters
    ----------
    checkpoint:
        A checkpoint folder, or the folder of a run.
    name:
        Where it goes, as user/name; created if it is not there.
    private:
        For its owner alone; refused where it is there already and public.
    revision:
        A branch, created if it is not there.
    license:
        Of the weights, as the Hub names licences (apache-2.0, cc-by-nc-4.0, ...); "other" if not
        given.
    examples:
        A folder of photos for the model's page to offer. They are made smaller, lose place, time
        and camera, and are put into the checkpoint, from where everybody can see them.
    dry_run:
        List what would be pushed, and ask nobody for anything.
    """
    from foodvision.checkpoint import read_checkpoint
    from foodvision.classifier import find_checkpoint
    from foodvision.hub import files_to_push, push_checkpoint
    from foodvision.page.examples import add_examples, photos_to_show

    found = read_checkpoint(find_checkpoint(checkpoint))
    if examples and not Path(checkpoint).is_dir():
        raise SettingsError(f"examples are put into a folder, and {checkpoint} is none: name one")
    if examples:
        for photo, target in add_examples(found, photos_to_show(examples)):
            say(f"{photo} is an example now: {target}")
    if dry_run:
        for path, content in files_to_push(found, name, license).items():
            say(f"{len(content):>12,} bytes  {path}")
        say(f"would be pushed to {name}")
        return
    pushed = push_checkpoint(found, name, private=private, revision=revision, license=license)
    say_pushed(pushed, name)


def say_pushed(pushed: "Pushed", name: str) -> None:
    """Say where a model is now, and the next command."""
    say(f"Pushed to {pushed.url} (commit {pushed.commit})")
    say(f"Make it a page: foodvision deploy {name}-page --model {name}")


def verify(model: str, data: str, /, *, split: Split = "test") -> int:
    """Measure a published model again and check its card.

    The card holds if its figures lie in the 95% intervals of what is measured now. If it does
    not, the exit status is 1.

    Parameters
    ----------
    model:
        user/name on the Hub, or a checkpoint folder.
    data:
        The test photos, as evaluate takes them.
    split:
        Which photos to judge: train, val, test or all.
    """
    from foodvision.checkpoint import check_figures
    from foodvision.classifier import load
    from foodvision.cli.tables import claims_table, console
    from foodvision.data import open_photos
    from foodvision.evaluation import choose_split, evaluate

    classifier = load(model)
    check_figures(classifier.checkpoint)
    with open_photos(data) as photos:
        found = evaluate(classifier, choose_split(photos, split, classifier.config))
    table, holds = claims_table(classifier.config.figures.get("test", {}), found)
    console().print(table)
    say(f"the card of {model} {'holds' if holds else 'does not hold'}")
    return 0 if holds else 1


def deploy(
    space: str,
    /,
    *,
    model: ModelName = None,
    static: Switch = False,
    hardware: str | None = None,
    private: Switch = False,
    secret: Named = (),
    variable: Named = (),
    dry_run: Switch = False,
    check: Switch = False,
) -> None:
    """Put a model online as a Hugging Face Space.

    The Gradio Space is created or updated, and its predictions are compared with the model's.

    Parameters
    ----------
    space:
        Its name, as user/space.
    model:
        user/name on the Hub, or a checkpoint folder, which goes along; the model that ships if not
        given.
    static:
        A static Space, whose page answers in the visitor's browser: free to every account.
    hardware:
        As the Hub names it: if not given, cpu-basic, or what the Space has already; zero-a10g for
        ZeroGPU, which a free account may have.
    private:
        For its owner alone; refused where it is there already and public.
    secret:
        Name of an environment variable that becomes a secret of the Space; its value is not shown.
    variable:
        NAME=VALUE of a variable of the Space, which everybody can read.
    dry_run:
        Write the folder that would be uploaded and say what would happen; changes nothing on the
        Hub, from which the model may be downloaded.
    check:
        Only compare the running Space's answers with those of its model here; it is woken if it
        sleeps.
    """
    from foodvision.classifier import BUNDLED_NAME
    from foodvision.deploy import (
        SpaceSettings,
        check_space,
        deploy_space,
        deploy_static,
        try_space,
    )
    from foodvision.hub import check_name

    check_name(space)
    settings = SpaceSettings(space, model or BUNDLED_NAME, hardware, private)
    secrets, variables = _from_environment(secret), _pairs(variable)
    if static:
        if hardware or secret or variable or check or dry_run:
            raise SettingsError(
                "--static goes with --model and --private alone: "
                "foodvision export writes the folder without uploading it"
            )
        say(f"{deploy_static(settings)} answers in the visitor's browser")
        return
    if check and (model or hardware or private or secret or variable or dry_run):
        raise SettingsError(
            "--check asks the Space as it is: leave out --model, --hardware, --private, --secret, "
            "--variable and --dry-run"
        )
    if dry_run:
        try_space(settings, (*secrets, *variables))
        return
    if check:
        checked = check_space(space)
    else:
        checked = deploy_space(settings, secrets=secrets, variables=variables)
    photos = "a photo" if checked.photos == 1 else f"{checked.photos} photos"
    say(f"{checked.url} answers {photos} as the model does here")


def _from_environment(names: Sequence[str]) -> dict[str, str]:
    for name in names:
        if name not in os.environ:
            # What stands behind a "=" may be the secret itself.
            name = name.partition("=")[0]
            raise SettingsError(
                f"--secret takes the name of an environment variable, and {name} is none: set it"
            )
    return {name: os.environ[name] for name in names}


def _pairs(settings: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not name or not equals:
            raise SettingsError(f"--variable {setting}: it should be NAME=VALUE")
        pairs[name] = value
    return pairs
