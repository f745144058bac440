"""Links in a checkpoint's folder: what lies elsewhere on the disk is never read, shown or sent."""

import os
import shutil
from pathlib import Path

import pytest
from conftest import EXAMPLES, make_photo

from foodvision.browser import write_site
from foodvision.checkpoint import check_figures, read_card, read_checkpoint, weights_file
from foodvision.classifier import Classifier
from foodvision.deploy.folder import SpaceSettings, write_space
from foodvision.errors import CheckpointError, FoodVisionError, PhotoError
from foodvision.hub.push import files_to_push
from foodvision.page.models import PageModel

SECRET = b"the secret"


@pytest.fixture
def folder(fruit_checkpoint, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "cloned" / "fruit")
    make_photo(folder / "examples" / "kiwi.jpg", (60, 190, 60), seed=1)
    return folder


@pytest.fixture
def secret(tmp_path):
    """A file and a photo that are nobody else's."""
    place = tmp_path / "home"
    make_photo(place / "photo.jpg", (1, 2, 3), seed=2)
    (place / "secret.txt").write_bytes(SECRET)
    return place


def replace_by_link(path, target):
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


def read(folder, place):
    checkpoint = read_checkpoint(folder)
    read_card(checkpoint)
    check_figures(checkpoint)
    weights_file(checkpoint)


def open_page(folder, place):
    PageModel("fruit", Classifier(read_checkpoint(folder)))


def push(folder, place):
    files_to_push(read_checkpoint(folder), "cook/fruit")


def deploy(folder, place):
    (place / "space").mkdir()
    write_space(place / "space", SpaceSettings("cook/fruit", str(folder)))


def export(folder, place):
    write_site(read_checkpoint(folder), place / "site", cdn=True)


READ = ("config.json", "model.onnx", "README.md", "model.safetensors")
SENT = ("page.json", "pictures/p.txt", "examples/a.jpg")


@pytest.mark.parametrize(
    ("route", "names"),
    [
        (read, READ),
        (open_page, ("page.json", "examples/a.jpg")),
        (push, (*READ, *SENT)),
        (deploy, ("config.json", "model.onnx", "README.md", *SENT)),
        (export, ("config.json", "model.onnx", "page.json", "examples/a.jpg")),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_link_that_leaves_the_folder_is_refused_by_its_name(route, names, folder, secret, tmp_path):
    for number, name in enumerate(names):
        changed = shutil.copytree(folder, tmp_path / f"cloned {number}")
        # What it links to would be taken for the file itself.
        target = (secret / "photo.jpg" if name.endswith(".jpg") else folder / name).absolute()
        if not target.exists():
            target = secret / "secret.txt"
        replace_by_link(changed / name, target)
        place = tmp_path / f"out {number}"
        place.mkdir()
        with pytest.raises(CheckpointError) as caught:
            route(changed, place)
        assert str(caught.value).startswith(f"{changed / name}: is a link that leaves the folder; ")
        assert not [
            path for path in place.rglob("*") if path.is_file() and SECRET in path.read_bytes()
        ]


@pytest.mark.parametrize("route", [push, deploy, export, open_page])
def test_folder_of_examples_that_is_a_link_is_refused(route, folder, secret, tmp_path):
    shutil.rmtree(folder / "examples")
    (folder / "examples").symlink_to(secret)
    with pytest.raises(CheckpointError, match="examples: is a link that leaves the folder"):
        route(folder, tmp_path)


def test_link_by_way_of_another_link_is_refused(folder, secret, tmp_path):
    (folder / "pictures" / "way").symlink_to(secret)
    replace_by_link(folder / "examples" / "a.jpg", Path("../pictures/way/photo.jpg"))
    with pytest.raises(CheckpointError, match=r"a\.jpg: is a link that leaves the folder"):
        push(folder, tmp_path)


def test_run_whose_checkpoint_lies_elsewhere_is_refused(folder, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "checkpoint").symlink_to(folder)
    with pytest.raises(
        CheckpointError, match="checkpoint: is a link that leaves the folder; give the folder"
    ):
        read_checkpoint(tmp_path / "run")


def test_link_that_leads_nowhere_or_around_is_one_line(folder, tmp_path):
    for name, target in (("a.jpg", "nowhere.jpg"), ("b.jpg", "b.jpg")):
        (folder / "examples" / name).symlink_to(target)
        with pytest.raises(CheckpointError, match=rf"{name}: cannot be read \(.*\); replace it"):
            push(folder, tmp_path)
        (folder / "examples" / name).unlink()


def test_link_inside_of_the_folder_stays(folder, tmp_path):
    (folder / "examples" / "again.jpg").symlink_to("kiwi.jpg")
    (tmp_path / "link").symlink_to(folder)
    files = files_to_push(read_checkpoint(tmp_path / "link"), "cook/fruit")
    assert files["examples/again.jpg"] == files["examples/kiwi.jpg"]


def test_hubs_cache_whose_files_are_links_stays(folder, tmp_path):
    snapshot = tmp_path / "models--cook--fruit" / "snapshots" / "0123"
    blobs = snapshot.parents[1] / "blobs"
    blobs.mkdir(parents=True)
    for number, path in enumerate(sorted(folder.rglob("*.*"))):
        shutil.copy(path, blobs / str(number))
        link = snapshot / path.relative_to(folder)
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blobs / str(number), link.parent))
    for route in (read, open_page, push, deploy, export):
        place = tmp_path / route.__name__
        place.mkdir()
        route(snapshot, place)
    replace_by_link(snapshot / "examples" / "kiwi.jpg", "../../../../home/secret.jpg")
    with pytest.raises(CheckpointError, match=r"kiwi\.jpg: "):
        push(snapshot, tmp_path)


@pytest.mark.parametrize("name", ["config.json", "page.json", "README.md", "pictures/p.txt"])
def test_pipe_is_not_waited_for(name, folder, tmp_path):
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    with pytest.raises(CheckpointError):
        push(folder, tmp_path)


@pytest.mark.parametrize("route", [push, deploy, export, open_page])
def test_example_that_is_no_photo_is_refused_by_its_name(route, folder, tmp_path):
    (folder / "examples" / "passwd.jpg").write_bytes(SECRET)
    with pytest.raises(PhotoError, match=r"passwd\.jpg is not a readable photo"):
        route(folder, tmp_path)


def test_more_examples_than_a_page_can_show_are_refused(folder, tmp_path):
    for number in range(101):
        shutil.copy(EXAMPLES / "pizza.jpg", folder / "examples" / f"{number}.jpg")
    with pytest.raises(FoodVisionError, match="examples has 102 photos: keep at most 100"):
        open_page(folder, tmp_path)
