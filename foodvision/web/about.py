"""The tab that says what the model knows and how well, from its checkpoint."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from foodvision.checkpoint import read_card
from foodvision.page.models import PageModel, PageModels
from foodvision.page.words import Words
from foodvision.safety.escaping import without_html
from foodvision.web.choice import ModelChoice

_PLOT = 240

_DOT = Markup('<circle cx="{x}" cy="{y}" r="{radius}"/>')
_DRAWING = Markup(
    '<figure class="reliability"><figcaption><b>{title}</b><br>{text}</figcaption>'
    '<svg viewBox="-12 -12 {around} {around}" role="img" aria-label="{title}">'
    '<rect width="{side}" height="{side}"/><path d="M0 {side} L{side} 0"/>{dots}</svg></figure>'
)


def about_tab(models: PageModels, chosen: ModelChoice, i18n: gr.I18n, page: gr.Blocks) -> None:
    """Lay out the tab; its words come when the page is opened, in the visitor's language."""

    def tell(chosen: str, request: gr.Request) -> tuple[str, Any, str, str]:
        model = models[chosen]
        words = model.words(request)
        headers = [words(key) for key in ("class_label", "found_label", "right_label")]
        table = gr.update(value={"headers": headers, "data": _rows(model, words)})
        return _summary(model, words), table, _confused(model, words), _card(model)

    summary = gr.HTML("")
    classes = gr.Dataframe(
        headers=["", "", ""],
        datatype=["str", "str", "str"],
        interactive=False,
        show_search="search",
        wrap=True,
        label=i18n("dishes_title"),
        max_height=480,
    )
    confused = gr.HTML("", elem_id="confused")
    with gr.Accordion(i18n("card_open"), open=False):
        card = gr.Markdown("")
    told = [summary, classes, confused, card]
    page.load(tell, chosen, told, api_visibility="private")
    if isinstance(chosen, gr.Dropdown):
        chosen.change(tell, chosen, told, api_visibility="private")


def _summary(model: PageModel, words: Words) -> Markup:
    config = model.classifier.config
    size = words(
        "size",
        architecture=config.architecture,
        megabytes=f"{len(model.classifier.checkpoint.graph) / 1e6:.1f}",
        n=len(config.classes),
    )
    if not config.refuses:
        size = f"{size} {words('never_refuses')}"
    test = config.figures.get("test")
    if not test:
        return Markup("<p>{}</p><p>{}</p>").format(size, words("no_figures"))
    low, high = (f"{100 * bound:.1f}" for bound in test["top1_interval"])
    said = words("top1", percent=f"{100 * test['top1']:.1f}", n=test["n"], low=low, high=high)
    plot = _reliability(test.get("reliability", []), words)
    return Markup("<p>{} {}</p>{}").format(said, size, plot)


def _confused(model: PageModel, words: Words) -> Markup:
    """Return the pairs of classes that were taken for each other most often."""
    pairs = model.classifier.config.figures.get("test", {}).get("confused", [])
    said = (
        words(
            "confused_pair",
            label=words.name(pair["label"]),
            answer=words.name(pair["answer"]),
            times=pair["times"],
            n=pair["n"],
        )
        for pair in pairs
    )
    lines = Markup().join(map(Markup("<li>{}</li>").format, said))
    title = words("confused_title")
    return Markup("<h3>{}</h3><ul>{}</ul>").format(title, lines) if lines else Markup()


def _card(model: PageModel) -> str:
    """Return the card without HTML and pictures: a page shows no files of the server."""
    card = read_card(model.classifier.checkpoint)
    return without_html(re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", card))


def _rows(model: PageModel, words: Words) -> list[list[str]]:
    per_class = model.classifier.config.figures.get("test", {}).get("per_class", {})
    return [
        [
            words.name(label),
            _share(per_class.get(label), "recall", "n"),
            _share(per_class.get(label), "precision", "answered"),
        ]
        for label in model.classifier.classes
    ]


def _share(figures: Mapping[str, Any] | None, key: str, count: str) -> str:
    interval = figures.get(f"{key}_interval") if figures else None
    if not figures or not figures.get(count) or not interval:
        return "-"
    low, high = interval
    share, n = 100 * figures[key], figures[count]
    return f"{share:.0f}% ({100 * low:.0f} to {100 * high:.0f}%, n = {n})"


def _reliability(bins: Sequence[Mapping[str, float]], words: Words) -> Markup:
    """Return a drawing of accuracy over confidence; a dot's area is its number of photos."""
    if not bins:
        return Markup()
    most = max(of["n"] for of in bins)
    dots = Markup().join(
        _DOT.format(
            x=f"{_PLOT * of['confidence']:.1f}",
            y=f"{_PLOT * (1 - of['accuracy']):.1f}",
            radius=f"{2 + 8 * (of['n'] / most) ** 0.5:.1f}",
        )
        for of in bins
    )
    title, text = words("reliability_title"), words("reliability_text")
    return _DRAWING.format(title=title, text=text, side=_PLOT, around=_PLOT + 24, dots=dots)
