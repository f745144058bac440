"""The report of a run and the page of a comparison, as people open them: real Chromium."""

import io
import json
import re
from dataclasses import asdict

import numpy as np
import pytest
from conftest import COLOURS, EXAMPLES, violations
from PIL import Image
from playwright.sync_api import expect
from runs_made import CLASSES, COMMAND, ROWS, make_run, some_answers
from sklearn.metrics import confusion_matrix

import foodvision
from foodvision.data import find_photos
from foodvision.data.photos import find_unlabelled
from foodvision.errors import RunError
from foodvision.evaluation.figures import find_pairs
from foodvision.evaluation.judge import judge
from foodvision.reports.drawings import count_answers, draw_confusion, draw_curves
from foodvision.reports.pages import write_comparison, write_judgement, write_report
from foodvision.runs.answers import JudgedPhoto, find_mistakes, list_answers
from foodvision.runs.compare import compare
from foodvision.runs.reading import read_run
from foodvision.runs.record import write_metrics, write_start
from foodvision.training.config import TrainConfig

pytestmark = pytest.mark.thorough

SHEET = Image.new("RGB", (300, 100), COLOURS["kiwi"])


@pytest.fixture
def run(fruit, tmp_path):
    return make_run(tmp_path / "fruit", fruit)


@pytest.fixture
def open_page(browser):
    """Open a file at a width; returns the page and the addresses that it asked for."""
    pages = []

    def open_file(path, width=1200, **options):
        page = browser.new_page(viewport={"width": width, "height": 800}, **options)
        pages.append(page)
        asked = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(path.as_uri())
        return page, asked

    yield open_file
    for page in pages:
        page.close()


def report_on(run, fruit, sheet=SHEET):
    photos = find_photos(fruit)
    return write_report(run, photos.root, photos.splits["test"], sheet)


def overflow(page):
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_report_tells_the_figures_first_in_plain_words(run, fruit, open_page):
    page, _ = open_page(report_on(run, fruit))
    expect(page.locator("h1")).to_have_text("Accuracy 86.7%")
    expect(page.locator(".lead")).to_have_text(
        "13 of 15 photos right. The model never saw these test photos in training. "
        "95% interval: 62% to 96%."
    )
    expect(page.locator("ul.summary li")).to_contain_text(
        [
            "Baseline: always predicting blueberry gets 5 of 15 right.",
            "Hardest class: blueberry (recall 60.0% on 5 photos).",
            "Most common mistake: blueberry predicted as kiwi (2 of 5).",
            "Calibration error (ECE):",
        ]
    )
    expect(page.locator("table.classes tbody tr").first).to_contain_text("blueberry")
    expect(page.locator("table.classes tbody tr").first).to_contain_text("3 of 5")
    expect(page.locator("table.classes tbody tr").first).to_contain_text("23.1 to 88.2")
    expect(page.locator("pre")).to_have_text("foodvision train 'my photos' --epochs 3")


def test_report_shows_every_part(run, fruit, open_page):
    page, _ = open_page(report_on(run, fruit))
    headings = page.locator("h2").all_text_contents()
    assert headings == [
        "Learning curves",
        "Recall per class",
        "Confusion matrix",
        "Calibration",
        "Most confident mistakes",
        "Augmented training photos",
        "Reproduce this run",
    ]
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    expect(page.locator(".gallery figure").first).to_contain_text(
        "blueberry, predicted as kiwi with 92.0% confidence"
    )
    page.get_by_text("System and versions").click()
    expect(page.get_by_text("onnxruntime")).to_be_visible()
    page.get_by_text("Settings", exact=True).click()
    expect(page.get_by_text("batch_size")).to_be_visible()


def test_report_says_how_photos_are_augmented_and_f1_intervals_are_made(run, fruit):
    page = report_on(run, fruit).read_text()
    assert "first without augmentation, then with it" in page
    assert "bootstrap for F1, or Wilson where all or none were right" in page
    assert read_run(run).figures.per_class["tomato"].f1_interval.low < 1  # all were right


def test_report_asks_for_nothing_outside_of_itself(run, fruit, open_page):
    path = report_on(run, fruit)
    _, asked = open_page(path)
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_report_fits_a_phone_in_light_and_dark(run, fruit, open_page, scheme):
    page, _ = open_page(report_on(run, fruit), width=360, color_scheme=scheme)
    for details in page.locator("summary").all():
        details.click()
    assert overflow(page) <= 0
    assert violations(page) == []
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(25, 26, 28)"}[scheme]


def test_names_are_text_and_no_markup(fruit, tmp_path, open_page):
    run = make_run(tmp_path / "run", fruit, command=["foodvision", "<script>alert(1)</script>"])
    page, _ = open_page(report_on(run, fruit))
    expect(page.locator("pre")).to_have_text("foodvision '<script>alert(1)</script>'")
    assert page.locator("body script").count() == 0


def test_drawings_lie_beside_the_report(run, fruit):
    report_on(run, fruit)
    for name in ("curves.png", "confusion.png", "mistakes.jpg", "augmentation.jpg"):
        with Image.open(run / name) as image:
            assert image.format == {"png": "PNG", "jpg": "JPEG"}[name[-3:]]
            image.load()


def test_run_without_mistakes_and_sheet_has_no_drawings_of_them(run, fruit, open_page):
    report_on(run, fruit)
    make_run(run, fruit, wrong=0)
    page, _ = open_page(report_on(run, fruit, sheet=None))
    expect(page.get_by_text("No mistakes: every photo was classified correctly.")).to_be_visible()
    assert page.locator(".gallery figure").count() == 0
    assert not (run / "mistakes.jpg").exists()
    assert not (run / "augmentation.jpg").exists()


def test_run_that_was_not_judged_has_no_report(fruit, tmp_path):
    write_start(tmp_path / "new", asdict(TrainConfig()), "photos", COMMAND)
    with pytest.raises(RunError) as caught:
        report_on(tmp_path / "new", fruit)
    assert str(caught.value) == (
        f"{tmp_path / 'new'} has no predictions or no figures yet: finish the run first"
    )


def test_surest_mistakes_come_first():
    answers = [
        JudgedPhoto("a", "kiwi", "tomato", 0.5, 1),
        JudgedPhoto("b", "kiwi", "kiwi", 0.99, 1),
        JudgedPhoto("c", "tomato", "kiwi", 0.8, 1),
    ]
    assert [answer.photo for answer in find_mistakes(answers)] == ["c", "a"]


def test_confusion_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels, found = rng.integers(0, 101, (2, 2000)).astype(str)
    answers = [JudgedPhoto("", *pair, 0.5, 0.5) for pair in zip(labels, found, strict=True)]
    classes = sorted(set(labels) | set(found))
    expected = confusion_matrix(labels, found, labels=classes)
    assert (count_answers(answers, classes) == expected).all()
    np.fill_diagonal(expected, 0)
    pairs = find_pairs(count_answers(answers, classes), classes)
    assert [pair.times for pair in pairs] == sorted(expected.ravel(), reverse=True)[:10]
    assert pairs[0].n == (labels == pairs[0].label).sum()


@pytest.mark.parametrize(
    "names", [["$a_b$", "寿司", "crème brûlée"], [f"dish {n}" for n in range(101)]]
)
def test_confusion_is_drawn_for_odd_names_and_for_many(names):
    answers = [JudgedPhoto("", name, names[0], 0.5, 0.5) for name in names]
    with Image.open(io.BytesIO(draw_confusion(answers, names))) as image:
        assert 700 <= image.width <= 1400


def test_curves_are_drawn_of_a_single_epoch_with_what_is_known():
    with Image.open(io.BytesIO(draw_curves([{"epoch": 1, "val_loss": 0.5}]))) as image:
        one_panel = image.height
    with Image.open(io.BytesIO(draw_curves(ROWS))) as image:
        assert image.height > 2 * one_panel


@pytest.fixture
def judged(fruit, fruit_checkpoint, tmp_path):
    """The page of a model that was judged, with everything on it."""
    classifier, photos = foodvision.load(fruit_checkpoint), find_photos(fruit)
    test = photos.splits["test"]
    answers, _ = some_answers(test)
    judgement = judge(classifier, test, answers, find_unlabelled(EXAMPLES))
    listed = list_answers(photos.root, test, CLASSES, answers)
    path = tmp_path / "page.html"
    write_judgement(path, judgement, listed, photos.root, test, "small", "fruit")
    return path, judgement


def test_page_of_a_judged_model_shows_every_part(judged, open_page):
    path, judgement = judged
    page, asked = open_page(path)
    expect(page.locator("h1")).to_have_text("Accuracy 86.7%")
    assert page.locator("h2").all_text_contents() == [
        "Recall per class",
        "Confusion matrix",
        "Calibration",
        "Accuracy by certainty",
        "Most confident mistakes",
        "Robustness",
        "Out-of-distribution photos",
        "Method",
    ]
    assert page.locator("table.robustness tbody tr").count() == 22
    expect(page.locator("table.robustness")).to_contain_text("radius 0.5% of the side")
    expect(page.locator("table.known")).to_contain_text(f"{judgement.known.refused.count} of 8")
    expect(page.locator("header")).to_contain_text("latency, one photo, one thread")
    page.get_by_text("Precision and F1 of every class").click()
    expect(page.locator("table.precision tbody tr")).to_have_count(3)
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert [url for url in asked if not url.startswith("data:")] == [path.as_uri()]
    assert not re.search(r"(src|href)=.https?:", path.read_text())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_of_a_judged_model_fits_a_phone_in_light_and_dark(judged, open_page, scheme):
    page, _ = open_page(judged[0], width=360, color_scheme=scheme)
    for details in page.locator("summary").all():
        details.click()
    assert overflow(page) <= 0
    assert violations(page) == []


def test_report_of_a_trained_run_tells_robustness_and_speed(fruit_checkpoint, open_page):
    page, _ = open_page(fruit_checkpoint.parent / "report.html")
    expect(page.get_by_role("heading", name="Robustness")).to_be_visible()
    expect(page.locator("header")).to_contain_text("MB")
    record = read_run(fruit_checkpoint.parent)
    assert record.judgement.robustness.untouched.n == 10
    assert (fruit_checkpoint.parent / "reliability.png").exists()


def test_report_of_older_figures_leaves_out_what_they_lack(run, fruit, open_page):
    path = run / "figures.json"
    raw = json.loads(path.read_text())
    kept = ("n", "top1", "top1_interval", "top5", "macro_f1")
    names = ("n", "precision", "recall", "f1")
    classes = {label: {name: of[name] for name in names} for label, of in raw["per_class"].items()}
    path.write_text(json.dumps({name: raw[name] for name in kept} | {"per_class": classes}))
    page, _ = open_page(report_on(run, fruit))
    expect(page.locator("h1")).to_have_text("Accuracy 86.7%")
    assert "Calibration" not in page.locator("h2").all_text_contents()
    assert not (run / "reliability.png").exists()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_comparison_is_a_page_with_both_curves(run, fruit, tmp_path, open_page, scheme):
    better = make_run(tmp_path / "better", fruit, wrong=0, config=TrainConfig(epochs=9))
    records = read_run(run), read_run(better)
    write_comparison(tmp_path / "page.html", *records, compare(*records))
    page, asked = open_page(tmp_path / "page.html", width=360, color_scheme=scheme)
    expect(page.locator("h1")).to_have_text("No significant difference")
    expect(page.locator("tr", has_text="95% interval").first).to_contain_text("62.1 to 96.3")
    expect(page.locator("tr", has_text="95% interval").first).to_contain_text("79.6 to 100.0")
    expect(page.locator("tr", has_text="epochs").last).to_have_text("epochs39")
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert overflow(page) <= 0
    assert violations(page) == []
    assert [url for url in asked if not url.startswith("data:")] == [page.url]


def test_comparison_of_runs_without_epochs_has_no_curves(run, fruit, tmp_path, open_page):
    other = make_run(tmp_path / "other", fruit)
    for folder in (run, other):
        write_metrics(folder, [])
    records = read_run(run), read_run(other)
    write_comparison(tmp_path / "page.html", *records, compare(*records))
    page, _ = open_page(tmp_path / "page.html")
    expect(page.locator("h1")).to_have_text("Same accuracy")
    assert page.locator("img").count() == 0
