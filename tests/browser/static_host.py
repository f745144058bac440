"""A static host on the loopback: exact paths only, as a static Space serves them."""

import mimetypes
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

ISOLATION = {
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "cross-origin",
}


class StaticHost:
    """Serves the files of a folder as they were when it was given; a test may change them."""

    def __init__(self, folder, headers=None):
        self.headers, self.asked, self.cut_off, self.redirects = headers or {}, [], set(), {}
        self.files = read_files(folder)
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                host.answer(self)

            def log_message(self, *values):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, handler):
        address = handler.path.split("?")[0]
        if address in self.redirects:
            redirect(handler, self.redirects[address])
            return
        path = unquote(address).lstrip("/") or "index.html"
        self.asked.append(path)
        content = self.files.get(path)
        handler.send_response(200 if content is not None else 404)
        kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
        if path.endswith(".js"):
            kind = "text/javascript"
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content or b"")))
        for name, value in self.headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        half = len(content or b"") // 2 if path in self.cut_off else None
        with suppress(BrokenPipeError):  # who asked has left the page
            handler.wfile.write((content or b"")[:half])

    def close(self):
        self.server.shutdown()
        self.server.server_close()


def redirect(handler, address):
    handler.send_response(308)
    handler.send_header("Location", address)
    handler.send_header("Content-Length", "0")
    handler.end_headers()


def read_files(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
