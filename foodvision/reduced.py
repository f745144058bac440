"""A photo decoded at a reduced scale, with the box that the photo fills.

A decoder that reduces 4001 pixels by 4 returns 1001, of which the last covers one pixel instead of
four. Resized as if all were equal, the photo comes out too small, and shifted.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

from PIL import Image

if TYPE_CHECKING:
    from PIL._imaging import PixelAccess
    from PIL._typing import NumpyArray

Box: TypeAlias = tuple[float, float, float, float]
"""Left, top, right and bottom."""

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How to turn a photo upright, by EXIF's orientation."""

# The orientations whose stored first column, or row, is the last one of the upright photo.
_FROM_RIGHT, _FROM_BELOW, _ON_ITS_SIDE = {2, 3, 6, 7}, {3, 4, 7, 8}, {5, 6, 7, 8}


class ReducedImage(Image.Image):
    """A photo at 1/2, 1/4 or 1/8 of its size: `resize` and `thumbnail` are in register.

    The image is upright. Its pixels are turned only when they are needed, because turning the
    resized image is faster.

    photo_size: the photo's width and height, in its own pixels.
    box: the part of this image that the photo fills, in pixels of this image.

    Other methods of Pillow, such as `crop`, return plain images.
    """

    _stored: Image.Image | None = None
    _orientation = 1

    def __init__(
        self, image: Image.Image, photo_size: tuple[int, int], by: int, orientation: int = 1
    ) -> None:
        """Take an image and its photo's size, as stored in the file.

        by: the photo's pixels along one side of a pixel of the image. The last row and column of
            the file may cover fewer.
        orientation: EXIF's, 1 to 8.
        """
        super().__init__()
        self._stored, self._orientation = image, orientation
        self._mode, self._size, self.photo_size = image.mode, image.size, photo_size
        if orientation in _ON_ITS_SIDE:
            self._size, self.photo_size = image.size[::-1], photo_size[::-1]
        width, height = (side / by for side in self.photo_size)
        left = self.width - width if orientation in _FROM_RIGHT else 0
        top = self.height - height if orientation in _FROM_BELOW else 0
        self.box: Box = (left, top, left + width, top + height)

    @property
    def by(self) -> int:
        """The photo's pixels along one side of a pixel of this image."""
        return round(self.photo_size[0] / (self.box[2] - self.box[0]))

    def load(self) -> "PixelAccess | None":
        """Turn the pixels upright, if they are not yet."""
        if self._stored is not None:
            self.im = _upright(self._stored, self._orientation).im
            self._stored = None
        return super().load()

    def resize(
        self,
        size: "tuple[int, int] | list[int] | NumpyArray",
        resample: int | None = None,
        box: Box | None = None,
        reducing_gap: float | None = None,
    ) -> Image.Image:
        """Resize the photo, or a box of this image."""
        box = box or self.box
        if self._stored is None:
            return super().resize(size, resample, box, reducing_gap)
        width, height = size
        if self._orientation in _ON_ITS_SIDE:
            width, height = height, width
        resized = self._stored.resize((width, height), resample, self._as_stored(box), reducing_gap)
        return _upright(resized, self._orientation)

    def _as_stored(self, box: Box) -> Box:
        left, top, right, bottom = box
        if self._orientation in _FROM_RIGHT:
            left, right = self.width - right, self.width - left
        if self._orientation in _FROM_BELOW:
            top, bottom = self.height - bottom, self.height - top
        if self._orientation in _ON_ITS_SIDE:
            return top, left, bottom, right
        return left, top, right, bottom

    def thumbnail(self, *arguments: Any, **options: Any) -> None:
        """Make this image smaller in place, as Pillow does. The photo then fills it."""
        size = self.size
        super().thumbnail(*arguments, **options)
        if self.size != size:
            self._stored = None
            self.photo_size, self.box = self.size, (0, 0, *self.size)

    def copy(self) -> Image.Image:
        """Return the same with pixels of its own."""
        self.load()
        same = ReducedImage.__new__(ReducedImage)
        vars(same).update(vars(self))
        same.im, same.info = self.im.copy(), self.info.copy()
        return same

    __copy__ = copy

    def __getstate__(self) -> list[Any]:
        """Return what is pickled."""
        return [*super().__getstate__(), self.photo_size, self.box]

    def __setstate__(self, state: list[Any]) -> None:
        """Take back what was pickled."""
        *plain, self.photo_size, self.box = state
        super().__setstate__(plain)


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    return image.transpose(TURNS[orientation]) if orientation in TURNS else image
