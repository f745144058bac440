"""The link of the page to what makes it an app that can be installed."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# Gradio's template links to the top of the host, which is another site's below a proxy's sub-path.
# Both have the same length, so that the length that the answer declares stays right.
_ABSOLUTE, _RELATIVE = b'href="/manifest.json" />', b'href="./manifest.json"/>'


def link_manifest_relatively(app: Any) -> None:
    """Have Gradio's application link to the manifest beside the page.

    It is changed before Gradio compresses it.
    """
    answer = app.router.middleware_stack

    async def linked(scope: Message, receive: Any, send: Send) -> None:
        async def send_linked(message: Message) -> None:
            body = message.get("body", b"")
            if isinstance(body, bytes) and body[:15].lower() == b"<!doctype html>":
                message = {**message, "body": body.replace(_ABSOLUTE, _RELATIVE)}
            await send(message)

        await answer(scope, receive, send_linked)

    app.router.middleware_stack = linked
