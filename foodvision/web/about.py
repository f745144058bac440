"""The tab on the model: its classes and its accuracy, from the checkpoint."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import gradio as gr
from markupsafe import Markup

from foodvision.checkpoint import read_card
from foodvision.page.charts import reliability_svg
from foodvision.page.models import PageModel, PageModels
from foodvision.page.words import Words
from foodvision.safety.escaping import without_html
from foodvision.web.choice import ModelChoice

_FIGURE = Markup(
    '<figure class="reliability"><h3>{title}</h3>{drawing}'
    '<figcaption class="soft">{text}</figcaption></figure>'
)
_SOFT = Markup('<p class="soft">{}</p>')
_COLUMNS: Mapping[str, Any] = {
    "class_label": "str",
    "count_label": "number",
    "found_label": "number",
    "found_interval": "str",
    "right_label": "number",
    "right_interval": "str",
}


class About(NamedTuple):
    """What is told of a model: HTML, a row of the table for each class, and the card's Markdown."""

    summary: Markup
    rows: list[list[str | float | None]]
    confused: Markup
    card: str


def tell_about(model: PageModel, words: Words) -> About:
    """Return what the tab says of a model."""
    return About(_summary(model, words), _rows(model, words), _confused(model, words), _card(model))


def about_tab(models: PageModels, chosen: ModelChoice, i18n: gr.I18n, page: gr.Blocks) -> None:
    """Lay out the tab; its texts come when the page opens, in the visitor's language."""

    def tell(chosen: str, request: gr.Request) -> tuple[str, Any, str, str, str]:
        model = models[chosen]
        words = model.words(request)
        headers = [words(key) for key in _COLUMNS]
        said = tell_about(model, words)
        table = gr.update(value={"headers": headers, "data": said.rows})
        how = _SOFT.format(words("table_text"))
        return said.summary, table, how, said.confused, said.card

    summary = gr.HTML("")
    classes = gr.Dataframe(
        headers=[""] * len(_COLUMNS),
        datatype=list(_COLUMNS.values()),
        interactive=False,
        show_search="search",
        wrap=True,
        label=i18n("dishes_title"),
        max_height=480,
        column_widths=["160px", "90px", "100px", "130px", "110px", "170px"],
        elem_id="classes",
    )
    how = gr.HTML("")
    confused = gr.HTML("", elem_id="confused")
    with gr.Accordion(i18n("card_open"), open=False):
        card = gr.Markdown("")
    told = [summary, classes, how, confused, card]
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
    bins = test.get("reliability", [])
    plot = (
        _FIGURE.format(
            title=words("reliability_title"),
            drawing=reliability_svg(bins, words),
            text=words("reliability_text"),
        )
        if bins
        else ""
    )
    return Markup('<p class="summary">{}</p><p class="soft">{}</p>{}').format(said, size, plot)


def _confused(model: PageModel, words: Words) -> Markup:
    """Return the most frequent confusions."""
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
    if not lines:
        return Markup()
    return Markup("<h3>{}</h3><ul>{}</ul>").format(words("confused_title"), lines) + _SOFT.format(
        words("confused_text")
    )


def _card(model: PageModel) -> str:
    """Return the card without HTML and pictures: the page shows no files of the server."""
    card = read_card(model.classifier.checkpoint)
    return without_html(re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", card))


def _rows(model: PageModel, words: Words) -> list[list[str | float | None]]:
    per_class = model.classifier.config.figures.get("test", {}).get("per_class", {})
    return [
        [
            words.name(label),
            per_class[label]["n"] if label in per_class else None,
            *_share(per_class.get(label), "recall", "n", words),
            *_share(per_class.get(label), "precision", "answered", words),
        ]
        for label in model.classifier.classes
    ]


def _share(
    figures: Mapping[str, Any] | None, key: str, count: str, words: Words
) -> tuple[float | None, str]:
    """Return a share in percent, as a number to sort by, and its interval in words."""
    interval = figures.get(f"{key}_interval") if figures else None
    if not figures or not figures.get(count) or not interval:
        return None, "-"
    low, high = interval
    said = words("range", low=f"{100 * low:.0f}", high=f"{100 * high:.0f}")
    if key == "precision":
        said += f" (n = {figures[count]})"
    return round(100 * figures[key]), said
