"""Where the model looked, as HTML: the photo, the map over it, and how strong its colours are."""

import io

from markupsafe import Markup
from PIL import Image

from foodvision.page.colours import STOPS
from foodvision.page.words import Words
from foodvision.reports.documents import data_uri

STRENGTH = 60
"""How strong the colours are before anybody changes it, in percent."""

_LOOKED = Markup(
    '<p class="soft">{text}</p><div class="stack">{inside}</div>'
    '<div class="scale"><span>{low}</span>'
    '<i style="background:linear-gradient(to right,{colours})"></i><span>{high}</span></div>'
    '<label class="strength"><span>{label}</span>'
    '<input type="range" min="0" max="100" value="{strength}"{disabled}></label>'
)
_PICTURES = Markup('<img class="plain" src="{plain}" alt=""><img class="map" src="{map}" alt="">')
_HINT = Markup("<p>{}</p>")


def looked_html(words: Words, pictures: tuple[Image.Image, Image.Image] | None = None) -> Markup:
    """Return where the model looked, or what stands there before there is a photo.

    pictures: as `where_it_looked` returns them.
    """
    if pictures is None:
        return _html(words, _HINT.format(words("looked_empty")), Markup(" disabled"))
    plain, over = (data_uri(_jpeg(picture), "image/jpeg") for picture in pictures)
    return _html(words, _PICTURES.format(plain=plain, map=over), Markup())


def not_looked_html(words: Words) -> Markup:
    """Return what stands there of a model that cannot show it."""
    return _html(words, _HINT.format(words("looked_none")), Markup(" disabled"))


def _html(words: Words, inside: Markup, disabled: Markup) -> Markup:
    return _LOOKED.format(
        text=words("looked_text"),
        inside=inside,
        low=words("looked_low"),
        high=words("looked_high"),
        colours=",".join(STOPS),
        label=words("strength_label"),
        strength=STRENGTH,
        disabled=disabled,
    )


def _jpeg(image: Image.Image) -> bytes:
    content = io.BytesIO()
    image.save(content, "JPEG", quality=88)
    return content.getvalue()
