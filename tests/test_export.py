import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from conftest import EXAMPLES
from torch import nn

from foodvision.export import (
    Calibration,
    ServingGraph,
    export_graph,
    largest_difference,
    store_in_half,
)
from foodvision.image import load_image
from foodvision.models import create_model, preprocess_for, split_head


def serving_graph(name, size, num_classes=4):
    torch.manual_seed(3)
    network = create_model(name, num_classes, pretrained=name == "efficientnet_lite0").eval()
    preprocess = preprocess_for(name, size)
    width = split_head(network)[1].in_features
    calibration = Calibration(1.7, torch.rand(num_classes, width), 0.5)
    return ServingGraph(network, preprocess, calibration), preprocess, network, calibration


def run(exported, pixels):
    session = onnxruntime.InferenceSession(exported)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"pixels": pixels}), strict=True))


@pytest.fixture(scope="module")
def lite():
    graph, preprocess, network, calibration = serving_graph("efficientnet_lite0", 96)
    photos = [path for path in sorted(EXAMPLES.iterdir()) if path.suffix == ".jpg"]
    pixels = np.stack([preprocess(load_image(path)) for path in photos])
    return graph, preprocess, network, calibration, export_graph(graph, preprocess), pixels


def test_graph_gives_torchs_answers_on_real_photos(lite):
    graph, preprocess, network, calibration, exported, pixels = lite
    onnx.checker.check_model(onnx.load_model_from_string(exported), full_check=True)
    answers = run(exported, pixels)

    images = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    images = (images - torch.tensor(preprocess.mean).view(3, 1, 1)) / torch.tensor(
        preprocess.std
    ).view(3, 1, 1)
    with torch.no_grad():
        expected = (network(images) / calibration.temperature).softmax(dim=1).numpy()
        body, _ = split_head(network)
        embedding = body(images)
        cosine = nn.functional.cosine_similarity(
            embedding[:, None], calibration.prototypes[None], dim=2
        )
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    np.testing.assert_allclose(answers["embedding"], embedding.numpy(), atol=1e-3)
    np.testing.assert_allclose(answers["known_score"], cosine.amax(dim=1).numpy(), atol=1e-5)
    assert largest_difference(graph, exported, pixels) < 1e-5


def test_map_averages_to_the_logit_it_explains(lite):
    _, _, network, _, exported, pixels = lite
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
    graph, preprocess, *_ = serving_graph(name, size)
    exported = export_graph(graph, preprocess)
    pixels = np.random.default_rng(0).integers(0, 255, (3, size, size, 3), dtype=np.uint8)
    assert set(run(exported, pixels)) == {"probabilities", "known_score", "embedding"}
    assert largest_difference(graph, exported, pixels) < 1e-5


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
