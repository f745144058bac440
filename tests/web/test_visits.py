"""What holds between models and between visitors: pages of this process, met by real visits."""

import re
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from conftest import COLOURS, EXAMPLES, make_photo
from gradio_client import Client, handle_file
from playwright.sync_api import expect
from visiting import upload

import foodvision
from foodvision.errors import SettingsError
from foodvision.web import build_page, launch_page, load_models


@pytest.fixture(scope="module")
def serve():
    """Serve a page until the test is over; return its address."""
    served = []

    def start(*arguments):
        page = build_page(*arguments)
        served.append(page)
        launch_page(page, wait=False)
        return page.local_url.rstrip("/")

    yield start
    for page in served:
        page.close(verbose=False)


@pytest.fixture(scope="module")
def two(serve, fruit_checkpoint):
    return serve({"food": foodvision.load(), "fruit": foodvision.load(fruit_checkpoint)})


def test_visitor_chooses_between_models(browser, two):
    page = browser.new_page()
    page.goto(f"{two}/?example=pizza.jpg")
    expect(page.locator(".answer h2")).to_contain_text("pizza", timeout=30_000)
    link = page.get_by_role("link", name="Link to this example")
    expect(link).to_have_attribute("href", "?example=pizza.jpg&model=food")
    page.get_by_label("Model", exact=True).click()
    page.get_by_role("option", name="fruit").click()
    expect(page.locator(".guesses li")).to_have_count(3, timeout=20_000)
    page.get_by_role("tab", name="The model").click()
    expect(page.get_by_text("tinyvgg, 0.1 MB, 3 classes")).to_be_visible(timeout=20_000)
    page.close()


def test_link_names_the_model(browser, two):
    page = browser.new_page()
    page.goto(f"{two}/?model=fruit")
    expect(page.get_by_label("Model", exact=True)).to_have_value("fruit", timeout=30_000)
    page.close()


def test_program_chooses_between_models(two):
    client = Client(two, verbose=False)
    photo = handle_file(EXAMPLES / "pizza.jpg")
    assert client.predict(photo, api_name="/predict")["label"] == "pizza"
    assert client.predict(photo, "fruit", api_name="/predict")["label"] in COLOURS


def test_models_by_one_name_are_refused(fruit_checkpoint):
    with pytest.raises(
        SettingsError, match=r"two models have the name .*: rename one of the folders"
    ):
        load_models([str(fruit_checkpoint), str(fruit_checkpoint)])


def test_one_visitor_cannot_find_anothers_photo(serve, fruit_checkpoint, tmp_path):
    with httpx.Client(base_url=serve(foodvision.load(fruit_checkpoint))) as client:
        path = upload(client, make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=7))
        uploads, digest, _ = path.rsplit("/", 2)
        assert re.fullmatch("[0-9a-f]{64}", digest)  # who knows it has the photo
        for folder in (uploads, f"{uploads}/{digest}"):
            assert client.get(f"/gradio_api/file={quote(folder)}").status_code in (403, 404)
        for told in ("/", "/config", "/gradio_api/info"):
            assert digest not in client.get(told).raise_for_status().text


def test_photos_are_deleted_after_their_time(fruit_checkpoint, tmp_path):
    page = build_page(foodvision.load(fruit_checkpoint))
    launch_page(page, wait=False)
    with httpx.Client(base_url=page.local_url) as client:
        path = Path(upload(client, make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=8)))
    page.services.uploads.delete_old()
    assert path.exists()
    page.services.uploads.delete_old(0)
    page.close(verbose=False)
    assert not path.parent.exists()
