"""Checkpoints, runs and settings that a stranger wrote: they are read, or refused in one line."""

import copy
import io
import json
import random
import shutil

import pytest
from conftest import REPOSITORY
from rich.console import Console
from runs_made import make_run

from foodvision.browser.readme import site_readme
from foodvision.browser.site import data_files
from foodvision.checkpoint import check_figures, read_checkpoint
from foodvision.classifier import Classifier
from foodvision.cli.tables import claims_table, runs_table
from foodvision.data import find_photos
from foodvision.errors import CheckpointError, FoodVisionError, RunError
from foodvision.evaluation.judge import choose_split
from foodvision.hub.card import hub_card
from foodvision.page.models import PageModel
from foodvision.page.words import LANGUAGES, introduce
from foodvision.reports.pages import write_comparison
from foodvision.runs.compare import compare
from foodvision.runs.reading import read_run
from foodvision.web.about import tell_about

DEEP = object()
"""Stands for lists in lists, which `json.dumps` does not write."""

VALUES = (
    *(None, True, False, 0, 1, -1, 2**63, 10**400, -(10**400), 1.5, -0.5, 1e308, -1e308),
    *(
        float("nan"),
        float("inf"),
        float("-inf"),
        "",
        "a",
        "\ud800",
        "\x00",
        "\x1b[2J",
        "x" * 100_000,
    ),
    *("<b>", "{0}", "{", "../..", "1", [], {}, [[]], [None], {"": 0}, [1, 0], ["a"], [2, 1], DEEP),
    *(list(range(1000)), {"test": None}, {"n": 0}, "a\nb", "‮", [float("nan")] * 2),
)
"""What a field may have instead of what it should."""


def places(value, place=()):
    """All places in a JSON value, as the keys that lead there."""
    yield place
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for key, inner in inside:
        yield from places(inner, (*place, key))


def mutations(content, count, seed):
    """The file's text with one to three places replaced, removed or added."""
    chance = random.Random(seed)
    everywhere = [place for place in places(content) if place]
    # Each kind of place alike: there are many classes, and one of most other fields.
    kinds = {}
    for place in everywhere:
        kinds.setdefault(
            (len(place), *(key for key in place[:3] if isinstance(key, str))), []
        ).append(place)
    for _ in range(count):
        changed = copy.deepcopy(content)
        for _ in range(chance.choice((1, 1, 1, 2, 3))):
            *above, last = chance.choice(chance.choice(list(kinds.values())))
            try:
                parent = changed
                for key in above:
                    parent = parent[key]
                change = chance.random()
                if change < 0.15:
                    del parent[last]
                elif change < 0.2 and isinstance(parent, dict):
                    parent[chance.choice(("new", "\ud800", "<b>", ""))] = parent.pop(last)
                else:
                    parent[last] = copy.deepcopy(chance.choice(VALUES))
            except (LookupError, TypeError):
                continue  # an earlier change took the place away
        text = json.dumps(changed, default=lambda _: "DEEP")
        yield text.replace('"DEEP"', "[" * 100_000 + "]" * 100_000)


def show_everywhere(folder, fruit, figures):
    """Read a checkpoint and make all that is shown of it, but for what needs a browser."""
    checkpoint = read_checkpoint(folder)
    model = PageModel("fruit", Classifier(checkpoint))
    for language in LANGUAGES:
        words = model.wording.languages[language]
        tell_about(model, words)
        introduction = introduce(model.classifier.classes, words)
        site_readme(model.wording.title, introduction).encode()
    data_files(model, {})
    hub_card(checkpoint, "cook/fruit").encode()
    check_figures(checkpoint)
    choose_split(find_photos(fruit), "test", checkpoint.config)
    claims_table(checkpoint.config.figures.get("test", {}), figures)


def refused(error):
    """Whether what was raised is one line that names the file, for people."""
    said = str(error)
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 1000
    return True


@pytest.fixture(scope="module")
def figures(fruit, tmp_path_factory):
    return read_run(make_run(tmp_path_factory.mktemp("judged"), fruit)).figures


@pytest.mark.parametrize("seed", range(4))
def test_mutated_config_is_shown_or_refused(seed, fruit_checkpoint, fruit, figures, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    config = folder / "config.json"
    content = json.loads(config.read_text())
    counts = {True: 0, False: 0}
    for text in mutations(content, 100, seed):
        config.write_text(text)
        try:
            show_everywhere(folder, fruit, figures)
            counts[True] += 1
        except FoodVisionError as error:
            counts[False] += refused(error)
    assert min(counts.values()) >= 10  # both happen


@pytest.mark.parametrize("name", ["about-24", "about-299", "load-40", "site-27"])
def test_config_that_broke_a_page_is_refused_by_its_field(name, fruit_checkpoint, tmp_path):
    given = REPOSITORY.parent / "shared" / "cases" / "config" / f"{name}.json"
    if not given.exists():
        pytest.skip(f"{given} is not here")
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    (folder / "config.json").write_bytes(given.read_bytes())
    with pytest.raises(CheckpointError, match=r"config\.json: .*; download the folder again$"):
        read_checkpoint(folder)


def test_mutated_page_json_is_shown_or_refused(fruit_checkpoint, fruit, figures, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    own = {
        "title": "Fruit",
        "texts": {
            "en": {"ask_title": "Which?", "time": "{milliseconds} ms"},
            "ko": {"over": "{percent}"},
        },
        "names": {"en": {"kiwi": "Kiwi"}, "ja": {"kiwi": "キウイ"}},
    }
    for text in mutations(own, 100, seed=5):
        (folder / "page.json").write_text(text)
        try:
            show_everywhere(folder, fruit, figures)
        except FoodVisionError as error:
            refused(error)


@pytest.mark.parametrize("name", ["run.json", "config.json", "metrics.json", "figures.json"])
def test_mutated_run_is_shown_or_refused(name, fruit, tmp_path):
    other, folder = make_run(tmp_path / "other", fruit), make_run(tmp_path / "run", fruit, wrong=4)
    content = json.loads((folder / name).read_text())
    for number, text in enumerate(mutations(content, 60, seed=7)):
        (folder / name).write_text(text)
        try:
            record = read_run(folder)
            Console(file=io.StringIO()).print(runs_table([record]))
            json.dumps(record.to_dict(), allow_nan=False)
            comparison = compare(read_run(other), record)
            if number % 10 == 0:  # it draws
                write_comparison(tmp_path / "page.html", read_run(other), record, comparison)
        except RunError as error:
            refused(error)


def test_class_that_one_run_lacks_is_compared_as_none(fruit, tmp_path):
    one, other = make_run(tmp_path / "one", fruit), make_run(tmp_path / "other", fruit, wrong=4)
    figures = json.loads((other / "figures.json").read_text())
    del figures["per_class"]["kiwi"]
    (other / "figures.json").write_text(json.dumps(figures))
    records = read_run(one), read_run(other)
    write_comparison(tmp_path / "page.html", *records, compare(*records))
    assert '<td class="number">-</td>' in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b" " * 21_000_000, "has 21 MB, but the limit is 20 MB"),
        (b"[" + b"[],", "is not JSON"),
        (b"[" + b"[]," * 600_000, "has more than 600,000 values"),
        (b"\xff", "is not JSON"),
    ],
)
def test_file_that_would_take_much_memory_is_refused(content, message, fruit_checkpoint, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    (folder / "config.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=f"config.json: {message}"):
        read_checkpoint(folder)


def test_card_that_is_no_text_is_refused(fruit_checkpoint, tmp_path):
    folder = shutil.copytree(fruit_checkpoint, tmp_path / "checkpoint")
    (folder / "README.md").write_bytes(b"# Fruit \xff")
    with pytest.raises(CheckpointError, match=r"README\.md: is not UTF-8 \(byte 8\)"):
        hub_card(read_checkpoint(folder), "cook/fruit")
