"""What visitors, programs and other sites cannot get from the page's functions and routes."""

import asyncio
import base64
import contextlib
import http.client
import itertools
import json
import os
import signal
import socket
import uuid
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from conftest import COLOURS, EXAMPLES, REPOSITORY, make_photo, run_python, running_page
from visiting import as_uploaded, ask, functions, named, upload

import foodvision
from foodvision.api import bodies
from foodvision.web import Feedback, build_page, launch_page
from foodvision.web.guard import Guard
from foodvision.web.uploads import Caps, RefusedError, Uploads, programs_uploads

GONE = "This photo is no longer here. Choose it again."


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("feedback")


@pytest.fixture(scope="module")
def page(fruit_checkpoint, kept):
    page = build_page(foodvision.load(fruit_checkpoint), Feedback(kept))
    launch_page(page, wait=False)
    yield page
    page.close(verbose=False)
    page.services.decoder.close()


@pytest.fixture
def visitor(page):
    with httpx.Client(base_url=page.local_url, timeout=30) as client:
        yield client


@pytest.fixture
def private(tmp_path):
    """A photo of the server, which its visitors have nothing to do with."""
    return make_photo(tmp_path / "private" / "secret-kiwi.jpg", COLOURS["kiwi"], seed=3)


def payloads(path, folder, few):
    """Every way that we know to name a file of the server; with a few of the names, or all."""
    link = folder / f"link-{uuid.uuid4().hex}.jpg"
    link.symlink_to(path)
    uploads = programs_uploads().folder
    inside = uploads / f"link-{uuid.uuid4().hex}.jpg"
    inside.symlink_to(path)
    names = [str(path), str(inside), "http://127.0.0.1:9/a.jpg"]
    if not few:
        up = os.path.relpath(path, uploads)
        names += [f"file://{path}", os.path.relpath(path), f"{uploads}/{up}", str(link)]
        names += [str(path.parent), f"{path}\0.jpg", f"/gradio_api/file={path}", "/dev/zero"]
        names += ["hf://a/b.jpg", "", " ", "~", "/proc/self/environ"]
    for name in names:
        yield from ({"path": name}, as_uploaded(name), {"url": name}, {"path": None, "url": name})
        yield {"path": name, "url": name, "meta": {"_type": "gradio.FileData"}, "is_stream": True}
        yield from ([as_uploaded(name)], [[{"path": name}]], {"image": as_uploaded(name)}, name)
        yield {"path": name, "orig_name": "../../x", "size": -1, "mime_type": "image/svg+xml"}
    content = base64.b64encode(path.read_bytes()).decode()
    yield {"url": f"data:image/jpeg,{content}"}
    yield {"url": "data:image/jpeg;base64,%%%"}
    yield from ({"path": {"path": str(path)}}, {"path": 3}, {"path": [str(path)]}, 3, True, {})


def test_page_has_functions_with_and_without_a_name(page):
    names = [of["api_name"] for of in functions(page)]
    assert {"predict", "predict_many"} < set(names)
    assert len(names) > 10


@pytest.mark.parametrize(
    "few", [True, pytest.param(False, marks=pytest.mark.slow)], ids=["few names", "all names"]
)
def test_no_function_reads_what_is_not_the_visitors(few, page, visitor, private, kept, tmp_path):
    blocks = page.blocks
    for function in functions(page):
        inputs = function["inputs"]
        files = [
            at for at, of in enumerate(inputs) if type(blocks[of]).__name__ in ("Image", "File")
        ]
        places = files or list(range(len(inputs)))
        for place in places:
            ways = payloads(private, tmp_path, few)
            # Where no file is taken, every form of one name is enough.
            for payload in ways if place in files or not few else itertools.islice(ways, 10):
                data = [None] * len(inputs)
                data[place] = payload
                answer = ask(visitor, function["id"], data)
                said = json.dumps(answer)
                assert "data:image" not in said, (function, payload)
                if place in files:
                    assert not answer["success"], (function, payload)
                    assert answer["output"]["error"] == GONE, (function, payload)
    assert list(kept.rglob("*.jpg")) == []


def test_named_functions_give_the_same_refusal_whether_a_file_exists_or_not(visitor, private):
    said = set()
    for path in (private, private.with_name("nowhere.jpg"), private.parent):
        for name, photo in (("predict", as_uploaded(path)), ("predict_many", [as_uploaded(path)])):
            event = visitor.post(f"/gradio_api/call/{name}", json={"data": [photo]}).json()
            answer = visitor.get(f"/gradio_api/call/{name}/{event['event_id']}").text
            assert "event: error" in answer
            said.add(answer.partition("event: error")[2])
    assert len(said) == 1


def test_photo_that_the_request_carries_is_answered(visitor, page):
    content = base64.b64encode((EXAMPLES / "pizza.jpg").read_bytes()).decode()
    answer = ask(
        visitor, named(page, "predict"), [{"url": f"data:image/jpeg;base64,{content}"}, None]
    )
    assert answer["success"]
    assert len(answer["output"]["data"][0]["top"]) == 3


def test_photo_in_a_format_that_is_not_taken_is_refused_from_the_camera_too(
    visitor, page, tmp_path
):
    from PIL import Image

    Image.new("RGB", (64, 48)).save(tmp_path / "a.ico")
    content = base64.b64encode((tmp_path / "a.ico").read_bytes()).decode()
    for function in functions(page):
        kinds = [type(page.blocks[of]).__name__ for of in function["inputs"]]
        if kinds[:1] != ["Image"]:
            continue
        data = [{"url": f"data:image/x-icon;base64,{content}"}, *[None] * (len(kinds) - 1)]
        said = json.dumps(ask(visitor, function["id"], data))
        assert "blueberry" not in said
        assert "data:image" not in said


def test_many_photos_of_one_upload_are_the_visitors(page, visitor, private):
    files = [("files", (f"{number}.jpg", private.read_bytes())) for number in range(12)]
    uploaded = visitor.post("/gradio_api/upload", files=files, headers={"Accept-Encoding": "br"})
    answer = ask(
        visitor,
        named(page, "predict_many"),
        [[as_uploaded(path) for path in uploaded.json()], None],
    )
    assert [of["label"] for of in answer["output"]["data"][0]] == ["kiwi"] * 12


def test_what_one_browser_uploaded_no_other_reads(page, private):
    with (
        httpx.Client(base_url=page.local_url) as one,
        httpx.Client(base_url=page.local_url) as other,
    ):
        for client in (one, other):
            client.get("/")
            assert client.cookies["foodvision_visitor"]
        path = upload(one, private)
        predict = named(page, "predict")
        assert ask(one, predict, [as_uploaded(path), None])["success"]
        assert ask(other, predict, [as_uploaded(path), None])["output"]["error"] == GONE
        assert one.get(f"/gradio_api/file={quote(path)}").status_code == 200
        assert other.get(f"/gradio_api/file={quote(path)}").status_code == 404


@pytest.mark.parametrize(
    "route",
    [
        *("/gradio_api/file=/etc/passwd", "/gradio_api/file=http://127.0.0.1:9/a.jpg"),
        *("/gradio_api/proxy=https://a.hf.space/", "/monitoring", "/gradio_api/dev/reload"),
        *("/gradio_api/file/etc/passwd", "/gradio_api/component_server", "/gradio_api/vibe-code"),
        *("/gradio_api/process_recording", "/login", "/gradio_api/file=../../etc/passwd"),
        "/gradio_api/file=%2e%2e/%2e%2e/etc/passwd",
    ],
)
def test_routes_that_the_page_does_not_need_are_not_there(visitor, route):
    for method in ("GET", "POST"):
        assert visitor.request(method, route).status_code in (404, 405)


@pytest.mark.parametrize(
    "name", ["evil.example", "evil.example:7860", "127.0.0.1.evil.example", "[::2]"]
)
def test_page_of_this_machine_answers_to_no_other_name(visitor, name):
    for headers in ({"Host": name}, {"X-Forwarded-Host": name}):
        answer = visitor.get("/", headers=headers)
        assert answer.status_code == 421
        assert "evil" not in answer.text


@pytest.mark.parametrize(
    "body",
    [
        *(b'{"fn_index":9999,"data":[]}', b'{"fn_index":-1,"data":[]}', b'{"fn_index":1e999}'),
        *(b'{"fn_index":0,"data":[NaN]}', b'{"fn_index":0,"data":["\\ud800"]}', b"null", b"{"),
        b'{"fn_index":0,"data":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
    ],
)
@pytest.mark.parametrize("route", ["queue/join", "run/predict", "cancel", "reset"])
def test_request_that_cannot_be_read_is_refused_and_fills_no_log(route, body, visitor, capfd):
    session = b"" if body == b"null" else b', "session_hash": "odd"}'
    sent = body if body in (b"null", b"{") else body[:-1] + session
    headers = {"content-type": "application/json"}
    answer = visitor.post(f"/gradio_api/{route}", content=sent, headers=headers)
    assert answer.status_code < 500 or route == "run/predict"
    assert "nosniff" in answer.headers["x-content-type-options"]
    assert "Traceback" not in capfd.readouterr().err


def test_upload_without_a_file_is_refused(visitor, capfd):
    answer = visitor.post("/gradio_api/upload", data={"files": "text"}, files={"other": b"x"})
    assert 400 <= answer.status_code < 500
    assert "Traceback" not in capfd.readouterr().err


def test_odd_values_for_any_function_fill_no_log(page, visitor, capfd):
    for function in functions(page):
        for value in (None, 1e300, -1, "no choice", [[]], {"path": "x"}):
            for count in {0, len(function["inputs"])}:
                ask(visitor, function["id"], [value] * count)
    assert "Traceback" not in capfd.readouterr().err


def test_another_site_cannot_upload_or_ask(visitor, private):
    foreign = ("https://evil.example", "null", "http://localhost.evil.example", "file://")
    neighbours = ("http://127.0.0.1:1", "http://localhost", "http://localhost:1", "http://[::1")
    for origin in (*foreign, *neighbours):
        headers = {"Origin": origin}
        files = {"files": ("a.jpg", private.read_bytes())}
        assert visitor.post("/gradio_api/upload", files=files, headers=headers).status_code == 403
        asked = visitor.options(
            "/gradio_api/upload", headers=headers | {"Access-Control-Request-Method": "POST"}
        )
        assert asked.status_code == 403
        assert "access-control-allow-origin" not in asked.headers


def test_every_answer_has_the_headers_that_protect_its_reader(visitor):
    for route in ("/", "/config", "/nowhere", "/gradio_api/file=/etc/passwd", "/gradio_api/info"):
        headers = visitor.get(route).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"
        assert "frame-ancestors 'self' https://huggingface.co" in headers["content-security-policy"]


def test_too_much_is_refused_before_it_is_read(visitor):
    asked = {"fn_index": 0, "data": ["x" * 20_000_000], "session_hash": "a"}
    answer = visitor.post("/gradio_api/queue/join", json=asked)
    assert (answer.status_code, answer.text) == (
        413,
        "the request is larger than 17 MB: send fewer or smaller photos",
    )
    files = [("files", (f"{n}.jpg", bytes(45_000_000))) for n in range(6)]
    with contextlib.suppress(httpx.WriteError):  # it is told before all of it is sent
        assert visitor.post("/gradio_api/upload", files=files).status_code == 413


def test_body_of_unknown_length_is_bounded_too(page):
    address = urlsplit(page.local_url)
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=30)
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request(
            "POST",
            "/gradio_api/queue/join",
            body=(bytes(1_000_000) for _ in range(30)),
            headers={"Content-Type": "application/json"},
            encode_chunked=True,
        )
    with contextlib.suppress(ConnectionResetError):
        assert connection.getresponse().status == 413
    connection.close()


def test_answer_that_has_begun_is_not_cut_by_the_time_for_the_body(monkeypatch):
    monkeypatch.setattr(bodies, "_GRACE_SECONDS", 0)
    sent, waits_on, gone = [], asyncio.Event(), asyncio.Event()
    calls = 0
    arrived = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive():
        nonlocal calls
        calls += 1
        if arrived:
            return arrived.pop()
        if calls == 3:  # the guard waits on after the time for the body
            waits_on.set()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message):
        sent.append(message)

    async def stream(scope, receive, send):
        # Two wait for the client to go, as in Starlette and Gradio.
        waiting = [asyncio.create_task(receive()) for _ in range(2)]
        await waiting[0]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        over = asyncio.create_task(waits_on.wait())
        await asyncio.wait([waiting[1], over], return_when=asyncio.FIRST_COMPLETED)
        await send({"type": "http.response.body", "body": b"a frame"})
        gone.set()
        assert (await waiting[1])["type"] == "http.disconnect"

    scope = {"type": "http", "method": "GET", "path": "/gradio_api/queue/data", "headers": []}
    scope |= {"query_string": b"", "client": None, "server": None, "scheme": "http"}
    guard = Guard(stream, stream, None, None, None)
    asyncio.run(guard(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_upload_that_was_cut_off_leaves_nothing(page, caplog):
    address = urlsplit(page.local_url)
    with socket.create_connection((address.hostname, address.port), timeout=30) as connection:
        head = (
            "POST /gradio_api/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n"
            "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\nContent-Disposition: "
            'form-data; name="files"; filename="a.jpg"\r\n\r\nbegun'
        )
        connection.sendall(head.encode())
        folder = page.services.uploads.folder
        wait_until(lambda: [path for path in folder.iterdir() if path.is_file()])
    wait_until(lambda: not [path for path in folder.iterdir() if path.is_file()])
    assert "Traceback" not in caplog.text


def wait_until(holds):
    import threading

    for _ in range(300):
        if holds():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come")


@pytest.fixture
def uploads(tmp_path):
    (tmp_path / "uploads").mkdir()
    return Uploads(tmp_path / "uploads", Caps(100, 3, 150, 4))


ONE, OTHER = frozenset({"visitor one"}), frozenset({"visitor other"})


def test_oldest_photos_of_a_visitor_go_first(uploads):
    paths = [uploads.keep(bytes(40), ONE) for _ in range(3)]
    assert [path.exists() for path in paths] == [False, True, True]
    small = [uploads.keep(bytes(1), ONE) for _ in range(3)]
    assert [path.exists() for path in (*paths, *small)] == [False, False, False, True, True, True]


def test_oldest_photos_of_all_go_when_there_are_too_many(uploads):
    first = uploads.keep(bytes(90), ONE)
    second = uploads.keep(bytes(90), OTHER)
    assert not first.exists()
    assert second.exists()


def test_file_of_nobody_is_no_photo_of_a_visitor(uploads):
    path = uploads.folder / "drawn.jpg"
    path.write_bytes(b"of the page's own")
    import gradio as gr

    with gr.Blocks():
        photo = gr.Image()
    with pytest.raises(RefusedError):
        uploads.admit([as_uploaded(path)], [photo], ONE)
    assert uploads.may_read(path, ONE)  # as the picture of an answer


def test_second_page_of_a_program_publishes_nothing_that_the_first_was_sent(uploads):
    theirs = uploads.keep(b"private", ONE)
    uploads.publish_what_is_there()
    assert not uploads.may_read(theirs, OTHER)
    uploads.delete_old(seconds=0)
    assert not theirs.exists()


def predicted(client, path):
    """Ask by name, as programs do; return the stream of events."""
    data = {"data": [as_uploaded(path)]}
    event = client.post("/gradio_api/call/predict", json=data).json()["event_id"]
    return client.stream("GET", f"/gradio_api/call/predict/{event}")


@pytest.mark.slow
def test_two_pages_side_by_side_leave_each_other_alone(tmp_path):
    with running_page(TMPDIR=str(tmp_path)) as (_, url), httpx.Client(base_url=url) as client:
        ramen = upload(client, EXAMPLES / "ramen.jpg")
        with running_page(TMPDIR=str(tmp_path)) as (second, beside):
            with httpx.Client(base_url=beside) as other:
                pizza = upload(other, EXAMPLES / "pizza.jpg")
                with predicted(other, pizza) as answer:
                    assert '"label": "pizza"' in answer.read().decode()
                with predicted(other, ramen) as answer:
                    assert "event: error" in answer.read().decode()
            second.terminate()
            assert second.wait(timeout=60) == 0
        with predicted(client, ramen) as answer:
            assert '"label": "ramen"' in answer.read().decode()


def test_answer_under_way_comes_before_the_page_ends_and_nobody_who_looks_at_it_holds_it(tmp_path):
    (tmp_path / "gradio").write_text("in the way")  # of what Gradio would take
    with (
        running_page(TMPDIR=str(tmp_path)) as (app, url),
        httpx.Client(base_url=url) as client,
        client.stream("GET", "/gradio_api/heartbeat/visitor") as heartbeat,
    ):
        assert next(heartbeat.iter_lines())
        path = upload(client, EXAMPLES / "pizza.jpg")
        assert Path(path).exists()
        with predicted(client, path) as answer:
            app.terminate()
            assert "event: complete" in answer.read().decode()
        assert app.wait(timeout=60) == 0
    assert not Path(path).exists()
    assert list(tmp_path.glob("foodvision-page-*")) == []


@pytest.mark.slow
def test_page_that_was_killed_leaves_nothing_when_the_next_one_starts(tmp_path):
    for _ in range(2):
        with running_page(TMPDIR=str(tmp_path)) as (app, url):
            (folder,) = tmp_path.glob("foodvision-page-*")
            with httpx.Client(base_url=url) as client:
                upload(client, EXAMPLES / "pizza.jpg")
            app.send_signal(signal.SIGKILL)
            app.wait(timeout=30)
        assert folder.exists()


def test_proxy_that_cannot_be_used_is_one_line():
    done = run_python(
        "app.py",
        env=os.environ | {"ALL_PROXY": "socks5://127.0.0.1:9", "all_proxy": ""},
        cwd=REPOSITORY,
        timeout=60,
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "ALL_PROXY" in done.stderr


def test_same_photo_of_two_visitors_is_boths_and_an_example_is_everybodys(tmp_path):
    uploads, one, other = Uploads(tmp_path), frozenset(["one"]), frozenset(["other"])
    example = make_photo(tmp_path.resolve() / "hash" / "kiwi.jpg", COLOURS["kiwi"], seed=1)
    uploads.publish_what_is_there()
    photo = make_photo(tmp_path.resolve() / "else" / "kiwi.jpg", COLOURS["kiwi"], seed=2)
    for visitor in (one, other):
        uploads.add([example, photo], visitor)
    for visitor in (one, other):
        assert uploads.may_read(example, visitor)
        assert uploads.may_read(photo, visitor)
    stranger = frozenset(["stranger"])
    assert uploads.may_read(example, stranger)
    assert not uploads.may_read(photo, stranger)


def test_example_sent_as_a_frame_of_the_camera_stays_for_others(uploads):
    example = make_photo(uploads.folder / "hash" / "kiwi.jpg", COLOURS["kiwi"], seed=1)
    uploads.publish_what_is_there()
    frame = uploads.keep(b"of a camera", ONE)
    for path in (example, frame):
        uploads.delete(path)
    assert [path.exists() for path in (example, frame)] == [True, False]
