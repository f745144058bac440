"""Charts of a model's figures as SVG, which takes the colours of the page around it."""

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from foodvision.page.words import Words

# In units of the drawing: the plot's side, and room for ticks and labels beside it.
_SIDE, _LEFT, _TOP, _RIGHT, _BOTTOM = 240, 58, 14, 24, 50
_TICKS = (0, 25, 50, 75, 100)

_SVG = Markup(
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"'
    ' aria-label="{title}" font-size="13" fill="currentColor" stroke="none">{style}'
    '<g transform="translate({left} {top})">{grid}'
    '<path d="M0 {side} L{side} 0" stroke="currentColor" stroke-dasharray="5 4" fill="none"/>'
    '{dots}</g><text x="{middle}" y="{foot}" text-anchor="middle">{across}</text>'
    '<text transform="translate(14 {centre}) rotate(-90)" text-anchor="middle">{up}</text></svg>'
)
_TICK = Markup(
    '<path d="M{at} 0 V{side} M0 {down} H{side}" stroke="currentColor" opacity=".15"/>'
    '<text x="{at}" y="{under}" text-anchor="middle" font-size="11">{percent}%</text>'
    '<text x="-7" y="{beside}" text-anchor="end" font-size="11">{percent}%</text>'
)
_DOT = Markup(
    '<circle cx="{x}" cy="{y}" r="{radius}" fill="#ea580c" fill-opacity=".85">'
    "<title>n = {n}</title></circle>"
)
# A picture in a file has no page around it.
_OWN_COLOURS = Markup(
    "<style>svg{color:#1c1917;font-family:system-ui,sans-serif}"
    "@media(prefers-color-scheme:dark){svg{color:#f5f5f4}}</style>"
)


def reliability_svg(
    bins: Sequence[Mapping[str, Any]], words: Words, *, is_file: bool = False
) -> Markup:
    """Return accuracy over confidence; a dot's area is its number of photos.

    bins: the figures `reliability` of a checkpoint, at least one.
    is_file: whether it is shown as a picture of its own, not as a part of a page.
    """
    most = max(of["n"] for of in bins)
    grid = Markup().join(
        _TICK.format(
            at=_SIDE * percent / 100,
            down=_SIDE * (1 - percent / 100),
            beside=_SIDE * (1 - percent / 100) + 4,
            under=_SIDE + 16,
            side=_SIDE,
            percent=percent,
        )
        for percent in _TICKS
    )
    dots = Markup().join(
        _DOT.format(
            x=f"{_SIDE * of['confidence']:.1f}",
            y=f"{_SIDE * (1 - of['accuracy']):.1f}",
            radius=f"{2 + 8 * (of['n'] / most) ** 0.5:.1f}",
            n=of["n"],
        )
        for of in bins
    )
    return _SVG.format(
        title=words("reliability_title"),
        style=_OWN_COLOURS if is_file else "",
        width=_LEFT + _SIDE + _RIGHT,
        height=_TOP + _SIDE + _BOTTOM,
        left=_LEFT,
        top=_TOP,
        side=_SIDE,
        grid=grid,
        dots=dots,
        middle=_LEFT + _SIDE / 2,
        foot=_TOP + _SIDE + 40,
        centre=_TOP + _SIDE / 2,
        across=words("confidence_label"),
        up=words("right_axis"),
    )
