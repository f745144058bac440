"""TinyVGG, the lecture's network."""

import torch
from torch import nn

# What the lecture's classifier expects: 64 pixels, halved by each of two blocks.
_MAP_SIDE = 16


class TinyVGG(nn.Module):
    """Two blocks of conv-relu-conv-relu-pool, then a linear classifier.

    The network of the CNN Explainer (poloclub.github.io/cnn-explainer), with padding 1 as in the
    lecture. It takes (n, in_channels, h, w) float32 of any size from 4 pixels up and returns
    (n, num_classes) logits. Larger or smaller maps than the lecture's are averaged to 16 x 16; at
    64 pixels that changes nothing, and 3 channels, 10 hidden units and 3 classes make 10,693
    parameters.
    """

    def __init__(self, in_channels: int, hidden_units: int, num_classes: int) -> None:
        """Build the network with torch's default initialisation."""
        super().__init__()
        self.conv_block_1 = _block(in_channels, hidden_units)
        self.conv_block_2 = _block(hidden_units, hidden_units)
        self.classifier = nn.Sequential(
            nn.AdaptiveAvgPool2d(_MAP_SIDE),
            nn.Flatten(),
            nn.Linear(hidden_units * _MAP_SIDE * _MAP_SIDE, num_classes),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return the logits, (n, num_classes)."""
        logits: torch.Tensor = self.classifier(self.conv_block_2(self.conv_block_1(x)))
        return logits


def _block(in_channels: int, out_channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.Conv2d(out_channels, out_channels, kernel_size=3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(kernel_size=2),
    )
