"""The tab on the model: its classes and its accuracy, from the checkpoint."""

import json
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
_CONFUSED = Markup('<h3>{title}</h3><ul id="confused">{lines}</ul><p class="soft">{text}</p>')
# `page.js` makes the table of it: with one of Gradio's, the tab takes three times as long to open.
_TABLE = Markup(
    '<h3>{title}</h3><div class="sortable" data-table="{table}"></div><p class="soft">{text}</p>'
)
_COLUMNS = (
    *("class_label", "count_label"),
    *("found_label", "found_interval"),
    *("right_label", "right_interval"),
)


class About(NamedTuple):
    """What is told of a model: HTML, a row of the table for each class, HTML, and Markdown."""

    summary: Markup
    rows: list[list[str | float | None]]
    confused: Markup
    card: str


def tell_about(model: PageModel, words: Words) -> About:
    """Return what the tab says of a model."""
    return About(_summary(model, words), _rows(model, words), _confused(model, words), _card(model))


def about_tab(models: PageModels, chosen: ModelChoice, i18n: gr.I18n, page: gr.Blocks) -> None:
    """Lay out the tab; its texts come when the page opens, in the visitor's language."""

    def tell(chosen: str, request: gr.Request) -> tuple[str, str]:
        model = models[chosen]
        words = model.words(request)
        said = tell_about(model, words)
        return said.summary + _table(said.rows, words) + said.confused, said.card

    about = gr.HTML("")
    with gr.Accordion(i18n("card_open"), open=False):
        card = gr.Markdown("")
    page.load(tell, chosen, [about, card], api_visibility="private")
    if isinstance(chosen, gr.Dropdown):
        chosen.change(tell, chosen, [about, card], api_visibility="private")


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
    return _CONFUSED.format(title=words("confused_title"), lines=lines, text=words("confused_text"))


def _card(model: PageModel) -> str:
    """Return the card without HTML and pictures: the page shows no files of the server."""
    card = read_card(model.classifier.checkpoint)
    return without_html(re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", card))


def _table(rows: list[list[str | float | None]], words: Words) -> Markup:
    title = words("dishes_title")
    table = {
        "heads": [words(key) for key in _COLUMNS],
        "rows": rows,
        "label": title,
        "search": words("search_label"),
    }
    return _TABLE.format(title=title, table=json.dumps(table), text=words("table_text"))


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
