"""A Hugging Face Hub on loopback, for the real client, that can be told to fail.

It keeps models, datasets and Spaces with their files on disk, and answers what huggingface_hub
asks for where foodvision creates, uploads, downloads and deploys: no route is here that no test
of that needs. It imitates neither xet (switch it off in the client, as `environment` does) nor what
is sent to another host: LFS objects come from the Hub itself, in one part. A Space is not run: it
passes through the stages it is told to.

    with LoopbackHub(tmp_path) as hub:
        hub.add("cook/fruit", {"config.json": b"{}"})
        hub.refuse("POST .*/commit/", 503, times=2)
        subprocess.run(command, env=os.environ | hub.environment(tmp_path / "home"))
        assert len(hub.asked("POST .*/commit/")) == 3
"""

import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import NamedTuple
from urllib.parse import unquote

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from loopback_repository import Repository, Space
from loopback_routes import SLASH, Refused, router
from loopback_troubles import Cut, OddAnswer, OpenConnection, Refusal, Silence, Trouble

TOKEN = "hf_cook"


@dataclass
class Account:
    """Who a token belongs to, and what it may do."""

    name: str
    is_pro: bool = False
    role: str = "write"  # of the token: read, write or fineGrained
    organizations: tuple[str, ...] = ()

    def owns(self, repo_id: str) -> bool:
        return repo_id.partition("/")[0] in (self.name, *self.organizations)

    def may_write(self, repo_id: str) -> bool:
        return self.role != "read" and self.owns(repo_id)


class Asked(NamedTuple):
    """A request. Neither tokens nor contents are kept."""

    method: str
    path: str
    range: str  # of bytes, when a download goes on
    has_token: bool = False

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class LoopbackHub:
    """Serves on a free port from `with` to its end; a test changes its attributes meanwhile."""

    def __init__(self, root: Path):
        self.root = root
        self.accounts = {TOKEN: Account("cook")}  # take one out, and its token is revoked
        self.repositories: dict[tuple[str, str], Repository] = {}
        self.requests: list[Asked] = []
        self.troubles: list[Trouble] = []
        self.gradio_needs_pro = True
        self.default_visibility = "public"  # of what is created; an organisation may want another
        # What a Space passes through from now on, a stage each time it is asked for.
        self.stages = ["BUILDING", "APP_STARTING", "RUNNING"]
        self.logs = {"build": ["Build finished\n"], "run": ["Application startup\n"]}

    def __enter__(self) -> "LoopbackHub":
        # Listening before the server runs: nobody has to wait until it does.
        listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        config = uvicorn.Config(
            Door(self, make_app(self)),
            http=OpenConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            timeout_graceful_shutdown=1,
        )
        self._server = uvicorn.Server(config)
        self._thread = Thread(target=self._server.run, args=([listener],), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.should_exit = True
        self._thread.join()

    def environment(self, home: Path, token: str | None = TOKEN) -> dict[str, str]:
        """What a fresh process needs to know this Hub alone; for nobody if the token is None."""
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home),
            "HF_TOKEN": token or "",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_UPDATE_CHECK": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }

    # What there is

    def repo(self, repo_id: str, kind: str = "model") -> Repository:
        return self.repositories[kind, repo_id]

    def create(self, repo_id: str, kind: str = "model", space: Space | None = None) -> Repository:
        folder = self.root / f"{kind}s" / repo_id
        self.repositories[kind, repo_id] = Repository(kind, repo_id, folder, space=space)
        if space:
            self.rebuild(self.repo(repo_id, kind))
        return self.repo(repo_id, kind)

    def add(
        self, repo_id: str, files: Path | dict[str, bytes | None], kind: str = "model"
    ) -> Repository:
        """Commit a folder's files, or these (None removes one), as somebody else's commit."""
        if isinstance(files, Path):
            paths = [path for path in files.rglob("*") if path.is_file()]
            files = {path.relative_to(files).as_posix(): path.read_bytes() for path in paths}
        if (kind, repo_id) not in self.repositories:
            self.create(repo_id, kind, Space("gradio") if kind == "space" else None)
        repository = self.repo(repo_id, kind)
        changes = {path: repository.keep(path, content) for path, content in files.items()}
        repository.commit(changes)
        self.rebuild(repository)
        return repository

    def remove(self, repo_id: str, kind: str = "model") -> None:
        """Let a repository be gone."""
        shutil.rmtree(self.repositories.pop((kind, repo_id)).folder)

    def rebuild(self, repository: Repository) -> None:
        """Let a Space pass through its stages again, or end at once if it cannot be built."""
        if repository.space:
            flaw = repository.flaw()
            repository.space.stages = [flaw] if flaw else list(self.stages)

    # What goes wrong. Patterns are searched in "METHOD /path", without the query.

    def refuse(
        self,
        pattern: str,
        status: int,
        message: str = "It is told to fail",
        headers: dict[str, str] | None = None,
        times: int | None = None,
    ) -> None:
        """Answer with an error, so many times or always."""
        self.troubles.append(Refusal(pattern, times, status, message, headers or {}))

    def answer(
        self,
        pattern: str,
        body: bytes = b"",
        status: int = 200,
        times: int | None = None,
        **headers: str,
    ) -> None:
        """Answer otherwise than a Hub does; a header's name is written with "_" for "-"."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.troubles.append(OddAnswer(pattern, times, status, body, named))

    def cut(self, pattern: str, after: int = 0, times: int | None = 1) -> None:
        """End the connection after so many bytes of an upload or a download."""
        self.troubles.append(Cut(pattern, times, after))

    def hang(self, pattern: str, times: int | None = None) -> None:
        """Never answer."""
        self.troubles.append(Silence(pattern, times))

    def recover(self) -> None:
        """Let nothing go wrong any more."""
        self.troubles.clear()

    # What was asked

    def asked(self, pattern: str) -> list[Asked]:
        """The requests so far with a pattern in their "METHOD /path"."""
        return [asked for asked in self.requests if re.search(pattern, str(asked))]


class Door:
    """What every request passes before the application: it is noted, and may meet trouble."""

    def __init__(self, hub: LoopbackHub, app: FastAPI):
        self.hub = hub
        self.app = app

    async def __call__(self, scope, receive, send):
        headers = dict(scope["headers"])
        has_token = b"authorization" in headers or b"x-hf-authorization" in headers
        part = headers.get(b"range", b"").decode()
        asked = Asked(scope["method"], scope["path"], part, has_token)
        self.hub.requests.append(asked)
        scope["path"] = plain(scope["raw_path"].decode())
        for trouble in self.hub.troubles:
            if trouble.meets(str(asked)):
                return await trouble.befall(self.app, scope, receive, send)
        return await self.app(scope, receive, send)


def plain(path: str) -> str:
    """Write an address so that routes tell its parts: a model's too begins with its kind."""
    path = unquote(path.replace("%2F", SLASH))
    known = ("api", "models", "datasets", "spaces", "objects")
    return path if path.split("/")[1] in known else f"/models{path}"


class Nobody:
    """A Hub out of reach."""

    url = "http://127.0.0.1:9"

    def environment(self, home, token):
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_TOKEN": ""}


def make_app(hub: LoopbackHub) -> FastAPI:
    app = FastAPI(openapi_url=None)
    app.state.hub = hub
    app.include_router(router)
    app.add_exception_handler(Refused, refused)
    return app


async def refused(_, error: Refused) -> JSONResponse:
    return JSONResponse(error.content, error.status, error.headers)
