"""The API as programs meet it, from `foodvision serve` and from the page: processes, real HTTP."""

import errno
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from conftest import (
    COLOURS,
    EXAMPLES,
    free_port,
    make_photo,
    run_python,
    running_page,
)

import foodvision
from foodvision.cli.main import main


@contextmanager
def serving(*options, **environment):
    port = free_port()
    command = [sys.executable, "-m", "foodvision", "serve", "--port", str(port), *options]
    with subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            assert "Serving the API at" in server.stdout.readline()
            yield server, f"http://127.0.0.1:{port}"
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def url(fruit_checkpoint):
    with serving("--model", str(fruit_checkpoint), "--model", "foodvision_101") as (_, url):
        yield url


@pytest.fixture(scope="module")
def page_url(fruit_checkpoint):
    with running_page("--model", str(fruit_checkpoint), "--model", "foodvision_101") as (_, url):
        yield url


@pytest.fixture(params=["url", "page_url"])
def client(request):
    """A client of either: both keep the same contract."""
    with httpx.Client(base_url=request.getfixturevalue(request.param), timeout=30) as client:
        yield client


@pytest.fixture
def plain_client(url):
    with httpx.Client(base_url=url, timeout=30) as client:
        yield client


@pytest.fixture
def page_client(page_url):
    with httpx.Client(base_url=page_url, timeout=30) as client:
        yield client


def post(client, content, **options):
    return client.post("/api/predict", content=content, **options)


def test_photo_as_the_body_gets_the_answer_of_python(client):
    photo = EXAMPLES / "pizza.jpg"
    answer = post(client, photo.read_bytes(), params={"model": "foodvision_101", "top": 3})
    assert answer.status_code == 200
    expected = foodvision.load().predict(photo, top=3).to_dict()
    (found,) = answer.json()["predictions"]
    assert found.pop("name") == "photo"
    assert [of["label"] for of in found["top"]] == [of["label"] for of in expected["top"]]
    assert found["certainty"] == expected["certainty"]
    assert found["confidence"] == pytest.approx(expected["confidence"], abs=1e-5)
    assert found["known_score"] == pytest.approx(expected["known_score"], abs=1e-3)
    assert answer.json()["model"] == "foodvision_101"


def test_form_of_photos_is_answered_in_order_and_a_bad_one_is_named(client, tmp_path):
    photos = [make_photo(tmp_path / f"{name}.png", COLOURS[name], seed=1) for name in COLOURS]
    files = [("photo", (path.name, path.read_bytes())) for path in photos]
    files.insert(1, ("photo", ("notes.txt", b"no photo")))
    answers = client.post("/api/predict", files=files).json()["predictions"]
    assert [of.get("label") for of in answers] == [next(iter(COLOURS)), None, *list(COLOURS)[1:]]
    assert answers[1]["name"] == "notes.txt"
    assert answers[1]["error"].startswith("notes.txt is not a readable photo")


def test_map_is_where_the_model_looked(client):
    content = (EXAMPLES / "pizza.jpg").read_bytes()
    params = {"model": "foodvision_101", "map": "true"}
    (answer,) = post(client, content, params=params).json()["predictions"]
    assert max(max(row) for row in answer["evidence"]) == 1
    (plain,) = post(client, content, params={"model": "foodvision_101"}).json()["predictions"]
    assert "evidence" not in plain


@pytest.mark.parametrize(
    ("content", "options", "status", "said"),
    [
        (b"", {}, 400, "contains no photo: send one as the request body, or as a form field (-F "),
        (
            b"x",
            {"params": {"tpo": "1"}},
            422,
            "unknown parameter tpo: there are model, top and map",
        ),
        (b"no photo", {}, 422, "photo is not a readable photo"),
        (b"x", {"params": {"model": "nobody/is"}}, 404, "unknown model nobody/is"),
        (b"x", {"params": {"top": "0"}}, 422, 'top "0": Input should be greater than or equal'),
        (b"x", {"params": {"top": "many"}}, 422, 'top "many": Input should be a valid integer'),
        (b"x", {"headers": {"Content-Type": "multipart/form-data"}}, 400, "cannot be read"),
        (
            b"a=b",
            {"headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            422,
            "not a readable",
        ),
        (
            b"x",
            {"headers": {"Origin": "https://evil.example"}},
            403,
            "from other sites",
        ),
        (b"x", {"headers": {"Origin": "http://["}}, 403, "from other sites"),
        (bytes(50_000_001), {}, 413, "larger than 50 MB"),
    ],
)
def test_bad_request_is_one_line(client, content, options, status, said):
    answer = post(client, content, **options)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_form_has_limits_too(client):
    files = [("photo", (f"{number}.jpg", b"x")) for number in range(40)]
    answer = client.post("/api/predict", files=files)
    assert answer.status_code == 400
    assert "Too many files" in answer.json()["error"]
    assert client.post("/api/predict", files={"photo": ("a", b"")}).status_code == 422


def test_unknown_routes_and_names_are_refused(plain_client):
    assert plain_client.get("/").status_code == 404
    assert plain_client.get("/docs").status_code == 404
    assert plain_client.get("/api/predict").headers["Allow"] == "POST"
    for host in ("evil.example", "[", ""):
        evil = plain_client.get("/api/health", headers={"Host": host})
        assert evil.status_code == 400
        assert evil.json() == {"error": "this host name is not allowed: see --allow-host"}


def test_guard_of_the_page_stands_before_the_api_too(page_client):
    photo = (EXAMPLES / "pizza.jpg").read_bytes()
    for headers, status in (
        ({"Host": "evil.example"}, 421),
        ({"X-Forwarded-Host": "evil.example"}, 421),
        ({"Origin": "null"}, 403),
    ):
        answer = post(page_client, photo, headers=headers)
        assert answer.status_code == status
        assert list(answer.json()) == ["error"]
        assert answer.headers["connection"] == "close"
    answer = page_client.get("/api/nothing")
    assert answer.status_code == 404
    assert answer.headers["content-security-policy"]
    assert page_client.get("/metrics").status_code == 404


def test_health_and_readiness(client):
    assert client.get("/api/health").json() == {"status": "ok", "version": foodvision.__version__}
    assert client.get("/api/ready").json()["classes"]["foodvision_101"] == 101


def test_metrics(plain_client):
    post(plain_client, (EXAMPLES / "pizza.jpg").read_bytes())
    post(plain_client, b"no photo")
    metrics = plain_client.get("/metrics").text
    assert 'foodvision_requests_total{path="/api/predict",status="200"}' in metrics
    assert 'foodvision_photos_total{outcome="unreadable"}' in metrics
    assert "foodvision_request_seconds_bucket" in metrics


def test_description_says_what_may_be_sent(client):
    described = client.get("/api/openapi.json").json()
    predict = described["paths"]["/api/predict"]["post"]
    assert set(predict["requestBody"]["content"]) == {
        *("image/*", "application/octet-stream", "multipart/form-data")
    }
    assert {"200", "401", "413", "422", "503"} <= set(predict["responses"])
    assert predict["responses"]["200"]["content"]["application/json"]["example"]


def test_keys_keep_others_out(fruit_checkpoint, tmp_path):
    photo = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    options = ("--model", str(fruit_checkpoint), "--quiet")
    with serving(*options, FOODVISION_API_KEYS="one, two") as (_, url):
        for header, status in (
            (None, 401),
            ("Bearer three", 401),
            ("Basic one", 401),
            ("Bearer two", 200),
        ):
            headers = {"Authorization": header} if header else {}
            answer = httpx.post(f"{url}/api/predict", content=photo, headers=headers, timeout=30)
            assert answer.status_code == status
        assert httpx.get(f"{url}/api/health").status_code == 200
        assert httpx.get(f"{url}/metrics").status_code == 401


def test_keys_keep_others_out_of_the_pages_api_which_leaves_no_photo_behind(
    fruit_checkpoint, tmp_path
):
    photo = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    place = tmp_path / "temporary"
    place.mkdir()
    known = {"FOODVISION_API_KEYS": "one", "TMPDIR": str(place)}
    with (
        running_page("--model", str(fruit_checkpoint), **known) as (_, url),
        httpx.Client(base_url=url, timeout=30) as client,
    ):
        files = [("photo", ("a.png", photo))]
        assert client.post("/api/predict", files=files).status_code == 401
        headers = {"Authorization": "Bearer one"}
        answer = client.post("/api/predict", files=files, headers=headers)
        assert answer.json()["predictions"][0]["label"] == "kiwi"
        assert client.get("/api/ready").status_code == 200
        assert client.get("/").status_code == 200
        (folder,) = place.glob("foodvision-api-*/files")
        assert list(folder.iterdir()) == []


def test_request_under_way_comes_before_the_end_and_nothing_is_left(fruit_checkpoint, tmp_path):
    photo = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    place = tmp_path / "temporary"
    place.mkdir()
    with serving("--model", str(fruit_checkpoint), TMPDIR=str(place)) as (server, url):
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=30) as slow:
            head = f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: {len(photo)}\r\n"
            slow.sendall(f"{head}Connection: close\r\n\r\n".encode() + photo[:10])
            lines = []
            reader = threading.Thread(target=lambda: lines.extend(server.stdout))
            reader.start()
            assert httpx.get(f"{url}/api/health").status_code == 200  # the body is under way
            server.send_signal(signal.SIGTERM)
            slow.sendall(photo[10:])
            answer = slow.makefile("rb").read()
        assert b"200 OK" in answer
        assert b'"label":"kiwi"' in answer
        assert server.wait(timeout=60) == 0
        reader.join()
    assert list(place.iterdir()) == []
    said = [json.loads(line) for line in lines]
    assert [(of["path"], of["status"]) for of in said] == [
        ("/api/health", 200),
        ("/api/predict", 200),
    ]


@contextmanager
def slow_senders(url, count):
    host, port = url.removeprefix("http://").split(":")
    head = f"POST /api/predict HTTP/1.1\r\nHost: {host}\r\nContent-Length: 1000\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(count):
            slow = stack.enter_context(socket.create_connection((host, int(port)), timeout=30))
            slow.sendall(head.encode() + b"a")
        yield


def test_slow_senders_take_no_place_from_others(url, plain_client, tmp_path):
    photo = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    with slow_senders(url, 20):
        assert post(plain_client, photo).status_code == 200


def test_slow_senders_fill_only_their_own_places_at_the_page(page_url, page_client, tmp_path):
    photo = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    with slow_senders(page_url, 8):
        refused = post(page_client, photo)
        while refused.status_code == 200:  # the last of them has not come yet
            refused = post(page_client, photo)
        assert refused.status_code == 503
        assert refused.headers["Retry-After"] == "1"
        page_client.get("/")  # another visitor has a cookie
        assert post(page_client, photo).status_code == 200


def test_eight_clients_are_all_answered(client, tmp_path):
    photo = make_photo(tmp_path / "kiwi.png", COLOURS["kiwi"], seed=1).read_bytes()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: post(client, photo), range(80)))
    assert {answer.status_code for answer in answers} == {200}


def test_port_that_is_taken_is_one_line(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port)]) == 2
    reason = os.strerror(errno.EADDRINUSE)
    said = f"foodvision: cannot listen on 127.0.0.1:{port} ({reason}): choose --port\n"
    assert capsys.readouterr().err == said


def test_host_that_is_not_this_machine_is_one_line(capsys):
    host = "192.0.2.1"  # nobody's (RFC 5737)
    assert main(["serve", "--host", host]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"foodvision: cannot listen on {host}:8000 (")
    assert line.endswith("): choose --host")


@pytest.mark.parametrize(
    ("host", "address"),
    [("::1", "[::1]"), pytest.param("[::1]", "[::1]", marks=pytest.mark.slow)],
)
def test_listens_by_ipv6(fruit_checkpoint, host, address):
    port = free_port()
    command = [sys.executable, "-m", "foodvision", "serve", "--host", host, "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = f"http://{address}:{port}"
            assert server.stdout.readline().startswith(f"Serving the API at {url}/api/predict")
            assert httpx.get(f"{url}/api/health").status_code == 200
        finally:
            server.terminate()


@pytest.mark.parametrize("path", ["/food", pytest.param("food/", marks=pytest.mark.slow)])
def test_root_path_may_be_stripped_or_not(fruit_checkpoint, path):
    with serving("--model", str(fruit_checkpoint), "--root-path", path) as (_, url):
        for route in ("/api/health", "/food/api/health"):
            assert httpx.get(f"{url}{route}").json()["status"] == "ok"
        described = httpx.get(f"{url}/api/openapi.json").json()
        assert described["servers"] == [{"url": "/food"}]


@pytest.mark.parametrize("command", ["serve", "demo"])
def test_root_path_that_is_no_path_is_one_line(command, capsys):
    assert main([command, "--root-path", "https://a.example/b c"]) == 2
    assert capsys.readouterr().err == (
        "foodvision: root path 'https://a.example/b c' is not a path: use one such as /food\n"
    )


@pytest.mark.parametrize(
    ("options", "environment", "client"),
    [
        pytest.param(
            *((), {"FORWARDED_ALLOW_IPS": "192.0.2.1"}, "127.0.0.1"), marks=pytest.mark.slow
        ),
        (("--proxy-headers",), {}, "198.51.100.7"),
        (("--proxy-headers",), {"FORWARDED_ALLOW_IPS": "192.0.2.1"}, "127.0.0.1"),
    ],
)
def test_address_that_the_nearest_proxy_wrote_is_the_clients(
    fruit_checkpoint, options, environment, client
):
    model = ("--model", str(fruit_checkpoint))
    with serving(*model, *options, **environment) as (server, url):
        # The first was written by the client itself, the last by a proxy within.
        forwarded = {"X-Forwarded-For": "203.0.113.9, 198.51.100.7, 10.0.0.3"}
        assert httpx.get(f"{url}/api/health", headers=forwarded).status_code == 200
        assert json.loads(server.stdout.readline())["client"] == client


def test_api_needs_neither_gradio_nor_torch(fruit_checkpoint):
    program = (
        "import sys\n"
        "from foodvision.api import build_api\n"
        "from foodvision.page.models import load_models\n"
        "assert not {'gradio', 'torch'} & set(sys.modules), sorted(sys.modules)\n"
    )
    run_python("-c", program, check=True)


def test_body_in_parts_of_unknown_length_is_bounded(client):
    def parts():
        for _ in range(60):
            yield bytes(1 << 20)

    answer = client.post("/api/predict", content=parts())
    assert answer.status_code == 413
    assert io.BytesIO(answer.content).readline()
