import copy
import warnings

import pytest
import torch
from sklearn.metrics import accuracy_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from foodvision.engine.steps import Tally, test_step, train, train_step
from foodvision.errors import FoodVisionError

evaluate_step = test_step
del test_step  # pytest would take it for a test


def blobs(count: int, seed: int) -> TensorDataset:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 3, (count,), generator=generator)
    points = torch.randn(count, 4, generator=generator) + 2 * nn.functional.one_hot(labels, 4)
    return TensorDataset(points, labels)


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.BatchNorm1d(8), nn.Linear(8, 3))


def test_train_ends_in_the_weights_of_a_plain_loop(network):
    plain = copy.deepcopy(network)
    loss_fn = nn.CrossEntropyLoss()
    train_set, val_set = blobs(50, 1), blobs(20, 2)

    torch.manual_seed(7)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    loaders = DataLoader(train_set, 16, shuffle=True), DataLoader(val_set, 16)
    train(network, *loaders, optimizer, loss_fn, epochs=3)

    torch.manual_seed(7)
    optimizer = torch.optim.Adam(plain.parameters(), lr=0.01)
    for _ in range(3):
        plain.train()
        for points, labels in DataLoader(train_set, 16, shuffle=True):
            optimizer.zero_grad()
            loss_fn(plain(points), labels).backward()
            optimizer.step()
        plain.eval()
        for _ in DataLoader(val_set, 16):
            pass

    for ours, theirs in zip(
        network.state_dict().values(), plain.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_results_have_one_value_an_epoch(network):
    loader = DataLoader(blobs(40, 1), 16)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    results = train(network, loader, loader, optimizer, nn.CrossEntropyLoss(), epochs=4)
    assert list(results) == ["train_loss", "train_acc", "test_loss", "test_acc"]
    assert all(len(values) == 4 for values in results.values())
    assert results["train_loss"][-1] < results["train_loss"][0]
    assert all(0 <= value <= 1 for value in results["test_acc"])


def test_photos_count_the_same_in_a_small_last_batch(network):
    dataset = blobs(33, 3)  # two batches of 16 and one of a single photo
    loss, accuracy = evaluate_step(network, DataLoader(dataset, 16), nn.CrossEntropyLoss())
    points, labels = dataset.tensors
    with torch.no_grad():
        logits = network.eval()(points)
    assert accuracy == pytest.approx(accuracy_score(labels, logits.argmax(1)))
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, labels).item(), abs=1e-6)


def test_train_step_reports_what_it_saw(network):
    dataset = blobs(33, 3)
    frozen = torch.optim.SGD(network.parameters(), lr=0.0)
    network.train()
    points, labels = dataset.tensors
    logits = torch.cat([network(batch) for batch in points.split(16)[:2]])
    loader = DataLoader(TensorDataset(points[:32], labels[:32]), 16)
    loss, accuracy = train_step(network, loader, nn.CrossEntropyLoss(), frozen)
    assert accuracy == pytest.approx(accuracy_score(labels[:32], logits.argmax(1)))
    assert loss == pytest.approx(nn.functional.cross_entropy(logits, labels[:32]).item(), abs=1e-6)


def test_counts_taken_up_are_where_those_to_come_will_be():
    counted = Tally()
    counted.add(torch.tensor(1.0), torch.eye(2), torch.tensor([0, 1]))
    elsewhere = Tally("meta")
    elsewhere.load_state_dict(counted.state_dict())
    assert {value.device.type for value in elsewhere.state_dict()["loss"].values()} == {"meta"}


def test_test_step_changes_nothing(network):
    before = copy.deepcopy(network.state_dict())
    evaluate_step(network, DataLoader(blobs(20, 1), 8), nn.CrossEntropyLoss())
    assert all(torch.equal(before[name], value) for name, value in network.state_dict().items())


def test_loss_that_is_not_finite_names_the_batch(network):
    points, labels = blobs(48, 1).tensors
    points[20] = float("nan")
    loader = DataLoader(TensorDataset(points, labels), 16)
    optimizer = torch.optim.Adam(network.parameters())
    with pytest.raises(
        FoodVisionError, match="the loss is nan at batch 1: lower the learning rate"
    ):
        train_step(network, loader, nn.CrossEntropyLoss(), optimizer)


def test_hooks_of_the_optimiser_hang_a_schedule_on_the_loop(network):
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, total_iters=6)
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    loader = DataLoader(blobs(32, 1), 16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        train(network, loader, loader, optimizer, nn.CrossEntropyLoss(), epochs=3)
    assert schedule.get_last_lr() == [pytest.approx(0.1)]
