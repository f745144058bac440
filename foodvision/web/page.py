"""The page: tabs around a classifier, and how it is served."""

import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gradio as gr
from markupsafe import Markup

from foodvision.api.application import Service, plain_api
from foodvision.api.keys import keys_of_environment
from foodvision.classifier import Classifier
from foodvision.decoding import Decoder
from foodvision.errors import SettingsError, first_line
from foodvision.page.models import PageModel, name_of
from foodvision.page.words import Words, introduce
from foodvision.safety.escaping import markdown
from foodvision.system.network import LOOPBACK, bare_host, clean_root_path, in_url, listen
from foodvision.system.temporary import TemporaryFolder
from foodvision.system.terminal import say
from foodvision.web.about import about_tab
from foodvision.web.ahead import ExamplesAhead
from foodvision.web.camera import camera_tab, turn_off_when_left
from foodvision.web.choice import ModelChoice
from foodvision.web.feedback import Feedback
from foodvision.web.guard import Guard
from foodvision.web.large import refuse_large_files
from foodvision.web.manifest import link_manifest_relatively
from foodvision.web.many import many_tab
from foodvision.web.one import one_tab
from foodvision.web.programs import add_endpoints, name_inputs, refuse_addresses_of_assistants
from foodvision.web.theme import CSS, THEME, script
from foodvision.web.uploads import MAX_UPLOAD, Uploads, programs_uploads, protect_functions

# Visitors answered at a time, not counting photos that wait for a decoder. Gradio takes the lowest
# limit of the events in one queue, so it is set once.
_AT_ONCE = 8
_MOST_HEAVY_WAITING = 4

_PORTS = 7860, 7960

# Gradio keeps about 150 kB for each visit, and for each call of a program.
_SESSIONS = 1_000

# Texts shown by `gr.Markdown`; others are labels and buttons, shown as they are.
_MARKDOWN = (
    *("feedback_kept", "introduction", "offline"),
    *("privacy", "privacy_feedback"),
)
# How long answers under way may take when the page stops.
_DRAIN_SECONDS = 8
_SECONDS_BETWEEN_DELETING = 600


# Options for Gradio that no caller changes.
_LAUNCH: Mapping[str, Any] = MappingProxyType(
    {
        "theme": THEME,
        "css_paths": list(CSS),
        "pwa": True,
        "quiet": True,
        "prevent_thread_lock": True,
        "max_file_size": MAX_UPLOAD,
        "footer_links": ["api"],
        "run_history": False,
        "state_session_capacity": _SESSIONS,
        "enable_monitoring": False,
        "ssr_mode": False,
        "strict_cors": True,
    }
)


@dataclass
class Services:
    """What a page needs besides Gradio."""

    i18n: gr.I18n
    models: Mapping[str, Classifier]
    uploads: Uploads
    decoder: Decoder
    words: Callable[[Any], Words]
    feedback: Feedback | None
    examples: ExamplesAhead
    guard: Guard | None = None


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
    uploads, decoder = programs_uploads(), Decoder(_MOST_HEAVY_WAITING)
    shown = {name: PageModel(name, classifier, decoder) for name, classifier in models.items()}
    first = next(iter(shown.values()))
    i18n = gr.I18n(
        **{
            language: _for_gradio(words, introduce(first.classifier.classes, words))
            for language, words in first.wording.languages.items()
        }
    )
    with gr.Blocks(title=first.wording.title, analytics_enabled=False) as page:
        gr.HTML(Markup("<h1>{}</h1>").format(first.wording.title), padding=False)
        gr.Markdown(i18n("introduction"), elem_id="introduction")
        gr.Markdown(i18n("offline"), elem_id="offline")
        chosen = _choose(list(shown), i18n)
        with gr.Tab(i18n("one_tab")) as one:
            photo = one_tab(shown, chosen, i18n, page, feedback)
        with gr.Tab(i18n("camera_tab")) as pointed:
            camera = camera_tab(shown, chosen, i18n, uploads)
        with gr.Tab(i18n("many_tab")) as many:
            photos = many_tab(shown, chosen, i18n)
        with gr.Tab(i18n("about_tab")) as about:
            about_tab(shown, chosen, i18n, page)
        turn_off_when_left(photo, one, (pointed, many, about))
        turn_off_when_left(camera, pointed, (one, many, about))
        gr.Markdown(i18n("privacy_feedback" if feedback else "privacy"), elem_classes="soft")
        add_endpoints(shown, chosen, photo, photos)
        page.load(None, js=script())
        refuse_large_files(page, first.words)
    protect_functions(page, uploads, first.words)
    name_inputs(page, first.wording.choose(None))
    examples = ExamplesAhead(shown.values())
    page.services = Services(i18n, models, uploads, decoder, first.words, feedback, examples)
    return page.queue(max_size=50, default_concurrency_limit=_AT_ONCE)  # type: ignore[no-any-return]


def launch_page(
    page: gr.Blocks,
    *,
    host: str | None = None,
    port: int | None = None,
    share: bool = False,
    mcp: bool = False,
    hosts: Collection[str] = (),
    root_path: str | None = None,
    wait: bool = True,
) -> None:
    """Serve the page until it is stopped, and say in one line where to look.

    host: the address to listen on; GRADIO_SERVER_NAME, or else this machine alone, if None.
    port: 7860 or the next free one if None (a Space sets its own).
    hosts: names by which the page may be asked for, beside those of this machine itself. Without
        them a page that listens on this machine alone answers to no others, one that listens to
        the network to all.
    share: also make a public link through Gradio's relay, valid while this runs, a week at most.
    root_path: the path below which a proxy shows the page, such as /food; the proxy may strip it or
        not. GRADIO_ROOT_PATH, or else none, if None.
    mcp: also serve `/predict` and `/predict_many` as tools of the Model Context Protocol.
    wait: if False, return as soon as it answers.

    Raises SettingsError if the port is taken, `root_path` is no path, or what `mcp` needs is not
    installed.
    """
    if root_path is not None:
        root_path = clean_root_path(root_path)
    if mcp and find_spec("mcp") is None:
        raise SettingsError(
            "--mcp needs the package mcp: pip install '.[mcp]' in foodvision's folder"
        )
    services: Services = page.services  # type: ignore[attr-defined]
    host = bare_host(host or os.environ.get("GRADIO_SERVER_NAME") or "127.0.0.1")
    names = frozenset(map(str.lower, hosts)) if hosts or host in LOOPBACK else None
    options = {
        **_LAUNCH,
        "server_name": in_url(host),  # Gradio wants the brackets of IPv6
        "root_path": root_path,
        "share": share,
        "i18n": services.i18n,
        "mcp_server": mcp,
        "app_kwargs": {"lifespan": _guarding(services, names)},
    }
    _, local_url, share_url = _launch(page, host, port, options)
    if share_url and services.guard:
        services.guard.allow_host_of(share_url)
    refuse_addresses_of_assistants(page)
    services.uploads.publish_what_is_there()
    services.examples.start()
    stop = _StopRequest() if wait else None  # before anybody knows that the page answers
    say(f"Serving at {share_url or local_url} (Ctrl-C stops it)")
    if stop:
        _wait_until_stopped(services, stop)
        # Gradio's own way out waits for pages that are open.
        page.close(verbose=False)
        services.examples.stop()
        services.decoder.close()
        if services.feedback:
            services.feedback.close()


def _guarding(services: Services, names: frozenset[str] | None) -> Callable[[Any], Any]:
    """Return the lifespan of Gradio's application, which begins by putting the guard before it."""

    @asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        # Here all of Gradio's middleware is in place, and no request has come.
        link_manifest_relatively(app)
        api = plain_api(
            Service(services.models, _api_folder(), services.decoder), keys_of_environment()
        )
        services.guard = Guard(app.middleware_stack, api, services.uploads, names, services.words)
        app.middleware_stack = services.guard
        yield

    return lifespan


@cache
def _api_folder() -> Path:
    """Return the folder for photos sent to the API of this program's pages."""
    return TemporaryFolder("api").path


def _launch(
    page: gr.Blocks, host: str, port: int | None, options: dict[str, Any]
) -> tuple[Any, str, str]:
    """Launch on a port, or else on the first one from 7860 on that is free.

    Gradio would search too, but it starts its server for each port, which MCP allows only once.
    """
    chosen = port or "GRADIO_SERVER_PORT" in os.environ
    ports = [port] if chosen else range(*_PORTS)
    for number in ports:
        try:
            if number and not chosen:
                listen(host, number).close()
            return page.launch(server_port=number, **options)
        except OSError as error:
            reason = first_line(error)
    if port:
        raise SettingsError(f"port {port} is in use: choose another one with --port")
    raise SettingsError(f"the page cannot be served ({reason})")


class _StopRequest:
    """Whether the page was asked to stop.

    An exception that a signal raises is lost where Python happens to be in a destructor.
    """

    def __init__(self) -> None:
        """Listen to Ctrl-C and SIGTERM, by which a Space is ended."""
        self.is_made = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._ask)

    def _ask(self, *_: object) -> None:
        if self.is_made:
            raise KeyboardInterrupt  # a second Ctrl-C stops at once
        self.is_made = True


def _wait_until_stopped(services: Services, stop: _StopRequest) -> None:
    """Delete old uploads until the page is stopped, then wait for answers under way."""
    with suppress(KeyboardInterrupt):
        deleted = time.monotonic()
        while not stop.is_made:
            time.sleep(0.2)
            if time.monotonic() - deleted > _SECONDS_BETWEEN_DELETING:
                services.uploads.delete_old()
                deleted = time.monotonic()
        if services.guard:
            services.guard.drain(_DRAIN_SECONDS)


def _for_gradio(words: Words, introduction: str) -> dict[str, str]:
    """Return texts by their keys, those escaped that Gradio takes for Markdown."""
    texts = {**words.texts, "introduction": introduction}
    return {key: markdown(text) if key in _MARKDOWN else text for key, text in texts.items()}


def _choose(names: Sequence[str], i18n: gr.I18n) -> ModelChoice:
    if len(names) == 1:
        return gr.State(names[0])
    return gr.Dropdown(names, value=names[0], label=i18n("model_label"))
