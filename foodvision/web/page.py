"""The page: tabs around a classifier, and how it is served."""

import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from html import escape
from importlib.util import find_spec

import gradio as gr

from foodvision.classifier import Classifier
from foodvision.errors import SettingsError, first_line
from foodvision.terminal import say
from foodvision.web.about import about_tab
from foodvision.web.camera import camera_tab, turn_off_when_left
from foodvision.web.feedback import Feedback
from foodvision.web.many import many_tab
from foodvision.web.models import ModelChoice, PageModel, name_of
from foodvision.web.one import one_tab
from foodvision.web.programs import add_endpoints, have_assistants_photos_deleted
from foodvision.web.theme import CSS, SCRIPT, THEME
from foodvision.web.words import Words

# Answers at a time. Gradio takes the lowest of the events that wait in one line: it is said once.
_AT_ONCE = 2

# Visitors' photos are deleted within two hours: looked for, and old, after this many seconds.
_KEPT_SECONDS = 3600

_MAX_UPLOAD = "50mb"
_FEW = 6


def build_page(
    models: Classifier | Mapping[str, Classifier], feedback: Feedback | None = None
) -> gr.Blocks:
    """Build the page around a model; `launch_page` serves it with its words and looks.

    models: or several, by what a visitor chooses them by; the first gives the page its title,
        introduction and examples.
    feedback: where corrected answers are kept; nothing is kept if None.

    Raises CheckpointError if a checkpoint's `page.json` is spoiled.
    """
    if isinstance(models, Classifier):
        models = {name_of(models.checkpoint.folder): models}
    shown = {name: PageModel(name, classifier) for name, classifier in models.items()}
    first = next(iter(shown.values()))
    i18n = gr.I18n(
        **{
            language: {**words.texts, "introduction": introduce(first.classifier, words)}
            for language, words in first.wording.languages.items()
        }
    )
    with gr.Blocks(
        title=first.wording.title,
        analytics_enabled=False,
        delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS),
    ) as page:
        gr.HTML(f"<h1>{escape(first.wording.title)}</h1>", padding=False)
        gr.Markdown(i18n("introduction"))
        gr.Markdown(i18n("offline"), elem_id="offline")
        chosen = _choose(list(shown), i18n)
        with gr.Tab(i18n("one_tab")) as one:
            photo = one_tab(shown, chosen, i18n, page, feedback)
        with gr.Tab(i18n("camera_tab")) as pointed:
            camera = camera_tab(shown, chosen, i18n)
        with gr.Tab(i18n("many_tab")) as many:
            photos = many_tab(shown, chosen, i18n)
        with gr.Tab(i18n("about_tab")) as about:
            about_tab(shown, chosen, i18n, page)
        turn_off_when_left(photo, one, (pointed, many, about))
        turn_off_when_left(camera, pointed, (one, many, about))
        gr.Markdown(i18n("privacy_feedback" if feedback else "privacy"), elem_classes="soft")
        add_endpoints(shown, chosen, photo, photos)
        page.load(None, js=SCRIPT.read_text("utf-8"))
    page.i18n_instance, page.feedback = i18n, feedback
    return page.queue(max_size=50, default_concurrency_limit=_AT_ONCE)  # type: ignore[no-any-return]


def launch_page(
    page: gr.Blocks,
    *,
    port: int | None = None,
    share: bool = False,
    mcp: bool = False,
    wait: bool = True,
) -> None:
    """Serve the page until it is stopped, and say in one line where to look.

    port: 7860 or the next free one if None (a Space sets its own).
    share: also make a public link, valid for some days, through Gradio's relay.
    mcp: also serve `/predict` and `/predict_many` as tools of the Model Context Protocol.
    wait: if False, return as soon as it answers.

    Raises SettingsError if the port is taken, or what `mcp` needs is not installed.
    """
    if mcp and find_spec("mcp") is None:
        raise SettingsError(
            "--mcp needs the package mcp: pip install '.[mcp]' in foodvision's folder"
        )
    try:
        _, local_url, share_url = page.launch(
            server_port=port,
            share=share,
            theme=THEME,
            css_paths=CSS,
            i18n=page.i18n_instance,
            pwa=True,
            mcp_server=mcp,
            quiet=True,
            prevent_thread_lock=True,
            max_file_size=_MAX_UPLOAD,
            footer_links=["api"],
            run_history=False,
            enable_monitoring=False,
            ssr_mode=False,
            strict_cors=True,
        )
    except OSError as error:
        if port is None:
            raise SettingsError(f"the page cannot be served ({first_line(error)})") from None
        raise SettingsError(f"port {port} is taken: choose another one with --port") from None
    have_assistants_photos_deleted(page)
    say(f"foodvision answers at {share_url or local_url} (Ctrl-C stops it)")
    if wait:
        _wait_for_the_end()
        # Gradio's own way out waits for pages that are open, and leaves visitors' photos behind.
        page.close(verbose=False)
        if feedback := getattr(page, "feedback", None):
            feedback.close()


def _wait_for_the_end() -> None:
    # A Space is ended by SIGTERM; what visitors gave is to be kept then too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):
        while True:
            time.sleep(3600)


def introduce(classifier: Classifier, words: Words) -> str:
    """Say in a sentence what a model tells apart."""
    names = [words.name(label) for label in classifier.classes]
    if len(names) > _FEW:
        return words("introduction_many", n=len(names), first=names[0], last=names[-1])
    listed = words("and", all=", ".join(names[:-1]), last=names[-1])
    return words("introduction_few", names=listed)


def _choose(names: Sequence[str], i18n: gr.I18n) -> ModelChoice:
    if len(names) == 1:
        return gr.State(names[0])
    return gr.Dropdown(names, value=names[0], label=i18n("model_label"))
