import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from scipy.stats import bootstrap, norm
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    classification_report,
    f1_score,
    log_loss,
    top_k_accuracy_score,
)
from statsmodels.stats.proportion import proportion_confint
from torchmetrics.classification import MulticlassCalibrationError

import foodvision
from foodvision.checkpoint import NO_THRESHOLD
from foodvision.cli.tables import figures_table
from foodvision.data import find_photos
from foodvision.errors import DataError, PhotoError
from foodvision.evaluation.calibration import (
    few_photos_in_words,
    fit_cautious_threshold,
    fit_certainty,
    fit_known_threshold,
    fit_temperature,
)
from foodvision.evaluation.figures import measure
from foodvision.evaluation.judge import choose_split, evaluate
from foodvision.evaluation.unknown import measure_known
from foodvision.figures import Figures, wilson_interval
from foodvision.safety.files import parse_json

CLASSES = [f"class {index}" for index in range(8)]


@pytest.fixture
def answers():
    rng = np.random.default_rng(4)
    labels = rng.integers(0, 7, 300)  # nothing of the last class
    logits = rng.normal(size=(300, 8)) + 2 * np.eye(8)[labels]
    return softmax(logits, axis=1).astype(np.float32), labels


def test_figures_are_scikit_learns(answers):
    probabilities, labels = answers
    figures = measure(probabilities, labels, CLASSES)
    guesses = probabilities.argmax(axis=1)
    assert figures.n == 300
    assert figures.top1 == accuracy_score(labels, guesses)
    assert figures.top5 == top_k_accuracy_score(labels, probabilities, k=5, labels=range(8))
    assert figures.macro_f1 == pytest.approx(
        f1_score(labels, guesses, average="macro", labels=range(7))
    )
    report = classification_report(labels, guesses, output_dict=True, zero_division=0.0)
    assert list(figures.per_class) == CLASSES[:7]
    for index, name in enumerate(CLASSES[:7]):
        ours, theirs = figures.per_class[name], report[str(index)]
        assert (ours.n, ours.precision, ours.recall, ours.f1) == (
            theirs["support"],
            theirs["precision"],
            theirs["recall"],
            theirs["f1-score"],
        )


def test_class_that_was_never_answered_has_no_precision_in_the_table():
    figures = measure(np.array([[0.9, 0.1], [0.8, 0.2]]), [0, 1], ["pho", "ramen"])
    (precision,) = (it for it in figures_table(figures, "").columns if it.header == "precision")
    assert list(precision.cells) == ["50.0", "-", ""]


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_statsmodels(counts):
    expected = proportion_confint(*counts, method="wilson")
    assert wilson_interval(*counts) == pytest.approx(expected, abs=1e-9)


def test_published_course_figure_has_the_interval_of_its_counts():
    assert wilson_interval(145, 150) == pytest.approx((0.924, 0.986), abs=5e-4)
    assert wilson_interval(0, 0) == (0, 1)


def test_figures_as_json_have_the_names_of_the_contract(answers):
    figures = measure(*answers, CLASSES).to_dict()
    assert set(figures) == {
        *("n", "top1", "top1_interval", "top5", "top5_interval", "macro_f1", "macro_f1_interval"),
        *("nll", "brier", "ece", "ece_interval", "ece_by_chance", "reliability", "per_class"),
        "confused",
    }
    for name in ("top1", "top5", "macro_f1", "ece"):
        low, high = figures[f"{name}_interval"]
        assert low < figures[name] < high
    assert set(figures["per_class"]["class 0"]) == {
        *("n", "answered", "precision", "recall", "f1"),
        *("precision_interval", "recall_interval", "f1_interval"),
    }


def test_figures_come_back_from_json_as_they_were(answers):
    figures = measure(*answers, CLASSES)
    text = json.dumps(figures.to_dict(), allow_nan=False)
    assert parse_json(text.encode(), Figures) == figures


def test_figures_of_an_older_version_have_what_it_measured():
    kiwi = {"n": 5, "precision": 1.0, "recall": 0.8, "f1": 0.89}
    old = {"n": 5, "top1": 0.8, "top1_interval": [0.4, 0.9], "top5": 1.0, "macro_f1": 0.89}
    text = json.dumps(old | {"per_class": {"kiwi": kiwi}})
    figures = parse_json(text.encode(), Figures)
    assert (figures.n, figures.top1, figures.per_class["kiwi"].recall) == (5, 0.8, 0.8)
    assert figures.top5_interval is figures.nll is figures.per_class["kiwi"].f1_interval is None
    assert figures.reliability == figures.confused == ()


def test_likelihood_brier_and_calibration_are_other_libraries(answers):
    probabilities, labels = answers
    figures = measure(probabilities, labels, CLASSES)
    there = range(8)
    assert figures.nll == pytest.approx(log_loss(labels, probabilities, labels=there), abs=1e-6)
    one_hot = np.eye(8)[labels]
    by_class = [brier_score_loss(one_hot[:, at], probabilities[:, at]) for at in there]
    assert figures.brier == pytest.approx(sum(by_class), abs=1e-6)
    theirs = MulticlassCalibrationError(num_classes=8, n_bins=15, norm="l1")
    expected = theirs(torch.tensor(probabilities), torch.tensor(labels)).item()
    assert figures.ece == pytest.approx(expected, abs=1e-6)


def test_reliability_is_scikit_learns_calibration_curve(answers):
    probabilities, labels = answers
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = measure(probabilities, labels, CLASSES).reliability
    accuracy, mean = calibration_curve(right, confidence, n_bins=15)
    assert [part.accuracy for part in bins] == pytest.approx(accuracy)
    assert [part.confidence for part in bins] == pytest.approx(mean, abs=1e-6)
    assert sum(part.n for part in bins) == 300
    assert all(part.low <= part.confidence <= part.high for part in bins)


def test_sure_and_wrong_or_right_stays_a_number():
    figures = measure(np.eye(3, dtype=np.float32), np.array([0, 1, 0]), list("abc"))
    assert figures.nll == pytest.approx(
        log_loss([0, 1, 0], np.eye(3, dtype=np.float32), labels=[0, 1, 2]), rel=1e-6
    )
    assert json.dumps(figures.to_dict(), allow_nan=False)


def test_model_that_means_what_it_says_errs_as_chance_does():
    rng = np.random.default_rng(0)
    probabilities = softmax(rng.normal(scale=2, size=(400, 5)), axis=1).astype(np.float32)
    labels = np.array([rng.choice(5, p=p / p.sum()) for p in probabilities.astype(np.float64)])
    figures = measure(probabilities, labels, list("abcde"))
    assert figures.ece == pytest.approx(figures.ece_by_chance, abs=0.02)


def test_intervals_of_precision_are_statsmodels(answers):
    probabilities, labels = answers
    guesses = probabilities.argmax(axis=1)
    for index, of_class in enumerate(measure(*answers, CLASSES).per_class.values()):
        answered = int((guesses == index).sum())
        found = int(((guesses == index) & (labels == index)).sum())
        assert of_class.answered == answered
        assert of_class.precision_interval == pytest.approx(
            proportion_confint(found, answered, method="wilson"), abs=1e-9
        )


def test_class_that_was_never_answered_has_no_interval_of_precision():
    figures = measure(np.array([[0.2, 0.8], [0.1, 0.9]]), np.array([0, 1]), ["a", "b"])
    assert figures.per_class["a"].precision_interval is None
    assert figures.to_dict()["per_class"]["a"]["precision_interval"] is None


def test_bootstrap_interval_of_f1_is_scipys(answers):
    probabilities, labels = answers
    guesses = probabilities.argmax(axis=1)
    figures = measure(probabilities, labels, CLASSES)

    def macro_f1(drawn):
        return f1_score(labels[drawn], guesses[drawn], average="macro", labels=range(7))

    theirs = bootstrap(
        (np.arange(300),),
        macro_f1,
        n_resamples=1000,
        vectorized=False,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    assert figures.macro_f1_interval == pytest.approx((theirs.low, theirs.high), abs=0.006)
    low, high = figures.per_class["class 0"].f1_interval
    assert low < figures.per_class["class 0"].f1 < high


def test_bootstrap_is_the_same_every_time():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 101, 850)
    logits = rng.normal(size=(850, 101)) + 3 * np.eye(101)[labels]
    probabilities = softmax(logits, axis=1).astype(np.float32)
    names = [str(index) for index in range(101)]
    first = measure(probabilities, labels, names)
    assert measure(probabilities, labels, names) == first


def test_interval_is_no_point_where_all_is_right():
    figures = measure(np.eye(3)[[0, 1, 2] * 5], np.array([0, 1, 2] * 5), ["a", "b", "c"])
    wilson = proportion_confint(15, 15, method="wilson")
    assert figures.macro_f1_interval == pytest.approx(wilson)
    assert figures.per_class["a"].f1_interval == pytest.approx(
        proportion_confint(5, 5, method="wilson")
    )
    apart = measure_known(np.ones(30), np.zeros(8), 0.5)
    assert apart.auroc_interval == pytest.approx(proportion_confint(8, 8, method="wilson"))


def test_answers_of_the_same_confidence_are_sure_together_or_not_at_all():
    right = np.arange(100) < 49
    assert fit_certainty(np.ones(100), right).sure_from > 1


def test_fewer_than_five_classes_are_always_among_the_first_five():
    figures = measure(np.array([[0.2, 0.8], [0.9, 0.1]]), np.array([0, 0]), ["a", "b"])
    assert (figures.top1, figures.top5) == (0.5, 1.0)


def test_temperature_finds_what_the_logits_were_multiplied_with():
    rng = np.random.default_rng(0)
    logits = rng.normal(scale=2, size=(20_000, 5))
    labels = np.array([rng.choice(5, p=p) for p in softmax(logits, axis=1)])
    assert fit_temperature(logits, labels) == pytest.approx(1.0, abs=0.03)
    assert fit_temperature(3 * logits, labels) == pytest.approx(3.0, abs=0.1)


def test_few_photos_all_answered_right_do_not_make_a_model_certain():
    logits = 4 * np.eye(3)[np.arange(30) % 3]
    temperature = fit_temperature(logits, np.arange(30) % 3)
    assert 0.5 < temperature < 1


@pytest.mark.parametrize("count", [3, 30, 300])
def test_temperature_is_the_likeliest_where_its_logarithm_is_normal(count):
    rng = np.random.default_rng(count)
    logits, labels = rng.normal(size=(count, 4)), rng.integers(4, size=count)
    powers = np.linspace(-2.5, 2.5, 201)
    costs = [
        log_loss(labels, softmax(logits / np.exp(at), axis=1), labels=range(4), normalize=False)
        - norm(scale=0.5).logpdf(at)
        for at in powers
    ]
    found = np.log(fit_temperature(logits, labels))
    assert found == pytest.approx(powers[np.argmin(costs)], abs=0.02)


@pytest.mark.parametrize(("scale", "power"), [(1e-2, -3), (1e4, 3)])
def test_temperature_has_bounds(scale, power):
    labels = np.arange(9_000) % 3
    answered = labels if power < 0 else (labels + 1) % 3
    temperature = fit_temperature(scale * np.eye(3)[answered], labels)
    assert temperature == pytest.approx(np.exp(power), rel=1e-3)


@pytest.mark.parametrize(("count", "sentences"), [(28, 1), (29, 0)])
def test_too_few_photos_to_refuse_any_are_told(count, sentences):
    said = few_photos_in_words(count)
    assert len(said) == sentences
    assert all(f"(here {count})" in one for one in said)


def test_threshold_keeps_nineteen_of_twenty():
    scores = np.random.default_rng(0).normal(size=2000)
    assert np.mean(scores >= fit_known_threshold(scores)) == pytest.approx(0.95, abs=0.001)
    assert fit_known_threshold(scores) in scores


@pytest.mark.parametrize("count", [29, 45, 46, 75, 76, 102, 103, 300])
def test_cautious_threshold_refuses_a_tenth_in_one_of_twenty_trainings_at_most(count):
    rng = np.random.default_rng(count)
    # Of uniform scores, a threshold is the share of later photos that it refuses.
    refused = [fit_cautious_threshold(rng.random(count)) for _ in range(4000)]
    assert np.mean(np.array(refused) > 0.1) < 0.06  # 0.05, give or take 3 standard errors
    assert min(refused) > 0


def test_cautious_threshold_of_many_photos_is_the_quantile_and_of_few_there_is_none():
    scores = np.random.default_rng(0).normal(size=1000)
    assert fit_cautious_threshold(scores) == fit_known_threshold(scores)
    assert fit_cautious_threshold(scores[:60]) < fit_known_threshold(scores[:60])
    assert fit_cautious_threshold(scores[:29]) == scores[:29].min()
    assert fit_cautious_threshold(scores[:28]) == NO_THRESHOLD


def test_evaluation_is_measured_on_the_served_answers(fruit, fruit_checkpoint):
    classifier = foodvision.load(fruit_checkpoint)
    photos = find_photos(fruit).splits["test"]
    figures = evaluate(classifier, photos)
    right = [classifier.predict(photo.path).label == photo.label for photo in photos]
    assert figures.n == len(photos) == 15
    assert figures.top1 == np.mean(right)


def test_split_that_is_not_there_names_those_that_are(fruit, fruit_checkpoint):
    photos, config = find_photos(fruit), foodvision.load(fruit_checkpoint).config
    assert len(choose_split(photos, "val", config)) == 12  # what its own training set aside
    config = replace(config, data={})
    with pytest.raises(DataError, match="has no photos in val/, only in train, test: choose one"):
        choose_split(photos, "val", config)


def test_list_of_excluded_photos_that_is_gone_is_missed_where_no_split_is_named(fruit):
    photos, config = find_photos(fruit), foodvision.load().config
    config = replace(config, classes=photos.classes, training={"exclude": "/dev/zero"})
    assert choose_split(photos, "test", config) == photos.splits["test"]
    heap = replace(photos, splits={"all": photos.splits["train"]})
    with pytest.raises(DataError, match="exclude list /dev/zero not found: the model"):
        choose_split(heap, "test", config)
    assert choose_split(heap, "all", config) == heap.splits["all"]
    assert len(choose_split(photos, "all", config)) == sum(map(len, photos.splits.values()))
    config = replace(config, training={"exclude": "x" * 5000})
    with pytest.raises(DataError, match="not found: the model was"):
        choose_split(heap, "test", config)


def test_class_that_the_model_does_not_know_is_named(fruit, fruit_checkpoint):
    config = replace(foodvision.load(fruit_checkpoint).config, classes=("kiwi", "tomato"))
    with pytest.raises(DataError, match="has the class blueberry, which is not one of the model's"):
        choose_split(find_photos(fruit), "test", config)


def test_unreadable_photo_is_an_error_in_evaluation(fruit_checkpoint, tmp_path):
    spoiled = tmp_path / "kiwi" / "spoiled.jpg"
    spoiled.parent.mkdir()
    spoiled.write_text("no photo")
    photos = find_photos(tmp_path).splits["all"]
    with pytest.raises(PhotoError, match=r"spoiled\.jpg is not a readable photo"):
        evaluate(foodvision.load(fruit_checkpoint), photos)


def test_sure_answers_are_right_as_often_as_said():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 4_000)
    is_right = rng.uniform(size=4_000) < confidence
    sure_from, likely_from = fit_certainty(confidence, is_right)
    assert 0.94 < sure_from < 1
    assert likely_from < sure_from
    sure = confidence >= sure_from
    likely = (confidence >= likely_from) & ~sure
    assert is_right[sure].mean() >= 0.98
    assert 0.8 <= is_right[likely].mean() < 0.82


@pytest.mark.parametrize(("photos", "ever_sure"), [(48, False), (49, True)])
def test_few_validation_photos_make_no_answer_sure(photos, ever_sure):
    sure_from, _ = fit_certainty(np.full(photos, 0.99), np.ones(photos, bool))
    assert (sure_from <= 0.99) is ever_sure


@pytest.mark.parametrize("seed", range(12))
def test_figures_lie_in_their_intervals(seed):
    rng = np.random.default_rng(seed)
    probabilities = softmax(3 * rng.normal(size=(300, 8)), axis=1).astype(np.float32)
    labels = [rng.choice(8, p=row / row.sum()) for row in probabilities.astype(np.float64)]
    figures = measure(probabilities, np.array(labels), CLASSES)  # it means what it says
    for name in ("top1", "top5", "macro_f1", "ece"):
        low, high = getattr(figures, f"{name}_interval")
        assert low <= getattr(figures, name) <= high, name
