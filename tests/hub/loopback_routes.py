"""What the loopback Hub answers, request by request, as huggingface_hub 2 wants it."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import yaml
from fastapi import APIRouter, Body, Depends, Form, Request
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse
from loopback_repository import (
    Commit,
    File,
    Repository,
    Space,
    faults,
    front_matter,
    git_hash,
    pointer,
)

router = APIRouter()
REPO = "/api/{kind}/{owner}/{name}"
SPACE = "/api/spaces/{owner}/{name}"
SLASH = "\N{DIVISION SLASH}"  # a slash that is quoted in an address, as in refs/pr/1
PASSING = ("BUILDING", "APP_STARTING", "RUNNING_BUILDING", "RUNNING_APP_STARTING")
FREE = ("cpu-basic", "zero-a10g")
NEEDS_PRO = (
    "Static Spaces are free for everyone, but hosting Gradio and Docker Spaces on free cpu-basic "
    "requires a PRO subscription."
)
NEEDS_CREDIT = "A payment method and credits are needed for this hardware."
STALE = "A commit has happened since. Please refresh and try again."


class Refused(Exception):
    """An answer with an error, as the Hub words it."""

    def __init__(self, status: int, message: str, code: str | None = None, **more: Any):
        self.status = status
        self.content = {"error": message, **more}
        self.headers = {"X-Error-Message": message.replace("\n", " ")}
        if code:
            self.headers["X-Error-Code"] = code


# Who asks, for what


async def hub_of(request: Request):
    return request.app.state.hub


async def account_of(request: Request):
    """The token's account; None without a token."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if not token:
        return None
    if token not in request.app.state.hub.accounts:
        raise Refused(401, "Invalid credentials in Authorization header")
    return request.app.state.hub.accounts[token]


Hub = Annotated[Any, Depends(hub_of)]
Visitor = Annotated[Any, Depends(account_of)]


async def member(visitor: Visitor):
    """An account: nobody else may go on."""
    if visitor is None:
        raise Refused(401, "Invalid username or password.")
    return visitor


Member = Annotated[Any, Depends(member)]


async def readable(request: Request, hub: Hub, visitor: Visitor) -> Repository:
    """The repository of the address. Whether a private one is there is not told to others."""
    part = request.path_params
    kind = part.get("kind", "spaces").removesuffix("s")
    repository = hub.repositories.get((kind, f"{part['owner']}/{part['name']}"))
    if not repository or (repository.private and not (visitor and visitor.owns(repository.id))):
        raise Refused(404 if visitor else 401, "Repository not found", "RepoNotFound")
    return repository


Readable = Annotated[Repository, Depends(readable)]


async def writable(repository: Readable, visitor: Member) -> Repository:
    if not visitor.may_write(repository.id):
        raise Refused(403, f"This token may not write to {repository.id}")
    return repository


Writable = Annotated[Repository, Depends(writable)]


async def opened(repository: Readable, visitor: Visitor) -> Repository:
    """A repository whose contents may be read."""
    known = visitor and visitor.owns(repository.id)
    if repository.gated and not known:
        raise Refused(403 if visitor else 401, f"{repository.id} is gated", "GatedRepo")
    return repository


Opened = Annotated[Repository, Depends(opened)]


async def commit_at(repository: Readable, revision: str = "main") -> Commit:
    revision = revision.replace(SLASH, "/")
    commit = repository.find(revision)
    if commit is None:
        raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
    return commit


At = Annotated[Commit, Depends(commit_at)]
Json = Annotated[dict, Body()]


async def space_of(repository: Readable) -> Space:
    return repository.space


async def space_to_write(repository: Writable) -> Space:
    return repository.space


SpaceRead = Annotated[Space, Depends(space_of)]
SpaceWritten = Annotated[Space, Depends(space_to_write)]


# Accounts and repositories


@router.get("/api/whoami-v2")
async def whoami(visitor: Member):
    return {
        "type": "user",
        "id": visitor.name,
        "name": visitor.name,
        "fullname": visitor.name,
        "isPro": visitor.is_pro,
        "canPay": False,
        "orgs": [{"name": name} for name in visitor.organizations],
        "auth": {
            "type": "access_token",
            "accessToken": {"displayName": "test", "role": visitor.role},
        },
    }


@router.post("/api/validate-yaml")
async def validate_yaml(asked: Json):
    errors = [{"message": fault} for fault in faults(asked["content"], asked["repoType"])]
    try:
        empty = not front_matter(asked["content"])
    except yaml.YAMLError:
        empty = False
    warnings = [{"message": "empty or missing yaml metadata in repo card"}] if empty else []
    return JSONResponse({"errors": errors, "warnings": warnings}, 400 if errors else 200)


@router.post("/api/repos/create")
async def create(hub: Hub, visitor: Member, asked: Json):
    kind, repo_id = named(asked, visitor)
    if not visitor.may_write(repo_id):
        raise Refused(403, f"This token may not create {repo_id}")
    if kind == "space":
        refuse_unpaid(hub, visitor, asked["sdk"], asked.get("hardware") or "cpu-basic")
    url = address(hub, kind, repo_id)
    if (kind, repo_id) in hub.repositories:
        raise Refused(409, f"You already created this {kind} repo: {repo_id}", url=url)
    repository = hub.create(repo_id, kind, new_space(asked) if kind == "space" else None)
    repository.private = asked.get("visibility", hub.default_visibility) == "private"
    return {"url": url, "name": repo_id, "id": repo_id}


def named(asked: dict, visitor: Any) -> tuple[str, str]:
    return asked.get("type") or "model", f"{asked['organization'] or visitor.name}/{asked['name']}"


def refuse_unpaid(hub: Any, visitor: Any, sdk: str, hardware: str) -> None:
    if hardware not in FREE:
        raise Refused(402, NEEDS_CREDIT)
    if sdk != "static" and hardware == "cpu-basic" and hub.gradio_needs_pro and not visitor.is_pro:
        raise Refused(402, NEEDS_PRO)


def new_space(asked: dict) -> Space:
    return Space(asked["sdk"], asked.get("hardware") or "cpu-basic")


def address(hub: Any, kind: str, repo_id: str) -> str:
    return f"{hub.url}/{repo_id}" if kind == "model" else f"{hub.url}/{kind}s/{repo_id}"


@router.get(REPO + "/auth-check")
async def auth_check(repository: Opened):
    return {}


@router.get(REPO + "/auth-check/write")
async def auth_check_write(repository: Writable):
    return {}


# What a repository holds


@router.get(REPO)
@router.get(REPO + "/revision/{revision}")
async def info(repository: Readable, commit: At, blobs: bool = False):
    card = card_of(repository, commit)
    about = {
        "id": repository.id,
        "author": repository.id.partition("/")[0],
        "sha": commit.oid,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": 0,
        "likes": 0,
        "tags": card.get("tags", []),
        "createdAt": commit.date,
        "lastModified": commit.date,
        "cardData": card,
        "siblings": [sibling(path, file, blobs) for path, file in sorted(commit.files.items())],
    }
    if repository.kind == "model":
        about |= {key: card[key] for key in ("library_name", "pipeline_tag") if key in card}
    if repository.space:
        about |= about_space(repository)
    return about


def card_of(repository: Repository, commit: Commit) -> dict:
    if "README.md" not in commit.files:
        return {}
    try:
        card = front_matter(repository.path_of(commit.files["README.md"]).read_text())
    except yaml.YAMLError:
        return {}
    return json.loads(json.dumps(card or {}, default=str))


def sibling(path: str, file: File, blobs: bool) -> dict:
    if not blobs:
        return {"rfilename": path}
    about = {"rfilename": path, "size": file.size, "blobId": file.oid}
    if file.sha256:
        about["lfs"] = {"sha256": file.sha256, "size": file.size, "pointerSize": pointer_size(file)}
    return about


def about_space(repository: Repository) -> dict:
    subdomain = repository.id.replace("/", "-").replace(".", "-").lower()
    return {
        "sdk": repository.space.sdk,
        "subdomain": subdomain,
        "host": repository.space.host or f"https://{subdomain}.hf.space",
        "runtime": runtime_of(repository.space),
    }


# Asked with `recursive` alone, for which the real Hub lists the folders, too.
@router.get(REPO + "/tree/{revision}")
@router.get(REPO + "/tree/{revision}/{path:path}")
async def tree(commit: At, path: str = "", recursive: bool = False):
    path = path.replace(SLASH, "/")
    start = f"{path}/" if path else ""
    entries = entries_of(commit, start)
    if path and not entries:
        raise Refused(404, f"{path} does not exist on this revision", "EntryNotFound")
    deep = len(start.split("/"))
    return [entry for entry in entries if recursive or len(entry["path"].split("/")) == deep]


@router.post(REPO + "/paths-info/{revision}")
async def paths_info(commit: At, paths: Annotated[list[str], Form()]):
    return [entry for entry in entries_of(commit) if entry["path"] in paths]


def entries_of(commit: Commit, start: str = "") -> list[dict]:
    """Folders and files below a folder, however deep."""
    inside = {path: file for path, file in sorted(commit.files.items()) if path.startswith(start)}
    parents = [path.split("/")[:-1] for path in inside]
    folders = {"/".join(parts[: n + 1]) for parts in parents for n in range(len(parts))}
    below = [folder for folder in sorted(folders) if folder.startswith(start)]
    return [folder_entry(commit, folder) for folder in below] + [
        file_entry(path, file) for path, file in inside.items()
    ]


def folder_entry(commit: Commit, folder: str) -> dict:
    inside = [(p, file.oid) for p, file in commit.files.items() if p.startswith(f"{folder}/")]
    return {
        "type": "directory",
        "oid": git_hash(repr(sorted(inside)).encode()),
        "size": 0,
        "path": folder,
    }


def file_entry(path: str, file: File) -> dict:
    entry = {"type": "file", "oid": file.oid, "size": file.size, "path": path}
    if file.sha256:
        entry["lfs"] = {"oid": file.sha256, "size": file.size, "pointerSize": pointer_size(file)}
    return entry


def pointer_size(file: File) -> int:
    return len(pointer(file.sha256, file.size))


@router.api_route("/{kind}/{owner}/{name}/resolve/{revision}/{path:path}", methods=["GET", "HEAD"])
async def resolve(repository: Opened, commit: At, path: str):
    if path not in commit.files:
        refusal = Refused(404, "Entry not found", "EntryNotFound")
        refusal.headers["X-Repo-Commit"] = commit.oid
        raise refusal
    file = commit.files[path]
    headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{file.object_id}"'}
    return FileResponse(repository.path_of(file), headers=headers)


# Branches


@router.post(REPO + "/branch/{branch}")
async def create_branch(repository: Writable, branch: str, asked: Json):
    start = await commit_at(repository, asked.get("startingPoint", "main"))
    name = branch.replace(SLASH, "/")
    if name in repository.branches:
        raise Refused(409, f"Reference already exists: {name}")
    repository.branches[name] = start.oid


# Uploads


@router.post(REPO + "/preupload/{revision}")
async def preupload(repository: Writable, commit: At, asked: Json):
    return {"files": [upload_mode(repository, commit, file) for file in asked["files"]]}


def upload_mode(repository: Repository, commit: Commit, asked: dict) -> dict:
    path = asked["path"]
    present = commit.files.get(path)
    lfs = repository.wants_lfs(path, asked["size"], base64.b64decode(asked["sample"]))
    return {
        "path": path,
        "uploadMode": "lfs" if lfs else "regular",
        "shouldIgnore": False,
        "oid": present.object_id if present else None,
    }


@router.post("/{kind}/{owner}/{name}.git/info/lfs/objects/batch")
async def lfs_batch(hub: Hub, repository: Writable, asked: Json):
    where = f"{hub.url}/objects/{repository.kind}s/{repository.id}"
    return {
        "transfer": "basic",
        "objects": [lfs_actions(repository, where, item) for item in asked["objects"]],
    }


def lfs_actions(repository: Repository, where: str, asked: dict) -> dict:
    answer = {"oid": asked["oid"], "size": asked["size"]}
    if repository.find_object(asked["oid"]):
        return answer  # and nothing to do
    href = f"{where}/{asked['oid']}"
    return answer | {"actions": {"upload": {"href": href}, "verify": {"href": f"{href}/verify"}}}


# Without a token: the real Hub has it go to another host, at an address that is signed.
@router.put("/objects/{kind}/{owner}/{name}/{sha256}")
async def upload(hub: Hub, kind: str, owner: str, name: str, sha256: str, request: Request):
    repository = hub.repositories[kind.removesuffix("s"), f"{owner}/{name}"]
    part = repository.folder / f"{uuid4()}.part"
    try:
        if await receive_file(request, part) != sha256:
            raise Refused(400, "The content is not what its name says")
        repository.store_object(part, sha256)
    finally:
        part.unlink(missing_ok=True)


async def receive_file(request: Request, path: Path) -> str:
    """Write the body of a request into a file, and return its SHA-256."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        async for chunk in request.stream():
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


@router.post("/objects/{kind}/{owner}/{name}/{sha256}/verify")
async def verify(repository: Writable, sha256: str, asked: Json):
    stored = repository.find_object(sha256)
    if stored is None or stored.size != asked["size"]:
        raise Refused(404, "The object is not there")


@router.post(REPO + "/commit/{revision}")
async def commit(hub: Hub, repository: Writable, visitor: Member, revision: str, request: Request):
    branch = branch_of(repository, revision)
    head = repository.find(branch)
    header, *lines = [json.loads(line) for line in (await request.body()).splitlines()]
    if not head.oid.startswith(header["value"].get("parentCommit", "")):
        raise Refused(412, STALE)
    changes: dict[str, File | None] = {}
    for line in lines:
        changes |= CHANGES[line["key"]](repository, head, line["value"])
    url = address(hub, repository.kind, repository.id)
    text = header["value"]
    new = repository.commit(changes, text["summary"], text["description"], visitor.name, branch)
    if branch == "main":
        hub.rebuild(repository)
    return {"commitOid": new.oid, "commitUrl": f"{url}/commit/{new.oid}"}


def branch_of(repository: Repository, revision: str) -> str:
    branch = revision.replace(SLASH, "/")
    if branch not in repository.branches:
        raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
    return branch


def regular_file(repository: Repository, head: Commit, value: dict) -> dict:
    return {value["path"]: repository.store(base64.b64decode(value["content"]))}


def lfs_file(repository: Repository, head: Commit, value: dict) -> dict:
    stored = repository.find_object(value["oid"])
    if stored is None:
        raise Refused(400, f"{value['path']} points to an LFS object that was not uploaded")
    return {value["path"]: stored}


def deleted_file(repository: Repository, head: Commit, value: dict) -> dict:
    if value["path"] not in head.files:
        raise Refused(404, f"{value['path']} does not exist", "EntryNotFound")
    return {value["path"]: None}


CHANGES = {
    "file": regular_file,
    "lfsFile": lfs_file,
    "deletedFile": deleted_file,
}


# Spaces


@router.get(SPACE + "/runtime")
async def runtime(space: SpaceRead):
    answer = runtime_of(space)
    if len(space.stages) > 1:
        space.stages.pop(0)
    return answer


def runtime_of(space: Space) -> dict:
    stage = space.stages[0]
    answer = {
        "stage": stage,
        "hardware": {
            "current": None if stage in PASSING else space.hardware,
            "requested": space.hardware,
        },
        "gcTimeout": None,
        "storage": None,
        "replicas": {"requested": 1, "current": int(stage == "RUNNING")},
        "devMode": False,
    }
    if stage.endswith("_ERROR"):
        answer["errorMessage"] = "Job failed with exit code: 1"
    return answer


@router.get(SPACE + "/logs/{which}")
async def logs(hub: Hub, repository: Writable, which: str):
    # Of the past: the client leaves out what was logged after the answer's Date.
    then = "2026-11-01T12:00:00Z"
    events = [json.dumps({"data": line, "timestamp": then}) for line in hub.logs[which]]
    return StreamingResponse(
        iter([f"data: {event}\n\n" for event in events]), media_type="text/event-stream"
    )


@router.post(SPACE + "/hardware")
async def hardware(
    hub: Hub, repository: Writable, space: SpaceWritten, visitor: Member, asked: Json
):
    refuse_unpaid(hub, visitor, space.sdk, asked["flavor"])
    space.hardware = asked["flavor"]
    hub.rebuild(repository)
    return runtime_of(space)


@router.post(SPACE + "/restart")
async def restart(hub: Hub, repository: Writable):
    hub.rebuild(repository)
    return runtime_of(repository.space)


@router.get(SPACE + "/secrets")
async def secrets(space: SpaceWritten):
    return {key: {"key": key} for key in space.secrets}


@router.post(SPACE + "/secrets")
async def set_secret(hub: Hub, repository: Writable, asked: Json):
    repository.space.secrets[asked["key"]] = asked["value"]
    hub.rebuild(repository)


@router.post(SPACE + "/variables")
async def set_variable(hub: Hub, repository: Writable, asked: Json):
    repository.space.variables[asked["key"]] = asked["value"]
    hub.rebuild(repository)
    return {key: {"key": key, "value": value} for key, value in repository.space.variables.items()}
