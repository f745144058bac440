"""The tab that says what the model knows and how well, from its checkpoint."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

import gradio as gr

from foodvision.web.visit import Visit
from foodvision.web.words import Words

_PLOT = 240


def about_tab(visit: Visit, i18n: gr.I18n, page: gr.Blocks) -> None:
    """Lay out the tab; its words come when the page is opened, in the visitor's language."""

    def tell(request: gr.Request) -> tuple[str, Any]:
        words = visit.words(request)
        headers = [words(key) for key in ("class_label", "found_label", "right_label")]
        rows = _rows(visit, words)
        return _summary(visit, words), gr.update(value={"headers": headers, "data": rows})

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
    card = visit.classifier.checkpoint.folder / "README.md"
    if card.is_file():
        with gr.Accordion(i18n("card_open"), open=False):
            gr.Markdown(card.read_text("utf-8"))
    page.load(tell, None, [summary, classes], api_visibility="private")


def _summary(visit: Visit, words: Words) -> str:
    test = visit.classifier.config.figures.get("test")
    if not test:
        return f"<p>{escape(words('no_figures'))}</p>"
    low, high = (f"{100 * bound:.1f}" for bound in test["top1_interval"])
    said = words("top1", percent=f"{100 * test['top1']:.1f}", n=test["n"], low=low, high=high)
    plot = _reliability(test.get("reliability", []), words)
    return f"<p>{escape(said)}</p>{plot}"


def _rows(visit: Visit, words: Words) -> list[list[str]]:
    per_class = visit.classifier.config.figures.get("test", {}).get("per_class", {})
    return [
        [
            words.name(label),
            _share(per_class.get(label), "recall", "n"),
            _share(per_class.get(label), "precision", "answered"),
        ]
        for label in visit.classifier.classes
    ]


def _share(figures: Mapping[str, Any] | None, key: str, count: str) -> str:
    if not figures or not figures.get(count):
        return "-"
    low, high = figures[f"{key}_interval"]
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
