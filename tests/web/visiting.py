"""A visit to the page over HTTP: photos that are uploaded, functions that are asked."""

import json
import uuid
from pathlib import Path


def upload(client, photo, name="kiwi.jpg"):
    """Return the path under which the server keeps an uploaded photo."""
    answer = client.post("/gradio_api/upload", files={"files": (name, Path(photo).read_bytes())})
    return answer.raise_for_status().json()[0]


def as_uploaded(path):
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def functions(page):
    """Return what the page tells browsers of its functions."""
    return [of for of in page.config["dependencies"] if of["backend_fn"]]


def named(page, name):
    """Return the index of a function that programs call by its name."""
    (found,) = (of["id"] for of in functions(page) if of["api_name"] == name)
    return found


def ask(client, function, data, session=""):
    """Call a function of the page by its index; return its last message.

    session: the visit, which has a state of its own; a new one if empty.
    """
    session = session or uuid.uuid4().hex
    asked = {"fn_index": function, "data": data, "session_hash": session}
    joined = client.post("/gradio_api/queue/join", json=asked)
    if joined.status_code != 200:
        return {"success": False, "output": {"error": joined.text}}
    ends = ("process_completed", "process_streaming", "unexpected_error")
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": session}) as answer:
        messages = (json.loads(line[5:]) for line in answer.iter_lines() if line[:5] == "data:")
        return next(message for message in messages if message["msg"] in ends)
