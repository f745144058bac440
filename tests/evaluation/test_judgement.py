"""What is measured besides right and wrong: robustness, speed, photos of other things."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import EXAMPLES
from PIL import Image, ImageFilter
from sklearn.metrics import roc_auc_score, roc_curve
from statsmodels.stats.proportion import proportion_confint

import foodvision
from foodvision.classifier import Answers
from foodvision.data import LabelledPhoto, find_photos
from foodvision.data.photos import find_unlabelled
from foodvision.errors import DataError
from foodvision.evaluation.judge import Judgement, answer, judge, measure_certainty
from foodvision.evaluation.robustness import CORRUPTIONS, choose_evenly, measure_robustness
from foodvision.evaluation.unknown import measure_known
from foodvision.figures import Beside, Figures, Share
from foodvision.safety.files import parse_json

BY_NAME = {corruption.name: corruption for corruption in CORRUPTIONS}


@pytest.fixture(scope="module")
def classifier():
    return foodvision.load()


@pytest.fixture(scope="module")
def pixels(classifier):
    names = ("pizza", "ramen", "sushi")
    return np.stack([classifier.pixels(EXAMPLES / f"{name}.jpg") for name in names])


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(2)
    known, unknown = rng.normal(0.7, 0.1, 300), rng.normal(0.5, 0.1, 200)
    return known.astype(np.float32), unknown.astype(np.float32)


@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda corruption: corruption.name)
def test_stronger_corruption_changes_more_and_the_same_every_time(corruption, pixels):
    worse = [corruption(pixels, strength) for strength in corruption.strengths]
    for changed in worse:
        assert changed.shape == pixels.shape
        assert changed.dtype == np.uint8
    distance = [np.abs(changed.astype(int) - pixels).mean() for changed in worse]
    assert 0 < distance[0] < distance[1] < distance[2]
    assert (corruption(pixels, corruption.strengths[2]) == worse[2]).all()


def test_corruptions_do_what_their_units_say(pixels):
    square = Image.fromarray(pixels[0])
    blurred = square.filter(ImageFilter.GaussianBlur(2.24))
    assert (BY_NAME["blur"](pixels, 1)[0] == np.asarray(blurred)).all()
    file = io.BytesIO()
    square.save(file, "JPEG", quality=25)
    assert (BY_NAME["JPEG"](pixels, 25)[0] == np.asarray(Image.open(file))).all()
    grey = np.full((1, 200, 200, 3), 100, np.uint8)
    assert (BY_NAME["darker"](grey, 0.4) == 40).all()
    assert (BY_NAME["brighter"](grey, 1.7) == 170).all()
    assert BY_NAME["noise"](grey, 10).std() == pytest.approx(25.5, abs=0.5)
    ramp = np.broadcast_to(np.arange(200, dtype=np.uint8)[:, None], (1, 200, 200))[..., None]
    cropped = BY_NAME["small crop"](np.repeat(ramp, 3, axis=3), 40)
    assert (cropped.min(), cropped.max()) == (60, 139)


def test_rotation_leaves_no_black_corners():
    white = np.full((4, 64, 64, 3), 255, np.uint8)
    assert (BY_NAME["rotation"](white, 40) == 255).all()


def test_photos_are_chosen_from_all_classes_alike_and_always_the_same():
    photos = [LabelledPhoto(EXAMPLES / f"{n}.jpg", f"class {n % 10}") for n in range(500)]
    chosen = choose_evenly(photos, 100)
    labels = [photo.label for photo in chosen]
    assert {labels.count(label) for label in set(labels)} == {10}
    assert len(set(chosen)) == 100
    assert choose_evenly(photos, 100) == chosen
    assert set(choose_evenly(photos[:7], 100)) == set(photos[:7])


def test_robustness_of_untouched_photos_is_their_accuracy(fruit, fruit_checkpoint):
    small, photos = foodvision.load(fruit_checkpoint), find_photos(fruit).splits["test"]
    judgement = judge(small, photos, answer(small, photos))
    robustness = judgement.robustness
    assert robustness.untouched.value == judgement.figures.top1
    assert len(robustness.corrupted) == 21
    assert {it.right.n for it in robustness.corrupted} == {15}
    assert robustness.corrupted[0].strength == "radius 0.5% of the side"
    assert robustness == measure_robustness(small, photos)
    assert measure_robustness(small, photos, 4).untouched.n == 4


def test_speed_tells_runs_and_the_size_of_the_graph(fruit, fruit_checkpoint):
    small, photos = foodvision.load(fruit_checkpoint), find_photos(fruit).splits["test"]
    speed = judge(small, photos, answer(small, photos)).speed
    assert speed.bytes == (fruit_checkpoint / "model.onnx").stat().st_size
    assert 1 <= speed.runs <= 30
    assert speed.milliseconds > 0


def test_known_or_not_is_scikit_learns(scores):
    known, unknown = scores
    figures = measure_known(known, unknown, 0.55)
    is_known, both = np.r_[np.ones(300), np.zeros(200)], np.r_[known, unknown]
    assert figures.auroc == roc_auc_score(is_known, both)
    false_positive, true_positive, _ = roc_curve(is_known, both, drop_intermediate=False)
    at_95 = false_positive[np.argmax(true_positive >= 0.95)]
    assert figures.refused_at_95.value == pytest.approx(1 - at_95)
    assert figures.kept.count == (known >= 0.55).sum()
    assert figures.refused.count == (unknown < 0.55).sum()
    assert figures.refused.interval == pytest.approx(
        proportion_confint(figures.refused.count, 200, method="wilson"), abs=1e-9
    )


def test_interval_of_auroc_is_that_of_resampled_scikit_learn(scores):
    known, unknown = scores
    rng = np.random.default_rng(0)
    is_known = np.r_[np.ones(300), np.zeros(200)]
    resampled = [
        roc_auc_score(is_known, np.r_[rng.choice(known, 300), rng.choice(unknown, 200)])
        for _ in range(400)
    ]
    expected = np.quantile(resampled, (0.025, 0.975))
    assert measure_known(known, unknown, 0.5).auroc_interval == pytest.approx(expected, abs=0.01)


def test_equal_scores_are_half_right():
    figures = measure_known(np.full(5, 0.5), np.full(3, 0.5), 0.5)
    assert figures.auroc == 0.5
    assert figures.auroc_interval == (0.5, 0.5)


def test_judgement_comes_back_from_json_as_it_was(fruit, fruit_checkpoint):
    small, photos = foodvision.load(fruit_checkpoint), find_photos(fruit).splits["test"]
    others = find_unlabelled(EXAMPLES)
    judgement = judge(small, photos, answer(small, photos), others)
    assert judgement.known.refused.n == 8
    text = json.dumps(judgement.to_dict(), allow_nan=False).encode()
    assert Judgement(parse_json(text, Figures), **parse_json(text, Beside)) == judgement


def test_model_that_ships_refuses_the_cat(classifier):
    photos = find_unlabelled(EXAMPLES)
    cat = [photo for photo in photos if "not_food" in photo.path.name]
    food = [photo for photo in photos if photo not in cat]
    scores = (answer(classifier, part).known_score for part in (food, cat))
    figures = measure_known(*scores, classifier.config.known_threshold)
    assert figures.auroc == 1
    assert figures.refused.count == 1


def test_heap_without_photos_says_so(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(DataError, match="contains no photos: their names should end in"):
        find_unlabelled(tmp_path)


def test_certainty_counts_the_answers_that_were_called_so(classifier):
    config = replace(classifier.config, known_threshold=0.5, sure_from=0.9, likely_from=0.6)
    confidence = np.float32([0.95, 0.93, 0.7, 0.4, 0.99])
    probabilities = np.c_[confidence, 1 - confidence]
    probabilities[3] = 0.4, 0.3
    answers = Answers(probabilities, np.float32([1, 1, 1, 1, 0]), np.zeros((5, 2), np.float32))
    found = measure_certainty(answers, np.array([0, 1, 0, 1, 0]), config)
    assert found == {
        "sure": Share(1, 2),
        "likely": Share(1, 1),
        "perhaps": Share(0, 1),
        "not known": Share(1, 1),
    }
