"""Photos as phones take them: blurred, noisy, dark, flat, strongly compressed, small."""

import io

import torch
from PIL import Image
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional


class AsPhonesTakeIt(v2.Transform):
    """Make a share of the photos worse in one way, drawn from torch's generator.

    The ways are milder and stronger ones of six kinds; the card's 21 ways of making photos worse
    (`foodvision.evaluation`) are other code, with steps of their own.
    """

    def __init__(self, share: float) -> None:
        """Take how many of the photos are made worse, 0 to 1."""
        super().__init__()
        self._share = share

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return (3, h, w) uint8 from the same."""
        if torch.rand(()) > self._share:
            return image
        return _WAYS[int(torch.randint(len(_WAYS), ()))](image)


def _between(low: float, high: float) -> float:
    return float(torch.empty(()).uniform_(low, high))


def _blurred(image: torch.Tensor) -> torch.Tensor:
    return functional.gaussian_blur(image, [7, 7], [_between(0.6, 2.2)] * 2)


def _noisy(image: torch.Tensor) -> torch.Tensor:
    strength = 255 * _between(0.03, 0.14)
    noisy = image.float() + torch.randn(image.shape) * strength
    return noisy.clamp(0, 255).to(torch.uint8)


def _compressed(image: torch.Tensor) -> torch.Tensor:
    file = io.BytesIO()
    functional.to_pil_image(image).save(file, "JPEG", quality=int(torch.randint(6, 40, ())))
    return functional.pil_to_tensor(Image.open(file))


def _dark_or_bright(image: torch.Tensor) -> torch.Tensor:
    return functional.adjust_brightness(image, _between(0.3, 1.6))


def _flat_or_hard(image: torch.Tensor) -> torch.Tensor:
    return functional.adjust_contrast(image, _between(0.3, 1.4))


def _small(image: torch.Tensor) -> torch.Tensor:
    by = int(torch.randint(2, 8, ()))
    small = functional.resize(image, [max(24, image.shape[-1] // by)] * 2, antialias=True)
    return functional.resize(small, list(image.shape[-2:]))


_WAYS = (_blurred, _noisy, _compressed, _dark_or_bright, _flat_or_hard, _small)
