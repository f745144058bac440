"""Names, files and folders of other libraries' models, and the Hub out of reach."""

import json
import sys

import pytest
import timm
import torch
from loopback_hub import LoopbackHub, Nobody
from safetensors.torch import save

from foodvision.checkpoint import read_checkpoint
from foodvision.classifier import find_checkpoint
from foodvision.errors import CheckpointError, FoodVisionError, SettingsError
from foodvision.models import create_model, find_start
from foodvision.safety.foreign import plain_name

pytestmark = pytest.mark.thorough

NETWORK = "test_resnet.r160_in1k"  # timm's smallest: 0.5 million parameters


@pytest.mark.parametrize("before", ["hf_hub:", "hf-hub:", "hf://", "https://huggingface.co/"])
def test_what_others_write_before_a_name_on_the_hub_is_left_out(before):
    assert plain_name(f"{before}cook/fruit") == "cook/fruit"
    assert plain_name(f"{before}cook/fruit/tree/main") == "cook/fruit@main"


@pytest.mark.parametrize("before", ["timm/", "hf_hub:timm/", "hf-hub:timm/", "hf://timm/"])
def test_timms_names_on_the_hub_are_its_networks(before):
    start = find_start(before + NETWORK)
    assert (start.name, start.base_model) == (NETWORK, f"timm/{NETWORK}")
    assert create_model(before + "resnet18.a1_in1k", 3, pretrained=False).fc.out_features == 3


def test_timms_name_that_this_timm_lacks_suggests_a_near_one():
    with pytest.raises(SettingsError) as caught:
        find_start("hf_hub:timm/resnet18.a1_in2k")
    assert str(caught.value).startswith(
        f"timm {timm.__version__} has no model 'resnet18.a1_in2k': did you mean resnet18 "
    )


def test_pretrained_network_that_is_asked_to_predict_is_to_be_trained_first():
    with pytest.raises(CheckpointError) as caught:
        find_checkpoint("hf-hub:timm/resnet18.a1_in1k")
    assert str(caught.value) == (
        "hf-hub:timm/resnet18.a1_in1k is a pretrained network, not a model that was trained "
        "on your classes. Train it first: foodvision train photos/ --model resnet18.a1_in1k"
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("resnet18.pth", "is a weights file of another library, without"),
        ("weights/resnet18-f37072fd.pth", "--model resnet18"),
        ("model.h5", "--model efficientnet_lite0"),
        ("yolo11n-cls.pt", "yolo11n-cls.pt is an Ultralytics model, which foodvision cannot"),
    ],
)
def test_file_of_weights_is_no_model(name, said, tmp_path):
    for path in (name, tmp_path / name):  # whether it is there or not
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"weights")
        with pytest.raises(SettingsError) as caught:
            find_start(str(path))
        assert said in str(caught.value)
        with pytest.raises(CheckpointError, match=r"Ultralytics|another library"):
            read_checkpoint(find_checkpoint(path))


def test_file_that_ultralytics_pickled_is_known_by_its_content(tmp_path, monkeypatch):
    class Model:
        pass

    Model.__module__, Model.__qualname__ = "ultralytics.nn.tasks", "ClassificationModel"
    monkeypatch.setitem(sys.modules, "ultralytics", type(sys)("ultralytics"))
    monkeypatch.setitem(sys.modules, "ultralytics.nn", type(sys)("ultralytics.nn"))
    monkeypatch.setitem(sys.modules, "ultralytics.nn.tasks", type(sys)("ultralytics.nn.tasks"))
    sys.modules["ultralytics.nn.tasks"].ClassificationModel = Model
    torch.save({"model": Model()}, tmp_path / "best.pt")
    torch.save({"model": 1}, tmp_path / "mine.pt")
    with pytest.raises(SettingsError, match="is an Ultralytics model"):
        find_start(str(tmp_path / "best.pt"))
    with pytest.raises(SettingsError, match="is a weights file of another library"):
        find_start(str(tmp_path / "mine.pt"))


def test_other_files_and_files_of_a_checkpoint_are_told_apart(fruit_checkpoint, tmp_path):
    (tmp_path / "photos.zip").write_bytes(b"PK")
    with pytest.raises(SettingsError, match=r"photos.zip is a file. A model is a folder"):
        find_start(str(tmp_path / "photos.zip"))
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(find_checkpoint(fruit_checkpoint / "model.onnx"))
    assert str(caught.value) == (
        f"{fruit_checkpoint / 'model.onnx'} is only one file of a model. Give its folder: "
        f"{fruit_checkpoint}"
    )


@pytest.mark.parametrize(
    ("config", "said"),
    [
        (
            {"architectures": ["ViTForImageClassification"], "model_type": "vit"},
            (
                "is a model of transformers (ViTForImageClassification), not of foodvision. To "
                "train on your photos, choose a network: --model efficientnet_lite0"
            ),
        ),
        (
            {"architecture": "resnet18", "num_classes": 3, "pretrained_cfg": {"tag": "a1_in1k"}},
            (
                "is a model of timm (resnet18), not of foodvision. To train on your photos, "
                "choose a network: --model resnet18.a1_in1k"
            ),
        ),
    ],
)
def test_folder_of_another_library_is_told(config, said, tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(config))
    for load in (find_start, read_checkpoint):
        with pytest.raises(CheckpointError) as caught:
            load(str(tmp_path))
        assert str(caught.value) == f"{tmp_path} {said}"


def test_folder_without_a_configuration_is_known_by_its_files(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"")
    with pytest.raises(CheckpointError, match="is a model of TensorFlow, not of foodvision"):
        read_checkpoint(tmp_path)


@pytest.fixture
def hub(tmp_path):
    with LoopbackHub(tmp_path / "hub") as hub:
        yield hub


@pytest.fixture
def build(client_at):
    """Build a network with its weights; return the sum of its first ones, or what is said."""

    def build(name, hub, **client):
        client_at(hub, token=None, **client)
        try:
            return float(create_model(name, 3).conv1[0].weight.detach().sum())
        except FoodVisionError as error:
            return str(error)

    return build


def test_weights_of_timm_come_from_the_hub_and_then_from_the_cache(hub, build):
    network = timm.create_model(NETWORK, pretrained=False)
    hub.add(f"timm/{NETWORK}", {"model.safetensors": save(network.state_dict())})
    expected = float(network.conv1[0].weight.detach().sum())
    assert build(f"timm/{NETWORK}", hub) == expected
    assert build(NETWORK, hub, offline=True) == expected
    assert build(NETWORK, Nobody()) == expected


def test_weights_out_of_reach_are_one_line(hub, build):
    for at, offline, why in ((hub, True, "HF_HUB_OFFLINE"), (Nobody(), False, "refused")):
        line = build(NETWORK, at, offline=offline)
        assert line.startswith(f"could not download the ImageNet weights of {NETWORK} (")
        assert why in line
        assert line.endswith("--no-pretrained")


def test_repository_of_another_library_is_told_before_its_weights_are_downloaded(
    hub, tmp_path, client_at
):
    card = b"---\nlibrary_name: transformers\n---\n"
    hub.add("cook/vit", {"config.json": b"{}", "model.safetensors": b"x", "README.md": card})
    client_at(hub)
    with pytest.raises(Exception, match="cook/vit is a model of transformers, not of foodvision"):
        find_start("cook/vit", weights=True)
    assert not hub.asked("GET .*model.safetensors")
