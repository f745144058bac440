import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import softmax
from sklearn.metrics import (
    accuracy_score,
    auc,
    classification_report,
    f1_score,
    roc_curve,
    top_k_accuracy_score,
)
from statsmodels.stats.proportion import proportion_confint

import foodvision
from foodvision.data import find_photos
from foodvision.errors import DataError, PhotoError
from foodvision.evaluation import (
    choose_split,
    evaluate,
    fit_certainty,
    fit_known_threshold,
    fit_temperature,
    measure,
    measure_known,
    wilson_interval,
)

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


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_is_statsmodels(counts):
    expected = proportion_confint(*counts, method="wilson")
    assert wilson_interval(*counts) == pytest.approx(expected, abs=1e-9)


def test_published_course_figure_has_the_interval_of_its_counts():
    assert wilson_interval(145, 150) == pytest.approx((0.924, 0.986), abs=5e-4)


def test_figures_as_json_have_the_names_of_the_contract(answers):
    figures = measure(*answers, CLASSES).to_dict()
    assert set(figures) == {"n", "top1", "top1_interval", "top5", "macro_f1", "per_class"}
    assert figures["top1_interval"][0] < figures["top1"] < figures["top1_interval"][1]
    assert set(figures["per_class"]["class 0"]) == {"n", "precision", "recall", "f1"}


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


def test_threshold_keeps_nineteen_of_twenty():
    scores = np.random.default_rng(0).normal(size=2000)
    assert np.mean(scores >= fit_known_threshold(scores)) == pytest.approx(0.95, abs=0.001)


def test_evaluation_is_measured_on_the_served_answers(fruit, fruit_checkpoint):
    classifier = foodvision.load(fruit_checkpoint)
    photos = find_photos(fruit).splits["test"]
    figures = evaluate(classifier, photos)
    right = [classifier.predict(photo.path).label == photo.label for photo in photos]
    assert figures.n == len(photos) == 15
    assert figures.top1 == np.mean(right)


def test_split_that_is_not_there_names_those_that_are(fruit):
    photos = find_photos(fruit)
    with pytest.raises(DataError, match="has no photos in val/, only in train, test: name one"):
        choose_split(photos, "val", photos.classes)


def test_class_that_the_model_does_not_know_is_named(fruit):
    with pytest.raises(DataError, match="has the class blueberry, which the model does not know"):
        choose_split(find_photos(fruit), "test", ["kiwi", "tomato"])


def test_unreadable_photo_is_an_error_in_evaluation(fruit_checkpoint, tmp_path):
    spoiled = tmp_path / "kiwi" / "spoiled.jpg"
    spoiled.parent.mkdir()
    spoiled.write_text("no photo")
    photos = find_photos(tmp_path).splits["all"]
    with pytest.raises(PhotoError, match=r"spoiled\.jpg is no photo"):
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


def test_known_figures_agree_with_scikit_learn():
    rng = np.random.default_rng(0)
    known, unknown = rng.normal(2, 1, 400), rng.normal(0, 1, 300)
    figures = measure_known("energy", known, unknown)
    is_known = np.r_[np.ones(400), np.zeros(300)]
    kept, refused, _ = roc_curve(is_known, np.r_[known, unknown])
    assert figures.auroc == pytest.approx(auc(kept, refused))
    assert figures.refused == pytest.approx(1 - kept[refused >= 0.95][0], abs=0.01)
    assert figures.refused_interval.low < figures.refused < figures.refused_interval.high
