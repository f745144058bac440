import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import EXAMPLES
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from foodvision.export.graph import (
    Calibration,
    complete_graph,
    export_body,
    find_body,
    largest_difference,
    score_known,
)
from foodvision.export.known import NODES, KnownScore, fit_contrast, fit_prototypes
from foodvision.graph.precision import store_in_half
from foodvision.image import load_image
from foodvision.models import create_model, preprocess_for, split_head
from foodvision.training.package import choose_known

ENERGY = Calibration(1.7, KnownScore("energy"), 0.5, 0.9, 0.5)


def serving_network(name, size, num_classes=4):
    torch.manual_seed(3)
    network = create_model(name, num_classes, pretrained=name == "efficientnet_lite0").eval()
    return network, preprocess_for(name, size)


def run(exported, pixels):
    session = onnxruntime.InferenceSession(exported)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pixels": pixels}), strict=True))


@pytest.fixture(scope="module")
def lite():
    network, preprocess = serving_network("efficientnet_lite0", 96)
    _, head = split_head(network)
    means = torch.rand(4, head.in_features).numpy()
    calibration = Calibration(1.7, fit_prototypes(means, np.arange(4)), 0.5, 0.9, 0.5)
    exported = complete_graph(export_body(network, preprocess), head, calibration)
    photos = [path for path in sorted(EXAMPLES.iterdir()) if path.suffix == ".jpg"]
    pixels = np.stack([preprocess(load_image(path)) for path in photos])
    return network, preprocess, means, exported, pixels


def test_graph_gives_torchs_answers_on_real_photos(lite):
    network, preprocess, means, exported, pixels = lite
    onnx.checker.check_model(onnx.load_model_from_string(exported), full_check=True)
    answers = run(exported, pixels)

    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(preprocess.mean).view(3, 1, 1)) / torch.tensor(
        preprocess.std
    ).view(3, 1, 1)
    with torch.no_grad():
        expected = (network(images) / 1.7).softmax(dim=1).numpy()
        body, _ = split_head(network)
        embedding = body(images)
        cosine = nn.functional.cosine_similarity(
            embedding[:, None], torch.from_numpy(means)[None], dim=2
        )
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(answers["embedding"], embedding.numpy(), atol=1e-3)
    np.testing.assert_allclose(answers["known_score"], cosine.amax(dim=1).numpy(), atol=1e-5)
    assert largest_difference(network, preprocess, exported, 1.7, pixels) < 1e-5


def test_map_averages_to_the_logit_it_explains(lite):
    network, _, _, exported, pixels = lite
    answers = run(exported, pixels[:3])
    head = split_head(network)[1]
    logits = answers["embedding"] @ head.weight.detach().numpy().T
    assert answers["map"].shape == (3, 4, 3, 3)
    np.testing.assert_allclose(answers["map"].mean(axis=(2, 3)), logits, atol=1e-3)


def test_number_of_photos_is_free(lite):
    *_, exported, pixels = lite
    one, all_of_them = run(exported, pixels[:1]), run(exported, pixels)
    assert one["probabilities"].shape == (1, 4)
    np.testing.assert_allclose(all_of_them["probabilities"][:1], one["probabilities"], atol=1e-5)


@pytest.mark.parametrize(("name", "size"), [("tinyvgg", 50), ("torchvision/resnet18", 64)])
def test_network_that_does_not_pool_features_has_no_map(name, size):
    network, preprocess = serving_network(name, size)
    exported = complete_graph(export_body(network, preprocess), split_head(network)[1], ENERGY)
    pixels = np.random.default_rng(0).integers(0, 255, (3, size, size, 3), dtype=np.uint8)
    assert set(run(exported, pixels)) == {"probabilities", "known_score", "embedding"}
    assert largest_difference(network, preprocess, exported, 1.7, pixels) < 1e-5


def test_body_of_a_served_graph_takes_another_head(lite):
    network, preprocess, _, exported, pixels = lite
    body = find_body(store_in_half(exported))
    other = create_model("efficientnet_lite0", 7)
    other.load_state_dict(network.state_dict() | split_state(other))
    again = complete_graph(body, split_head(other)[1], ENERGY)
    answers = run(again, pixels)
    assert answers["probabilities"].shape == (len(pixels), 7)
    assert answers["map"].shape[1] == 7
    assert largest_difference(other.eval(), preprocess, again, 1.7, pixels) < 5e-3


def split_state(network):
    return {name: value for name, value in network.state_dict().items() if "classifier" in name}


def test_graph_of_an_older_release_has_no_body_to_take():
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Identity", ["pixels"], ["map"])],
            "old",
            [onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["N"])],
            [onnx.helper.make_tensor_value_info("map", onnx.TensorProto.FLOAT, ["N"])],
        )
    )
    assert find_body(model.SerializeToString()) is None


@pytest.fixture(scope="module")
def clusters():
    """Embeddings of three classes, new ones of them, and ones of something else."""
    rng = np.random.default_rng(0)
    labels = np.arange(240) % 3
    centres = 4 * np.eye(3, 24) + 2
    known = np.float32(centres[labels] + rng.normal(0, 0.5, (240, 24)))
    new = np.float32(centres[labels] + rng.normal(0, 0.5, (240, 24)))
    unknown = np.float32(2 + 4 * np.eye(24)[5] + rng.normal(0, 0.5, (60, 24)))
    head = nn.Linear(24, 3)
    regression = LogisticRegression().fit(known, labels)
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(regression.coef_))
        head.bias.copy_(torch.from_numpy(regression.intercept_))
    return known, labels, new, unknown, head


def candidates(known, labels):
    return [fit_prototypes(known, labels), KnownScore("energy")]


def test_every_score_is_fitted_and_tells_known_from_unknown(clusters):
    known, labels, new, unknown, head = clusters
    scores = [*candidates(known, labels), fit_contrast(known, unknown[::2])]
    assert {score.kind for score in scores} == set(NODES)
    for score in scores:
        ours, others = (score_known(score, head, photos) for photos in (new, unknown))
        is_known = np.r_[np.ones(len(ours)), np.zeros(len(others))]
        assert roc_auc_score(is_known, np.r_[ours, others]) > 0.9, score.kind


def test_no_score_depends_on_the_temperature_that_is_fitted_after_it(clusters):
    known, labels, new, _, head = clusters
    body = onnx.parser.parse_model(
        '<ir_version: 10, opset_import: ["" : 20]> body (float[N,24] pixels) => '
        "(float[N,24] embedding) { embedding = Identity (pixels) }"
    ).SerializeToString()
    for score in candidates(known, labels):
        graph = complete_graph(body, head, Calibration(20.0, score, 0.0, 2.0, 2.0))
        served = run(graph, new)["known_score"]
        np.testing.assert_allclose(served, score_known(score, head, new), rtol=1e-5)


def test_contrast_is_the_regression_that_scikit_learn_fits(clusters):
    known, _, new, unknown, head = clusters
    rows = np.concatenate([known, unknown])
    regression = make_pipeline(
        StandardScaler(), LogisticRegression(C=0.01, class_weight="balanced", max_iter=1000)
    ).fit(rows, np.arange(len(rows)) < len(known))
    given = score_known(fit_contrast(known, unknown), head, new)
    np.testing.assert_allclose(given, regression.decision_function(new), rtol=1e-4)


def test_enough_photos_of_other_things_are_learnt_from(clusters):
    known, labels, new, _, head = clusters
    alike = new[:60] + 1.2 * np.eye(24, dtype=np.float32)[20]  # differs in what no class is told by
    fitted = candidates(known, labels)
    chosen, aurocs = choose_known(fitted, head, known, new[60:], alike)
    assert chosen.kind == "contrast" == max(aurocs, key=aurocs.get)
    expected = fit_contrast(known, alike).values["direction"]
    np.testing.assert_array_equal(chosen.values["direction"], expected)
    _, aurocs = choose_known(fitted, head, known, new[60:], alike[:30])
    assert set(aurocs) == {score.kind for score in fitted}


def test_embeddings_of_zeros_have_scores_too(clusters):
    known, labels, _, _, head = clusters
    known, nothing = known.copy(), np.zeros((2, 24), np.float32)
    known[labels == 1] = 0
    for score in candidates(known, labels):
        assert np.isfinite(score_known(score, head, nothing)).all(), score.kind


def test_scores_are_what_their_papers_say(clusters):
    known, labels, new, _, head = clusters
    with torch.no_grad():
        logits = head(torch.from_numpy(new))
    energy = score_known(KnownScore("energy"), head, new)
    np.testing.assert_allclose(energy, logits.logsumexp(1), rtol=1e-5)
    means = np.stack([known[labels == label].mean(axis=0) for label in range(3)])
    cosines = 1 - cdist(new, means, "cosine").min(axis=1)
    given = score_known(fit_prototypes(known, labels), head, new)
    np.testing.assert_allclose(given, cosines, rtol=1e-5)


def test_half_storage_is_half_the_size_and_nearly_the_same(lite):
    *_, exported, pixels = lite
    half = store_in_half(exported)
    assert len(half) < 0.55 * len(exported)
    onnx.checker.check_model(onnx.load_model_from_string(half), full_check=True)
    full_answers, half_answers = run(exported, pixels), run(half, pixels)
    assert np.abs(full_answers["probabilities"] - half_answers["probabilities"]).max() < 5e-3


def test_half_storage_leaves_what_does_not_fit():
    weights = np.full((64, 64), 1e6, np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "w"], ["y"])],
        "large",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["N", 64])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 64])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    exported = onnx.helper.make_model(graph, ir_version=10).SerializeToString()
    assert store_in_half(exported) == exported
