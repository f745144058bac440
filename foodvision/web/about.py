"""The tab that says what the model knows and how well, from its checkpoint."""

import re
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from foodvision.checkpoint import read_card
from foodvision.web.models import ModelChoice, PageModel, PageModels
from foodvision.web.words import Words

_PLOT = 240


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


def _summary(model: PageModel, words: Words) -> str:
    config = model.classifier.config
    size = words(
        "size",
        architecture=config.architecture,
        megabytes=f"{len(model.classifier.checkpoint.graph) / 1e6:.1f}",
        n=len(config.classes),
    )
    test = config.figures.get("test")
    if not test:
        return f"<p>{escape(size)}</p><p>{escape(words('no_figures'))}</p>"
    low, high = (f"{100 * bound:.1f}" for bound in test["top1_interval"])
    said = words("top1", percent=f"{100 * test['top1']:.1f}", n=test["n"], low=low, high=high)
    plot = _reliability(test.get("reliability", []), words)
    return f"<p>{escape(said)} {escape(size)}</p>{plot}"


def _confused(model: PageModel, words: Words) -> str:
    """Return the pairs of classes that were taken for each other most often."""
    pairs = model.classifier.config.figures.get("test", {}).get("confused", [])
    lines = "".join(
        "<li>"
        + escape(
            words(
                "confused_pair",
                label=words.name(pair["label"]),
                answer=words.name(pair["answer"]),
                times=pair["times"],
                n=pair["n"],
            )
        )
        + "</li>"
        for pair in pairs
    )
    return f"<h3>{escape(words('confused_title'))}</h3><ul>{lines}</ul>" if lines else ""


def _card(model: PageModel) -> str:
    """Return the card without its pictures: a page shows no files of the server."""
    return re.sub(r"!\[[^\]]*\]\([^)]*\)\n*", "", read_card(model.classifier.checkpoint))


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


def _reliability(bins: Sequence[Mapping[str, float]], words: Words) -> str:
    """Return a drawing of accuracy over confidence; a dot's area is its number of photos."""
    if not bins:
        return ""
    most = max(of["n"] for of in bins)
    dots = "".join(
        f'<circle cx="{_PLOT * of["confidence"]:.1f}" cy="{_PLOT * (1 - of["accuracy"]):.1f}" '
        f'r="{2 + 8 * (of["n"] / most) ** 0.5:.1f}"/>'
        for of in bins
    )
    title, text = escape(words("reliability_title")), escape(words("reliability_text"))
    return (
        f'<figure class="reliability"><figcaption><b>{title}</b><br>{text}</figcaption>'
        f'<svg viewBox="-12 -12 {_PLOT + 24} {_PLOT + 24}" role="img" aria-label="{title}">'
        f'<rect width="{_PLOT}" height="{_PLOT}"/><path d="M0 {_PLOT} L{_PLOT} 0"/>{dots}</svg>'
        "</figure>"
    )
