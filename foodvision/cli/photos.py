"""The command that checks photos: data."""

from pathlib import Path

from foodvision.cli.options import All, ModelName, Switch
from foodvision.cli.places import check_place
from foodvision.system.terminal import say, say_json


def data(
    source: str,
    /,
    *,
    model: ModelName = None,
    json: Switch = False,
    html: Path | None = None,
    write_exclude: Path | None = None,
    exclude_suspects: Switch = False,
    show_all: All = False,
) -> int:
    """Check photos for problems before training.

    No file is changed. The exit status is 1 for a severe finding: an unreadable photo, a
    duplicate, or a photo that is in two splits or has two labels.

    Parameters
    ----------
    source:
        Photos: a folder, .zip or .tar.gz with class folders, or with class folders in train/ and
        test/; or any other source that `train` accepts.
    model:
        The model whose features find wrong labels and crops of the same photo: a checkpoint or run
        folder, or user/name on the Hub. Its classes do not matter. The default is foodvision_101.
    json:
        Print one JSON object: sound, photos, counts, findings, exclude, suspects, left_out, notes.
    html:
        Also write a report with pictures to this file.
    write_exclude:
        Also write a list of photos to exclude, for `train --exclude`. From test/, only unreadable
        photos are listed.
    exclude_suspects:
        With --write-exclude or --json, also list photos whose label looks wrong.
    show_all:
        List all classes and findings. By default, the 30 smallest classes and 5 findings of each
        kind are listed.
    """
    from foodvision.classifier import load
    from foodvision.data import open_photos
    from foodvision.inspection.inspect import inspect_photos
    from foodvision.reports.inspection import write_exclude_list, write_inspection

    check_place(html)
    check_place(write_exclude, "exclude.txt")
    classifier = load(model)
    with open_photos(source) as photos:
        inspection = inspect_photos(photos, classifier, source)
        if html:
            write_inspection(html, inspection, photos.root, source, photos.paths())
    if write_exclude:
        write_exclude_list(write_exclude, inspection, suspects=exclude_suspects)
    if json:
        say_json(inspection.to_dict(suspects=exclude_suspects))
    else:
        from foodvision.cli.tables import SHOW_ALL, print_inspection

        rest = None if show_all else SHOW_ALL
        print_inspection(inspection, listed=write_exclude is not None, rest=rest)
        for written in filter(None, (html, write_exclude)):
            say(f"Written: {written}")
    return 0 if inspection.is_sound else 1
