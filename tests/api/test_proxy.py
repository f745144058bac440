"""The page below a path of another server's: nginx and Caddy from Debian, real Chromium."""

import getpass
import re
import shutil
import subprocess
from contextlib import closing, contextmanager

import httpx
import pytest
from conftest import EXAMPLES, REPOSITORY, free_port, running_page
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

NGINX = """
daemon off;
user {user};
pid {folder}/pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
        {location}
    }}
}}
"""

CADDY = """
{{
    admin off
    skip_install_trust
    http_port {http_port}
    storage file_system {folder}
}}
"""


def needed(program):
    found = shutil.which(program, path="/usr/sbin:/usr/bin:/usr/local/bin")
    if not found:
        pytest.skip(f"{program} is not here: apt-get install {program}")
    return found


@contextmanager
def started(command, url, **options):
    with subprocess.Popen(command, **options) as server:
        try:
            wait_for(url, server)
            yield
        finally:
            server.terminate()


def wait_for(url, server):
    while server.poll() is None:
        try:
            httpx.get(url, verify=False, timeout=10)
            return
        except httpx.TransportError:
            continue
    raise AssertionError(f"it ended with {server.returncode}")


@contextmanager
def behind_nginx(folder, page, *, keep_path):
    """The location of our guide, with the ports of this test."""
    guide = (REPOSITORY / "docs" / "guides" / "serve.md").read_text()
    location = re.search(r"```nginx\n(.*?)```", guide, re.DOTALL)[1]
    assert "http://127.0.0.1:7860/;" in location
    upstream = f"{page};" if keep_path else f"{page}/;"
    location = location.replace("http://127.0.0.1:7860/;", upstream)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(
        NGINX.format(user=getpass.getuser(), folder=folder, port=port, location=location)
    )
    command = [needed("nginx"), "-p", str(folder), "-e", "stderr", "-c", str(configuration)]
    with started(command, f"http://127.0.0.1:{port}"):
        yield f"http://food.localhost:{port}"


@contextmanager
def behind_caddy(folder, page):
    """The Caddyfile of compose.yaml, with a certificate of its own making."""
    port = free_port()
    own = CADDY.format(folder=folder, http_port=free_port())
    configuration = folder / "Caddyfile"
    configuration.write_text(own + (REPOSITORY / "Caddyfile").read_text())
    command = [needed("caddy"), "run", "--adapter", "caddyfile", "--config", str(configuration)]
    environment = {
        "DOMAIN": f"localhost:{port}",
        "PAGE": page.removeprefix("http://"),
        "HOME": str(folder),
    }
    options = {"env": environment, "stderr": subprocess.DEVNULL}
    with started(command, f"https://localhost:{port}", **options):
        yield f"https://localhost:{port}"


@pytest.mark.parametrize("proxy", ["nginx", "nginx that keeps the path", "caddy"])
def test_photo_is_uploaded_below_a_path(browser, tmp_path, proxy):
    needed(proxy.split()[0])
    options = ("--root-path", "/food", "--allow-host", "food.localhost")
    with running_page(*options) as (_, page):
        if proxy == "caddy":
            front = behind_caddy(tmp_path, page)
        else:
            front = behind_nginx(tmp_path, page, keep_path="keeps" in proxy)
        with front as url:
            visit(browser, f"{url}/food/")
            ask(url)
            if proxy == "caddy":
                assert httpx.get(url, verify=False).headers["location"] == "/food/"


def visit(browser, url):
    # A proxy waits for pages that are open before it ends.
    with closing(browser.new_context(ignore_https_errors=True)) as context:
        look_at(context, url)


def look_at(context, url):
    page = context.new_page()
    asked, failed, said = [], [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("response", lambda of: failed.append(of.url) if of.status >= 400 else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(url)
    expect(page.locator("#answer")).to_have_attribute("aria-live", "polite", timeout=60_000)
    page.locator("input[type=file]").first.set_input_files(EXAMPLES / "pizza.jpg")
    expect(page.locator(".answer h2")).to_contain_text("pizza", timeout=60_000)
    link = page.evaluate("document.querySelector('link[rel=manifest]').href")
    assert link == f"{url}manifest.json"
    devtools = context.new_cdp_session(page)
    manifest = devtools.send("Page.getAppManifest")
    assert manifest["url"] == link
    assert manifest["errors"] == []
    assert [of for of in asked if not of.startswith((url, "data:", "blob:"))] == []
    assert (failed, said) == ([], [])


def ask(url):
    photo = (EXAMPLES / "pizza.jpg").read_bytes()
    host = url.partition("//")[2]
    local = url.replace("food.localhost", "127.0.0.1")
    answer = httpx.post(
        f"{local}/food/api/predict",
        files={"photo": ("pizza.jpg", photo)},
        headers={"Host": host},
        verify=False,
        timeout=60,
    )
    assert answer.json()["predictions"][0]["label"] == "pizza"
