"""The folder that `foodvision export` writes, and what it tells when it cannot."""

import gzip
import hashlib
import io
import json
import re
import shutil
import subprocess
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnxruntime
import pytest
import yaml
from conftest import EXAMPLES, REPOSITORY, run_python
from javascript.make_fixtures import FILE, MAP, make_fixtures, make_map
from PIL import Image

from foodvision.browser import fetch_runtime, runtime, site_front_matter, write_site
from foodvision.checkpoint import BUNDLED, read_checkpoint
from foodvision.cli.main import main
from foodvision.errors import SiteError
from foodvision.page.words import LANGUAGES


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "site"
    assert main(["export", "foodvision_101", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def config(site):
    return json.loads((site / "config.json").read_text())


@pytest.fixture
def checkpoint():
    return read_checkpoint(BUNDLED)


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def test_large_files_are_what_config_says_and_few_bytes(site, config):
    for name, most in (("model", 8_000_000), ("wasm", 4_000_000), ("script", 100_000)):
        asset = config["assets"][name]
        path, _, digest = asset["url"].partition("?")
        packed = (site / path).read_bytes()
        assert asset["sha256"].startswith(digest)
        assert sha256(gzip.decompress(packed)) == asset["sha256"]
        assert len(packed) == asset["bytes"] < most
    assert "MIT License" in (site / "onnxruntime" / "LICENSE.txt").read_text()


def test_page_ships_the_notices_of_what_the_wasm_contains(site):
    notices = (site / "onnxruntime" / "THIRD_PARTY.md").read_text("utf-8")
    wasm = gzip.decompress((site / "onnxruntime" / f"{runtime.WASM}.gz").read_bytes())
    sources = {"protobuf": "Protocol Buffers", "onnx": "ONNX", "abseil_cpp": "Abseil", "re2": "RE2"}
    # The build's paths of its dependencies; a new one in a new release needs its notice here.
    built = {name.decode() for name in re.findall(rb"_deps/(\w+)-src", wasm)}
    assert built == set(sources)
    for name in (*sources.values(), "Eigen", "FlatBuffers"):
        assert f"\n## {name}\n" in notices


def test_release_lists_every_file_of_the_page_with_its_hash(site):
    said = (site / "release.js").read_text().removeprefix("self.release = ").removesuffix(";\n")
    release = json.loads(said)
    assert re.fullmatch("[0-9a-f]{12}", release["version"])
    for path, digest in release["files"].items():
        assert sha256((site / path).read_bytes()) == digest
    there = {path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()}
    large = {path for path in there if path.startswith(("model/", "onnxruntime/"))}
    # The worker itself is the browser's to keep, and nobody reads a README offline.
    assert there - large - set(release["files"]) == {"release.js", "README.md"}


def test_same_checkpoint_gives_the_same_folder(site, checkpoint, tmp_path):
    again = write_site(checkpoint, tmp_path / "again")
    for path in site.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (again / path.relative_to(site)).read_bytes(), path


def test_front_matter_makes_an_isolated_static_space(site):
    said = yaml.safe_load((site / "README.md").read_text("utf-8").split("---\n")[1])
    assert said["sdk"] == "static"
    assert said["app_file"] == "index.html"
    assert said["license"] == "apache-2.0"
    assert 0 < len(said["short_description"]) <= 60
    assert said["custom_headers"] == {
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "cross-origin",
    }


def test_long_description_is_cut_at_a_word():
    said = site_front_matter("x", "Tells which of three very different dishes is in it, and more")
    assert said["short_description"] == "Tells which of three very different dishes is in it, and…"


def test_page_says_in_every_language_what_it_asks_for(site):
    markup = (site / "index.html").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for path in (site / "js").glob("*.js"))
    keys = set(re.findall(r'data-text="(\w+)"', markup))
    keys |= set(re.findall(r'(?:say|Trouble)\(\s*"(\w+)"', code))
    for language in LANGUAGES:
        texts = json.loads((site / "texts" / f"{language}.json").read_text("utf-8"))["texts"]
        assert keys <= set(texts), language


def test_policy_names_no_other_host_unless_there_is_a_cdn(site, checkpoint, tmp_path):
    assert "http" not in re.search(r'Policy" content="([^"]+)', index(site))[1]
    cdn = write_site(checkpoint, tmp_path / "cdn", cdn=True)
    assert "connect-src &#39;self&#39; https://cdn.jsdelivr.net;" in index(cdn)
    assert not (cdn / "onnxruntime").exists()
    asset = json.loads((cdn / "config.json").read_text())["assets"]["wasm"]
    assert asset["url"].startswith("https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/")
    assert asset["sha256"] == runtime.FILES[runtime.WASM].sha256


def index(folder):
    return (folder / "index.html").read_text("utf-8")


def test_network_in_full_precision_is_stored_in_half(fruit_checkpoint, tmp_path):
    checkpoint = read_checkpoint(fruit_checkpoint)
    folder = write_site(checkpoint, tmp_path / "site")
    graph = gzip.decompress((folder / "model" / "model.onnx.gz").read_bytes())
    pixels = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), np.uint8)
    one, other = (
        onnxruntime.InferenceSession(model).run(["probabilities"], {"pixels": pixels})[0]
        for model in (checkpoint.graph, graph)
    )
    assert np.abs(one - other).max() < 0.03
    config = json.loads((folder / "config.json").read_text())
    assert config["classes"] == ["blueberry", "kiwi", "tomato"]
    assert config["examples"] == []


def test_export_replaces_its_own_folder_only(site, checkpoint, tmp_path, capsys):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "dear.txt").write_text("Dear")
    assert main(["export", "foodvision_101", str(tmp_path / "letters")]) == 2
    assert capsys.readouterr().err == (
        f"foodvision: {tmp_path / 'letters'} is not empty and not an exported page: choose "
        "another folder\n"
    )
    (tmp_path / "letters" / "release.js").write_text("export const version = 1;")
    with pytest.raises(SiteError, match="not an exported page"):
        write_site(checkpoint, tmp_path / "letters")
    assert (tmp_path / "letters" / "dear.txt").exists()
    assert write_site(checkpoint, site) == site
    with pytest.raises(SiteError, match="is a file: choose a folder"):
        write_site(checkpoint, site / "index.html")


def test_export_keeps_what_people_put_into_its_folder(checkpoint, tmp_path):
    folder = write_site(checkpoint, tmp_path / "site")
    git(folder, "init", "--quiet")
    git(folder, "add", ".")
    hook = folder / ".git" / "hooks" / "pre-push"
    hook.write_text("#!/bin/sh")
    hook.chmod(0o755)
    (folder / "CNAME").write_text("dishes.example")
    (folder / "examples" / "my own.txt").write_text("mine")
    (folder / "latest").symlink_to("index.html")
    (folder / "texts" / "en.json").write_text("{}")
    (folder / "model" / "older.gz").write_bytes(b"")

    newer = shutil.copytree(BUNDLED, tmp_path / "newer")
    (newer / "page.json").write_text(json.dumps({"title": "Newer"}))
    fresh = write_site(read_checkpoint(newer), tmp_path / "fresh")
    write_site(read_checkpoint(newer), folder)

    for path in fresh.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (folder / path.relative_to(fresh)).read_bytes(), path
    assert (folder / "CNAME").read_text() == "dishes.example"
    assert (folder / "examples" / "my own.txt").read_text() == "mine"
    assert (folder / "latest").readlink() == Path("index.html")
    assert hook.stat().st_mode & 0o777 == 0o755
    # What only the old export wrote is gone: the newer checkpoint has no examples.
    assert [path.name for path in (folder / "examples").iterdir()] == ["my own.txt"]
    assert [path.name for path in (folder / "model").iterdir()] == ["model.onnx.gz"]
    status = git(folder, "status", "--short")
    assert "M index.html" in status
    assert "D examples/pizza.jpg" in status


def test_folder_one_stands_in_is_refused_and_a_link_stays_one(checkpoint, tmp_path, monkeypatch):
    (tmp_path / "www").mkdir()
    (tmp_path / "site").symlink_to("www")
    for _ in range(2):
        write_site(checkpoint, tmp_path / "site", cdn=True)
        assert (tmp_path / "site").readlink() == Path("www")
        assert (tmp_path / "www" / "index.html").is_file()
    monkeypatch.chdir(tmp_path / "www")
    with pytest.raises(SiteError, match=r"\. is the current folder: change to another one"):
        write_site(checkpoint, Path())


def git(folder, *arguments):
    return subprocess.run(
        ["git", *arguments], cwd=folder, check=True, capture_output=True, text=True
    ).stdout


@pytest.mark.slow
def test_new_file_takes_a_place_without_writing_through_a_link(checkpoint, tmp_path):
    folder = write_site(checkpoint, tmp_path / "site")
    elsewhere = tmp_path / "elsewhere"
    shutil.move(folder / "icons", elsewhere)
    (folder / "icons").symlink_to(elsewhere)
    (elsewhere / "192.png").write_bytes(b"mine")
    write_site(checkpoint, folder)
    assert (elsewhere / "192.png").read_bytes() == b"mine"
    assert (folder / "icons" / "192.png").read_bytes() != b"mine"


@pytest.mark.slow
def test_crash_while_exporting_again_leaves_the_old_folder(checkpoint, tmp_path, monkeypatch):
    folder = write_site(checkpoint, tmp_path / "site")
    (folder / "CNAME").write_text("dishes.example")
    monkeypatch.setattr("foodvision.system.storage.shutil.copystat", fail)
    with pytest.raises(OSError, match="disk"):
        write_site(checkpoint, folder)
    assert (folder / "CNAME").read_text() == "dishes.example"
    assert (folder / "release.js").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def fail(*values, **options):
    raise OSError("the disk is full")


def test_missing_checkpoint_is_one_line(tmp_path, capsys):
    assert main(["export", str(tmp_path / "nothing"), str(tmp_path / "site")]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert not (tmp_path / "site").exists()


def test_export_loads_no_torch():
    program = "import sys, foodvision.browser; assert 'torch' not in sys.modules"
    run_python("-c", program, cwd=REPOSITORY, check=True)


def test_registry_is_the_one_that_npm_would_use(tmp_path):
    assert runtime.registry({}, tmp_path) == "https://registry.npmjs.org/"
    (tmp_path / ".npmrc").write_text("fund=false\nregistry = https://mirror.example/npm/\n")
    assert runtime.registry({}, tmp_path) == "https://mirror.example/npm/"
    named = {"NPM_CONFIG_REGISTRY": "https://other.example/"}
    assert runtime.registry(named, tmp_path) == "https://other.example/"


@pytest.fixture
def mirror(monkeypatch, tmp_path):
    """A registry on the loopback whose package is another one, and an empty cache.

    Under /cut_off the package ends before its last byte.
    """
    tarball = io.BytesIO()
    with tarfile.open(fileobj=tarball, mode="w:gz") as archive:
        archive.addfile(tarfile.TarInfo("package/dist/evil.js"))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            package = "/onnxruntime-web/-/onnxruntime-web-1.30.0.tgz"
            cut_off = self.path == f"/cut_off{package}"
            self.send_response(200 if cut_off or self.path == package else 404)
            self.send_header("Content-Length", str(len(tarball.getvalue()) + cut_off))
            self.end_headers()
            self.wfile.write(tarball.getvalue())

        def log_message(self, *values):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("FOODVISION_CACHE", str(tmp_path / "cache"))
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_package_that_is_another_one_is_refused(mirror, monkeypatch, tmp_path):
    monkeypatch.setenv("npm_config_registry", f"{mirror}/")
    with pytest.raises(SiteError, match=r"differs from the published onnxruntime-web 1\.30\.0"):
        fetch_runtime()
    assert not (tmp_path / "cache").exists()


def test_registry_that_does_not_have_it_is_told(mirror, monkeypatch):
    monkeypatch.setenv("npm_config_registry", f"{mirror}/elsewhere")
    with pytest.raises(SiteError, match=r"could not download .*404.* or use --cdn"):
        fetch_runtime()


def test_download_that_the_registry_cuts_off_is_told(mirror, monkeypatch):
    monkeypatch.setenv("npm_config_registry", f"{mirror}/cut_off")
    with pytest.raises(SiteError, match=r"could not download .*1 more.* or use --cdn"):
        fetch_runtime()


def test_spoiled_file_of_the_cache_is_not_used(mirror, monkeypatch, tmp_path):
    monkeypatch.setenv("npm_config_registry", mirror)
    for name in runtime.FILES:
        path = runtime.runtime_folder() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"spoiled")
    with pytest.raises(SiteError):
        fetch_runtime()


def test_icons_and_examples_are_pictures(site, config):
    assert config["examples"] == sorted(path.name for path in EXAMPLES.glob("*.jpg"))
    for side in (192, 512):
        with Image.open(site / "icons" / f"{side}.png") as icon:
            assert icon.size == (side, side)
    manifest = json.loads((site / "manifest.webmanifest").read_text())
    assert all((site / icon["src"]).is_file() for icon in manifest["icons"])


def test_fixtures_of_the_javascript_tests_are_what_pillow_makes():
    assert json.loads(FILE.read_text("utf-8")) == make_fixtures()
    assert json.loads(MAP.read_text("utf-8")) == make_map()


def test_chart_of_every_language_is_a_picture_with_labelled_axes(site):
    for language in LANGUAGES:
        words = json.loads((site / "texts" / f"{language}.json").read_text("utf-8"))["texts"]
        chart = ElementTree.parse(site / "charts" / f"reliability.{language}.svg")
        said = {text.text for text in chart.iter("{http://www.w3.org/2000/svg}text")}
        assert {words["confidence_label"], words["right_axis"]} <= said


def test_page_has_a_caption_for_every_example_in_every_language(site, config):
    for language in LANGUAGES:
        captions = json.loads((site / "texts" / f"{language}.json").read_text("utf-8"))["captions"]
        assert list(captions) == config["examples"]
        assert all(caption["title"] for caption in captions.values())
