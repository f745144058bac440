"""A photo decoded at a part of its size, which knows where in its pixels the photo lies.

A decoder that makes 4001 pixels smaller by 4 gives 1001, of which the last stands for one pixel,
not four. Resized as if they were equal, the photo comes out too small, and shifted.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

if TYPE_CHECKING:
    from PIL._typing import NumpyArray

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom."""


class ReducedImage(Image.Image):
    """A photo at 1/2, 1/4 or 1/8 of its size: `resize` and `thumbnail` are in register.

    photo_size: the photo's width and height, in its own pixels.
    box: what of this image the photo fills, in pixels of this image.

    Anything else that Pillow makes of it, as a crop, is a plain image.
    """

    def __init__(self, image: Image.Image, photo_size: tuple[int, int], box: Box) -> None:
        """Take over the pixels of an image."""
        super().__init__()
        self.im, self._mode, self._size = image.im, image.mode, image.size
        self.photo_size, self.box = photo_size, box

    @property
    def by(self) -> int:
        """How many of the photo's pixels lie along a side of one of these."""
        return round(self.photo_size[0] / (self.box[2] - self.box[0]))

    def resize(
        self,
        size: "tuple[int, int] | list[int] | NumpyArray",
        resample: int | None = None,
        box: Box | None = None,
        reducing_gap: float | None = None,
    ) -> Image.Image:
        """Resize the photo, or a box of this image."""
        return super().resize(size, resample, box or self.box, reducing_gap)

    def thumbnail(self, *arguments: Any, **options: Any) -> None:
        """Make this image smaller in place, as Pillow does; the photo fills it then."""
        super().thumbnail(*arguments, **options)
        self.photo_size, self.box = self.size, (0, 0, *self.size)

    def copy(self) -> Image.Image:
        """Return the same with pixels of its own."""
        return ReducedImage(super().copy(), self.photo_size, self.box)

    __copy__ = copy

    def __getstate__(self) -> list[Any]:
        """Return what is pickled."""
        return [*super().__getstate__(), self.photo_size, self.box]

    def __setstate__(self, state: list[Any]) -> None:
        """Take back what was pickled."""
        *plain, self.photo_size, self.box = state
        super().__setstate__(plain)
