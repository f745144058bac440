"""What a frozen backbone sees, computed once: the epochs then train the head alone."""

import torch
from torch import nn
from torch.utils.data import TensorDataset
from tqdm import tqdm

from foodvision.engine.steps import Batches


@torch.inference_mode()
def compute_embeddings(
    body: nn.Module, dataloader: Batches, device: torch.device | str = "cpu"
) -> TensorDataset:
    """Run a network without its head over a loader, in evaluation mode.

    Returns a dataset of (embedding (d,) float32, class index), in the loader's order.
    """
    body.eval()
    pairs = [
        (body(images.to(device)).cpu(), labels)
        for images, labels in tqdm(dataloader, desc="features", unit="batch", disable=None)
    ]
    embeddings, labels = zip(*pairs, strict=True)
    return TensorDataset(torch.cat(embeddings), torch.cat(labels))
