"""The page: tabs around a classifier, and how it is served."""

from html import escape
from importlib.util import find_spec
from pathlib import Path

import gradio as gr

import foodvision
from foodvision.checkpoint import BUNDLED
from foodvision.classifier import Classifier
from foodvision.errors import SettingsError
from foodvision.image import SUFFIXES
from foodvision.web.about import about_tab
from foodvision.web.camera import camera_tab
from foodvision.web.feedback import Feedback
from foodvision.web.many import many_tab
from foodvision.web.one import one_tab
from foodvision.web.programs import add_endpoints
from foodvision.web.theme import CSS, SCRIPT, THEME
from foodvision.web.visit import Visit
from foodvision.web.words import Words, read_wording

# Visitors' photos are deleted within two hours: looked for, and old, after this many seconds.
_KEPT_SECONDS = 3600

_MAX_UPLOAD = "50mb"
_FEW = 6


def build_page(classifier: Classifier, feedback: Feedback | None = None) -> gr.Blocks:
    """Build the page around a classifier; `launch_page` or Gradio's own `launch` starts it.

    feedback: where corrected answers are kept; nothing is kept if None.

    Raises CheckpointError if the checkpoint's `page.json` is spoiled.
    """
    wording = read_wording(classifier.checkpoint.folder)
    i18n = gr.I18n(
        **{
            language: {**words.texts, "introduction": introduce(classifier, words)}
            for language, words in wording.languages.items()
        }
    )
    visit = Visit(classifier, wording, _example_photos(classifier))
    with gr.Blocks(
        title=wording.title,
        analytics_enabled=False,
        delete_cache=(_KEPT_SECONDS, _KEPT_SECONDS),
    ) as page:
        gr.HTML(f"<h1>{escape(wording.title)}</h1>")
        gr.Markdown(i18n("introduction"))
        with gr.Tab(i18n("one_tab")):
            photo = one_tab(visit, i18n, page, feedback)
        with gr.Tab(i18n("camera_tab")):
            camera_tab(visit, i18n)
        with gr.Tab(i18n("many_tab")):
            photos = many_tab(visit, i18n)
        with gr.Tab(i18n("about_tab")):
            about_tab(visit, i18n, page)
        gr.Markdown(i18n("privacy"), elem_classes="soft")
        add_endpoints(visit, photo, photos)
        page.load(None, js=SCRIPT.read_text("utf-8"))
    page.i18n_instance = i18n
    return page.queue(max_size=50)  # type: ignore[no-any-return]


def launch_page(
    page: gr.Blocks, *, port: int | None = None, share: bool = False, mcp: bool = False
) -> None:
    """Serve the page until it is stopped, and say in one line where to look.

    port: 7860 or the next free one if None (a Space sets its own).
    share: also make a public link, valid for some days, through Gradio's relay.
    mcp: also serve `/predict` and `/predict_many` as tools of the Model Context Protocol.

    Raises SettingsError if the port is taken, or what `mcp` needs is not installed.
    """
    if mcp and find_spec("mcp") is None:
        raise SettingsError("--mcp needs the package mcp: pip install 'gradio[mcp]'")
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
    except OSError:
        raise SettingsError(f"port {port} is taken: choose another one with --port") from None
    print(f"foodvision answers at {share_url or local_url} (Ctrl-C stops it)", flush=True)
    page.block_thread()


def introduce(classifier: Classifier, words: Words) -> str:
    """Say in a sentence what a model tells apart."""
    names = [words.name(label) for label in classifier.classes]
    if len(names) > _FEW:
        return words("introduction_many", n=len(names), first=names[0], last=names[-1])
    listed = words("and", all=", ".join(names[:-1]), last=names[-1])
    return words("introduction_few", names=listed)


def _example_photos(classifier: Classifier) -> list[Path]:
    folder = classifier.checkpoint.folder / "examples"
    if not folder.is_dir() and classifier.checkpoint.folder == BUNDLED:
        # In a checkout the photos lie at the top; a wheel puts them beside the model.
        folder = Path(foodvision.__file__).parents[1] / "examples"
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if path.suffix.lower() in SUFFIXES]
