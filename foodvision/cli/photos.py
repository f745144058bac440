"""What is wrong with photos."""

from pathlib import Path

from foodvision.cli.options import ModelName, Switch
from foodvision.errors import SettingsError
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
) -> int:
    """Say what is in a folder of photos and what is wrong with it; no file is changed.

    The exit status is 1 if something severe was found (a photo that cannot be read, is there
    twice, lies in two splits or under two labels), else 0.

    Parameters
    ----------
    source:
        A folder, .zip or .tar.gz with class folders, or with train/ and test/ of them; or another
        source that `train` takes.
    model:
        Whose features tell wrong labels and crops: a checkpoint folder, or user/name on the Hub;
        the model that ships if not given. Its classes do not matter.
    json:
        One JSON object: sound, photos, counts, findings, exclude, suspects, left_out, notes.
    html:
        Also write a page with pictures to this file.
    write_exclude:
        Also list the photos that training is better without, for `train --exclude`; of test/ only
        those that cannot be read.
    exclude_suspects:
        List also those whose label only looks wrong, with --write-exclude or --json.
    """
    from foodvision.classifier import load
    from foodvision.data import open_photos
    from foodvision.inspection.inspect import inspect_photos
    from foodvision.reports.documents import check_place
    from foodvision.reports.inspection import write_exclude_list, write_inspection

    if exclude_suspects and not (write_exclude or json):
        raise SettingsError(
            "--exclude-suspects is for the list that --write-exclude FILE or --json writes: add one"
        )
    if html:
        check_place(html)
    if write_exclude:
        check_place(write_exclude, "exclude.txt")
    classifier = load(model)
    with open_photos(source) as photos:
        inspection = inspect_photos(photos, classifier)
        if html:
            write_inspection(html, inspection, photos.root, source, photos.paths())
    if write_exclude:
        write_exclude_list(write_exclude, inspection, suspects=exclude_suspects)
    if json:
        say_json(inspection.to_dict(suspects=exclude_suspects))
    else:
        from foodvision.cli.tables import print_inspection

        print_inspection(inspection, listed=write_exclude is not None)
        for written in filter(None, (html, write_exclude)):
            say(f"Written: {written}")
    return 0 if inspection.is_sound else 1
