"""Train foodvision-101, the model that ships: efficientnet_lite0 on the 101 dishes of Food-101.

python models/foodvision-101/train.py --data ../shared/data --work runs/foodvision-101
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from timm.utils import ModelEmaV3
from torch import nn
from torch.utils.data import ConcatDataset, DataLoader, Dataset, WeightedRandomSampler

from foodvision.data import Photos, carve, find_photos, open_source
from foodvision.data.loaders import PhotoDataset, create_dataloader, eval_transform, train_transform
from foodvision.engine import test_step, train
from foodvision.models import create_model, preprocess_for


@dataclass(frozen=True)
class Stage:
    """One part of the training.

    sharp_share: part of the photos drawn that is sharp; the others are the small ones.
    """

    name: str
    size: int
    steps: int
    epochs: int
    batch_size: int
    peak_rate: float
    sharp_share: float


STAGES = (
    Stage(
        "small", size=112, steps=700, epochs=4, batch_size=64, peak_rate=1.5e-3, sharp_share=0.15
    ),
    Stage("sharp", size=160, steps=120, epochs=4, batch_size=48, peak_rate=4e-4, sharp_share=0.5),
)


def main() -> None:
    """Train what is not trained yet and write the checkpoint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--work", type=Path, default=Path("runs/foodvision-101"))
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(42)
    with (
        open_source(arguments.data / "food101_64px.tar.gz") as small_folder,
        open_source(arguments.data / "food101_sharp.zip") as sharp_folder,
    ):
        small = find_photos(small_folder)
        sharp = sharp_split(sharp_folder)
        network = create_model("efficientnet_lite0", len(sharp.classes))
        network = network.to(memory_format=torch.channels_last)
        for stage in STAGES:
            weights = arguments.work / f"{stage.name}.safetensors"
            if not weights.exists():
                save_file(run_stage(stage, network, small, sharp), weights)
            network.load_state_dict(load_file(weights))


def sharp_split(folder: Path) -> Photos:
    """Carve validation out of the sharp training photos; test/ is left for the end."""
    found = find_photos(folder)
    stays, taken = carve(found.splits["train"], share=0.15, seed="foodvision-101")
    return Photos(found.root, {"train": stays, "val": taken})


def run_stage(
    stage: Stage, network: nn.Module, small: Photos, sharp: Photos
) -> dict[str, torch.Tensor]:
    """Train through one stage and return the averaged weights."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=stage.peak_rate, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, stage.peak_rate, epochs=stage.epochs, steps_per_epoch=stage.steps, pct_start=0.2
    )
    average = ModelEmaV3(network, decay=0.998, use_warmup=True)
    optimizer.register_step_post_hook(lambda *_: schedule.step())
    optimizer.register_step_post_hook(lambda *_: average.update(network))
    loss_fn = nn.CrossEntropyLoss(label_smoothing=0.1)
    loader = mixed_loader(stage, small, sharp)
    val_loader = validation_loader(sharp, stage.size + 32)
    for epoch in range(stage.epochs):
        results = train(network, loader, val_loader, optimizer, loss_fn, epochs=1)
        averaged_loss, averaged_acc = test_step(average.module, val_loader, loss_fn)
        print(stage.name, epoch, results, averaged_loss, averaged_acc, flush=True)
    return {name: tensor.contiguous() for name, tensor in average.module.state_dict().items()}


def mixed_loader(stage: Stage, small: Photos, sharp: Photos) -> DataLoader:
    """Draw small and sharp photos at the stage's ratio."""
    transform = train_transform(preprocess_for("efficientnet_lite0", stage.size))
    classes = sharp.classes
    parts: list[Dataset] = [
        PhotoDataset(small.root, small.splits["train"], classes, transform),
        PhotoDataset(sharp.root, sharp.splits["train"], classes, transform),
    ]
    shares = (1 - stage.sharp_share, stage.sharp_share)
    weights = [
        share / len(part)
        for part, share in zip(parts, shares, strict=True)
        for _ in range(len(part))
    ]
    sampler = WeightedRandomSampler(weights, stage.steps * stage.batch_size)
    return DataLoader(ConcatDataset(parts), stage.batch_size, sampler=sampler, drop_last=True)


def validation_loader(sharp: Photos, size: int) -> DataLoader:
    """Return the loader of the sharp validation photos."""
    transform = eval_transform(preprocess_for("efficientnet_lite0", size))
    dataset = PhotoDataset(sharp.root, sharp.splits["val"], sharp.classes, transform)
    return create_dataloader(dataset, 64, shuffle=False)


if __name__ == "__main__":
    main()
