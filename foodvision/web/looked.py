"""Where the model looked, as HTML: the photo, the map over it, and a slider for its strength."""

from markupsafe import Markup
from PIL import Image

from foodvision.page.colours import STOPS
from foodvision.page.words import Words
from foodvision.reports.documents import data_uri, jpeg

STRENGTH = 60
"""The strength of the colours at first, in percent."""

_LOOKED = Markup(
    '<p class="soft">{text}</p><div class="stack">{inside}</div>'
    '<div class="scale"><span>{low}</span>'
    '<i style="background:linear-gradient(to right,{colours})"></i><span>{high}</span></div>'
    '<label class="strength"><span>{label}</span>'
    '<input type="range" min="0" max="100" value="{strength}"{disabled}></label>'
)
_PICTURES = Markup('<img class="plain" src="{plain}" alt=""><img class="map" src="{map}" alt="">')
_HINT = Markup("<p>{}</p>")


def looked_html(
    words: Words,
    pictures: tuple[Image.Image, Image.Image] | None = None,
    hint: str = "looked_empty",
) -> Markup:
    """Return where the model looked, or a hint that says why there is nothing to see.

    pictures: as `where_it_looked` returns them. hint: the key of its text.
    """
    inside = _HINT.format(words(hint))
    if pictures:
        plain, over = (data_uri(jpeg(picture), "image/jpeg") for picture in pictures)
        inside = _PICTURES.format(plain=plain, map=over)
    return _LOOKED.format(
        text=words("looked_text"),
        inside=inside,
        low=words("looked_low"),
        high=words("looked_high"),
        colours=",".join(STOPS),
        label=words("strength_label"),
        strength=STRENGTH,
        disabled=Markup() if pictures else Markup(" disabled"),
    )
