"""`foodvision predict --ray`: photos are found here and predicted on a Ray cluster."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from foodvision.checkpoint import read_checkpoint
from foodvision.classifier import find_checkpoint
from foodvision.cli.many_photos import check_photos, list_photos
from foodvision.cluster.connection import connected
from foodvision.cluster.predicting import ClusterRun, predict_on_cluster
from foodvision.cluster.remote import is_remote, remote_files
from foodvision.cluster.sources import Found
from foodvision.system.terminal import say


def predict_with_ray(
    photos: Sequence[str], model: str | None, address: str, run: ClusterRun
) -> int:
    """Predict photos and write the answers; return the exit status, 1 if any cannot be read.

    photos: what `foodvision predict` takes, and addresses.
    """
    local = [name for name in photos if not is_remote(name)]
    if local or not photos:
        check_photos(local)
    checkpoint = read_checkpoint(find_checkpoint(model))
    run = replace(run, top=min(run.top, len(checkpoint.config.classes)))
    with connected(address, run.processors):
        outcome = predict_on_cluster(checkpoint, _found(photos), run)
    unreadable = f", {outcome.unreadable:,} unreadable" if outcome.unreadable else ""
    noun = "photo" if outcome.photos == 1 else "photos"
    say(f"{run.out}: {outcome.photos:,} {noun}{unreadable}")
    return 1 if outcome.unreadable else 0


def _found(photos: Sequence[str]) -> Iterator[Found]:
    for name in photos:
        if is_remote(name):
            yield from (Found(address, address) for address in remote_files(name))
        else:
            for photo in list_photos([name]):
                path = str(photo.path.absolute())
                yield Found(photo.name, path, str(photo.fault) if photo.fault else None)
