"""The link to the manifest, which makes the page an app to install."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]

# Gradio links to the top of the host, which is another site if a proxy serves a sub-path.
# Both have the same length: the declared length of the answer stays right.
_ABSOLUTE, _RELATIVE = b'href="/manifest.json" />', b'href="./manifest.json"/>'


def link_manifest_relatively(app: Any) -> None:
    """Change Gradio's pages to link to the manifest beside them, before they are compressed."""
    answer = app.router.middleware_stack

    async def linked(scope: Message, receive: Any, send: Send) -> None:
        async def send_linked(message: Message) -> None:
            body = message.get("body", b"")
            if isinstance(body, bytes) and body[:15].lower() == b"<!doctype html>":
                message = {**message, "body": body.replace(_ABSOLUTE, _RELATIVE)}
            await send(message)

        await answer(scope, receive, send_linked)

    app.router.middleware_stack = linked
