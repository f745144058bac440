"""The page as people and programs meet it: real Chromium, gradio_client, plain HTTP."""

import asyncio
import base64
import csv
import json
import re
import runpy
import shutil
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from conftest import (
    COLOURS,
    EXAMPLES,
    HELD_CAMERA,
    REPOSITORY,
    free_port,
    in_colours,
    make_photo,
    running_page,
    violations,
)
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client
from PIL import Image
from playwright.sync_api import expect

import foodvision
from foodvision.cli.main import main
from foodvision.image import SUFFIXES

SCREENSHOTS = REPOSITORY / "screenshots"


class Address(str):
    """Where the page is, and the folder in which it keeps feedback."""

    def __new__(cls, url, kept):
        address = super().__new__(cls, url)
        address.kept = kept
        return address


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    kept = tmp_path_factory.mktemp("kept")
    with running_page("--feedback", str(kept), "--mcp") as (_, url):
        yield Address(url, kept)


@pytest.fixture(scope="module")
def visitor(browser):
    """A visitor who was there before: the browser has the page's scripts."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    yield context
    context.close()


@pytest.fixture
def page(visitor, url):
    page = visitor.new_page()
    page.goto(url)
    expect(page.locator(".answer h2")).to_have_text("Which dish is it?", timeout=30_000)
    # page.js has run: it comes after what Gradio draws.
    expect(page.locator("#answer")).to_have_attribute("aria-live", "polite", timeout=30_000)
    yield page
    page.close()
    visitor.set_offline(False)
    visitor.clear_permissions()


def upload(page, path):
    page.locator("input[type=file]").first.set_input_files(path)


def test_uploaded_photo_is_answered(page):
    upload(page, EXAMPLES / "pizza_dad.jpg")
    expect(page.locator(".answer h2")).to_contain_text("pizza", timeout=20_000)
    expect(page.locator(".answer p")).to_have_text(
        re.compile(r"Of \d+ test photos answered this way, .*\d+% were right. Answered in \d+ ms\.")
    )
    expect(page.locator(".guesses li")).to_have_count(5)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "answer.png")


def test_example_is_answered_at_a_click(page):
    page.get_by_role("button", name=re.compile("pizza.jpg")).or_(
        page.locator("button:has(img[src*='pizza.jpg'])")
    ).first.click()
    expect(page.locator(".answer h2")).to_contain_text("pizza", timeout=20_000)


def test_photo_without_food_is_not_known(page):
    upload(page, EXAMPLES / "not_food_cat.jpg")
    expect(page.locator(".answer h2")).to_have_text("I see no dish that I know", timeout=20_000)


def test_example_that_the_model_gets_wrong_says_so(page):
    classifier = foodvision.load()
    for name in ("steak", "waffles"):
        prediction = classifier.predict(EXAMPLES / f"{name}.jpg")
        is_wrong = not prediction.known or prediction.label != name
        button = page.locator(f"#examples button:has(img[src*='{name}'])")
        said = re.compile("(Mistaken for|Not recognised)" if is_wrong else f"^{name.title()}$")
        expect(button).to_have_attribute("aria-label", said, timeout=30_000)


def test_answer_comes_with_where_it_looked_and_a_card(page):
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator(".answer h2")).to_contain_text("pizza", timeout=20_000)
    expect(page.locator("#looked img")).to_have_count(2, timeout=20_000)
    plain, over = page.locator("#looked img").all()
    slider = page.get_by_label("Strength of the colours")
    slider.fill("100")
    expect(over).to_have_css("opacity", "1")
    slider.fill("0")
    expect(over).to_have_css("opacity", "0")
    expect(plain).to_have_css("filter", "grayscale(0)")
    with page.expect_download() as download:
        page.get_by_role("button", name="Share as a card").click()
    with Image.open(download.value.path()) as card:
        assert card.format == "JPEG"
        assert card.width == 1080


def test_answer_is_copied_and_shared_when_there_is_one(page):
    buttons = [page.get_by_role("button", name=name) for name in ("Copy result", "Share as a card")]
    for button in buttons:
        expect(button).to_be_disabled()
    page.locator("#examples button:has(img[src*='waffles'])").click()
    for button in buttons:
        expect(button).to_be_enabled(timeout=20_000)
    expect(page.get_by_role("link", name="Link to this example")).to_be_visible()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    buttons[0].click()
    expect(page.get_by_role("button", name="Copied.")).to_be_visible()
    headline, measured, *guesses = page.evaluate("navigator.clipboard.readText()").splitlines()
    assert "waffles" in headline
    assert measured.endswith(" were right.")
    assert len(guesses) == 5
    assert all(re.fullmatch(r"\S.* (over |under )?\d+%", guess) for guess in guesses)
    clear(page)
    for button in buttons:
        expect(button).to_be_disabled()


def test_answer_can_be_copied_by_hand_where_the_page_may_not(page):
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator(".guesses li")).to_have_count(5, timeout=20_000)
    page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    page.get_by_role("button", name="Copy result").click()
    page.wait_for_function("getSelection().toString().includes('pizza')")


def test_link_reopens_an_example(browser, url):
    page = browser.new_page()
    page.goto(f"{url}/?example=waffles.jpg")
    expect(page.locator(".answer h2")).to_contain_text("waffles", timeout=30_000)
    link = page.get_by_role("link", name="Link to this example")
    expect(link).to_have_attribute("href", "?example=waffles.jpg")
    page.close()


def test_nothing_moves_when_the_answer_arrives(page):
    expect(page.get_by_role("button", name="waffles").locator("img")).to_be_visible()
    SCREENSHOTS.mkdir(exist_ok=True)
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        expect(page.get_by_role("button", name="Share as a card")).to_be_visible()
        page.evaluate(
            """async () => {
                // What the new width moves, it moves in these frames.
                for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
                window.moved = 0;
                window.observer = new PerformanceObserver((list) => {
                    const own = (source) => source.node?.parentElement?.closest("#photo");
                    for (const shift of list.getEntries())
                        if (!shift.sources.every(own)) window.moved += shift.value;
                });
                observer.observe({ type: "layout-shift" });
            }"""
        )
        upload(page, EXAMPLES / "pizza.jpg")
        expect(page.locator("#looked img")).to_have_count(2)
        assert page.evaluate("window.moved") < 0.01, width
        page.screenshot(path=SCREENSHOTS / f"answer_{width}.png")
        page.evaluate("observer.disconnect()")
        clear(page)


def test_without_a_connection_the_page_says_so(page):
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_be_hidden()


@pytest.mark.parametrize(
    ("locale", "tab", "title"),
    [
        ("ko-KR", "여러 장", "어떤 요리"),
        pytest.param("ja-JP", "たくさんの写真", "どの料理", marks=pytest.mark.slow),
    ],
)
def test_page_speaks_the_browsers_language(browser, url, locale, tab, title):
    page = browser.new_page(locale=locale)
    page.goto(url)
    expect(page.locator(".answer h2")).to_contain_text(title, timeout=30_000)
    expect(page.get_by_role("tab", name=tab)).to_be_visible()
    page.close()


def test_many_photos_are_answered_filtered_and_taken_home(page, tmp_path):
    (tmp_path / "menu.mpo").write_text("pizza 8.50")
    page.get_by_role("tab", name="Many photos").click()
    page.get_by_role("button", name="Classify photos").click()
    expect(page.get_by_test_id("toast-body")).to_contain_text("Choose photos first.")
    expect(page.get_by_text("Error", exact=True)).to_have_count(0)
    photos = [EXAMPLES / f"{name}.jpg" for name in ("pizza", "pizza_dad", "sushi", "not_food_cat")]
    page.locator("input[type=file]").last.set_input_files([*photos, tmp_path / "menu.mpo"])
    expect(page.get_by_role("button", name="Remove this file")).to_have_count(5, timeout=20_000)
    # A key of Gradio's without a translation.
    expect(page.locator("[title^='common.'], [aria-label^='common.']")).to_have_count(0)
    page.get_by_role("button", name="Classify photos").click()
    expect(page.locator("#status")).to_contain_text(
        "4 of 5 photos classified, 1 could not be read.", timeout=30_000
    )
    expect(page.locator("#status li")).to_have_text(re.compile("^menu.mpo is not a readable photo"))
    expect(page.locator("#gallery figure")).to_have_count(4)
    page.screenshot(path=SCREENSHOTS / "many.png", full_page=True)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    content = Path(download.value.path()).read_text("utf-8-sig")
    rows = list(csv.DictReader(content.splitlines()))
    assert [row["label"] for row in rows][:3] == ["pizza", "pizza", "sushi"]
    assert rows[3]["certainty"] == "not known"
    assert rows[4]["error"].startswith("menu.mpo is not a readable photo")
    page.get_by_text("As a table").click()
    expect(page.locator("#gallery tr:last-child td")).to_have_text(
        ["menu.mpo", "could not be read", ""]
    )
    page.get_by_label("Show").click()
    page.get_by_role("option", name="Pizza").click()
    expect(page.locator("#gallery figure")).to_have_count(2)
    page.get_by_text("As a table").click()
    expect(page.locator("#gallery tr:visible td:first-child")).to_have_text(
        ["pizza.jpg", "pizza_dad.jpg"]
    )
    page.screenshot(path=SCREENSHOTS / "table.png", full_page=True)


def test_stopped_answers_are_kept(page, tmp_path):
    # Small files that take long to open: the answers must not be ahead of the click.
    Image.new("RGB", (4000, 3000), (200, 90, 40)).save(tmp_path / "large.png")
    photos = [
        shutil.copyfile(tmp_path / "large.png", tmp_path / f"{number}.png") for number in range(30)
    ]
    page.get_by_role("tab", name="Many photos").click()
    page.locator("input[type=file]").last.set_input_files(photos)
    expect(page.get_by_role("button", name="Remove this file")).to_have_count(30, timeout=30_000)
    page.get_by_role("button", name="Classify photos").click()
    expect(page.locator("#gallery figure")).not_to_have_count(0, timeout=30_000)
    page.get_by_role("button", name="Stop").click()
    # There is a link after 8 photos, too: what is shown holds when Gradio tells no progress.
    agreed = page.wait_for_function(
        """() => {
            const ended = document.querySelector("#gallery [data-testid=status-tracker].hide");
            const answered = parseInt(document.querySelector("#status p").innerText);
            const shown = document.querySelectorAll("#gallery figure").length;
            return ended && document.querySelector("#status a") && shown === answered && shown;
        }"""
    )
    assert 8 <= agreed.json_value() < 30


def test_model_tab_tells_what_it_knows_and_how_well(page):
    page.get_by_role("tab", name="The model").click()
    figures = foodvision.load().config.figures["test"]
    said = f"{100 * figures['top1']:.1f}% of {figures['n']} test photos were classified correctly"
    expect(page.get_by_text(said)).to_be_visible(timeout=20_000)
    chart = page.get_by_role("img", name="Is its confidence accurate?")
    expect(chart).to_be_visible()
    expect(chart.get_by_text("Confidence")).to_be_visible()
    expect(chart.get_by_text("Share right")).to_be_visible()
    expect(page.get_by_text("How to read this")).to_have_count(3)
    page.get_by_role("button", name="Recall, %").click()
    lowest = min(figures["per_class"].values(), key=lambda of: of["recall"])
    first = page.locator(".sortable tbody tr").first.locator("td").nth(1)
    expect(first).to_have_text(str(round(100 * lowest["recall"])))
    page.get_by_label("Search").fill("bakl")
    expect(page.get_by_role("rowheader").filter(visible=True)).to_have_text(["Baklava"])
    expect(page.locator("footer")).to_be_visible()
    expect(page.locator("footer .divider:visible")).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "model.png", full_page=True)


def test_camera_answers_while_it_is_pointed(page):
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.get_by_role("button", name="capture photo").click(timeout=20_000)
    expect(page.locator("#seen .guesses li")).to_have_count(5, timeout=30_000)
    page.evaluate(
        "() => { [window.track] = document.querySelector('#camera video').srcObject.getTracks(); }"
    )
    page.get_by_role("tab", name="One photo").click()
    page.wait_for_function("track.readyState === 'ended'")
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("Click to Access Webcam").click()
    expect(page.get_by_role("button", name="capture photo")).to_be_visible(timeout=20_000)


def test_camera_of_one_photo_goes_off_with_its_tab_too(page, tmp_path):
    page.locator("#photo").get_by_label("Capture from camera").click()
    page.locator("#photo").get_by_text("Click to Access Webcam").click()
    expect(page.locator("#photo video")).to_be_visible()
    page.evaluate(
        "() => { [window.track] = document.querySelector('#photo video').srcObject.getTracks(); }"
    )
    page.get_by_role("tab", name="The model").click()
    page.wait_for_function("track.readyState === 'ended'")
    page.get_by_role("tab", name="One photo").click()
    expect(page.locator("#photo")).to_be_visible()
    (tmp_path / "menu.jpg").write_text("pizza 8.50")
    upload(page, tmp_path / "menu.jpg")
    expect(page.locator(".answer p")).to_have_text(re.compile("^menu.jpg is not a readable photo"))


@pytest.mark.slow
def test_camera_that_is_permitted_after_its_tab_was_left_is_turned_off(browser, url):
    page = browser.new_page()
    page.add_init_script(HELD_CAMERA)
    page.goto(url)
    expect(page.locator("#answer")).to_have_attribute("aria-live", "polite")
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("Click to Access Webcam").click()
    page.get_by_role("tab", name="One photo").click()
    page.evaluate("permit()")
    page.wait_for_function("tracks.map((track) => track.readyState).join() === 'ended'")
    page.get_by_role("tab", name="Camera").click()
    page.get_by_text("Click to Access Webcam").click()
    expect(page.get_by_role("button", name="capture photo")).to_be_visible(timeout=20_000)
    page.close()


def test_correction_is_kept_as_a_photo_of_its_class(page, url):
    upload(page, EXAMPLES / "steak.jpg")
    expect(page.locator(".guesses li")).to_have_count(5, timeout=20_000)
    assert not any(url.kept.iterdir())
    label = page.get_by_label("Was this right?")
    expect(label).not_to_have_value("", timeout=20_000)  # else the suggestion comes over it
    label.fill("Steak and eggs")
    label.press("Enter")
    page.get_by_role("button", name="Keep it").click()
    expect(page.get_by_text("Thank you, it is kept.")).to_be_visible(timeout=20_000)
    assert [path.parent.name for path in url.kept.rglob("*.jpg")] == ["steak_and_eggs"]


def ask_as_an_assistant(url, path):
    async def ask():
        async with (
            streamable_http_client(f"{url}/gradio_api/mcp/") as (read, write, _),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            photo = base64.b64encode(path.read_bytes()).decode()
            name = next(name for name in tools if name.endswith("predict"))
            answer = await session.call_tool(name, {"photo": f"data:image/jpeg;base64,{photo}"})
            return answer.content[0].text

    with ThreadPoolExecutor() as threads:  # this thread has Playwright's loop
        return threads.submit(lambda: asyncio.run(ask())).result()


def test_assistants_get_the_answer_as_a_tool(url):
    assert ask_as_an_assistant(url, EXAMPLES / "pizza.jpg").startswith("{'label': 'pizza'")


@pytest.mark.slow
def test_photos_of_assistants_are_deleted_with_the_others(tmp_path):
    photo = make_photo(tmp_path / "kiwi.jpg", COLOURS["kiwi"], seed=4)

    def kept():
        folders = tmp_path.glob("foodvision-page-*")
        return [
            path
            for folder in folders
            for path in folder.rglob("*.*")
            if path.read_bytes() == photo.read_bytes()
        ]

    port = free_port()
    with running_page("--mcp", "--port", str(port), TMPDIR=str(tmp_path)) as (app, url):
        assert url == f"http://127.0.0.1:{port}"
        ask_as_an_assistant(url, photo)
        assert kept()
        app.terminate()
        app.wait(timeout=30)
    assert kept() == []


def test_nothing_serious_keeps_anybody_out(page):
    expect(page.get_by_role("button", name="waffles").locator("img")).to_be_visible()
    for scheme in ("light", "dark"):
        in_colours(page, scheme)
        expect(page.locator("body.dark")).to_have_count(int(scheme == "dark"))
        assert violations(page) == [], (scheme, "before there is a photo")
        upload(page, EXAMPLES / "pizza.jpg")
        expect(page.locator("#looked img")).to_have_count(2)
        for tab in ("One photo", "Camera", "Many photos", "The model"):
            page.get_by_role("tab", name=tab).click()
            expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
            assert violations(page) == [], (scheme, tab)
            page.screenshot(path=SCREENSHOTS / f"{tab.lower().replace(' ', '_')}_{scheme}.png")
        page.get_by_role("tab", name="One photo").click()
        clear(page)


@pytest.mark.slow
def test_greeting_that_comes_late_does_not_hide_the_answer(browser, url):
    page = browser.new_page(locale="ko-KR")
    held = []
    page.route("**/gradio_api/run/predict", lambda route: held.append(route))
    page.goto(url)
    expect(page.locator("#answer")).to_have_attribute("aria-live", "polite")
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator(".guesses li")).to_have_count(5, timeout=20_000)
    with page.expect_response("**/gradio_api/run/predict"):
        for route in held:
            route.continue_()
    for _ in range(20):  # frames, in which it would be drawn
        page.evaluate("() => new Promise(requestAnimationFrame)")
    expect(page.locator(".guesses li")).to_have_count(5)
    page.unroute_all()
    page.reload()
    expect(page.locator(".answer h2")).to_have_text("어떤 요리일까요?")
    page.close()


def test_cleared_photo_clears_the_answer(page):
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator(".answer h2")).to_contain_text("pizza")
    clear(page)


def clear(page):
    page.get_by_role("button", name="Remove Image").or_(page.get_by_label("Clear")).first.click()
    expect(page.locator(".answer h2")).to_have_text("Which dish is it?")


def test_text_file_gets_a_clear_message(page, tmp_path):
    (tmp_path / "menu.txt").write_text("pizza 8.50")
    upload(page, tmp_path / "menu.txt")
    expect(page.locator(".answer p")).to_have_text(re.compile("^menu.txt is not a readable photo"))


def test_files_that_are_no_photos_are_told_in_korean_and_the_others_answered(
    browser, url, tmp_path
):
    (tmp_path / "menu.pdf").write_bytes(b"%PDF-1.4")
    whole = (EXAMPLES / "pizza.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    page = browser.new_page(locale="ko-KR")
    page.goto(url)
    expect(page.locator("#answer")).to_have_attribute("aria-live", "polite")
    upload(page, tmp_path / "menu.pdf")
    expect(page.locator(".answer p")).to_have_text(re.compile("^menu.pdf: .*사진이 아닙니다"))
    page.get_by_role("tab", name="여러 장").click()
    chooser = page.locator("#photos input[type=file]")
    expect(chooser).to_have_attribute("accept", ",".join(("image/*", *SUFFIXES)))
    chooser.set_input_files([EXAMPLES / "pizza.jpg", tmp_path / "menu.pdf", tmp_path / "cut.jpg"])
    expect(page.locator("#photos").get_by_text("menu")).to_be_visible()
    expect(page.get_by_text("오류", exact=True)).to_have_count(0)
    page.get_by_role("button", name="사진 분류하기").click()
    expect(page.locator("#status li")).to_have_text(
        [re.compile("^menu.pdf: .*사진이 아닙니다"), re.compile("^cut.jpg: 파일이 잘렸거나")]
    )
    expect(page.locator("#gallery figure")).to_have_count(1)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    content = Path(download.value.path()).read_text("utf-8-sig")
    assert [row["error"][:10] for row in csv.DictReader(content.splitlines())] == [
        "",
        "menu.pdf: ",
        "cut.jpg: 파",
    ]
    page.close()


def test_text_file_that_calls_itself_a_photo_gets_a_clear_message(page, tmp_path):
    (tmp_path / "menu.jpg").write_text("pizza 8.50")
    upload(page, tmp_path / "menu.jpg")
    expect(page.locator(".answer h2")).to_have_text("This photo cannot be read", timeout=20_000)
    expect(page.locator(".answer p")).to_have_text(re.compile("^menu.jpg is not a readable photo"))


def test_file_that_is_too_large_is_left_out_and_told_in_korean(browser, url, tmp_path):
    huge = tmp_path / "<b>$&.jpg"
    with huge.open("wb") as file:
        file.truncate(50_000_001)
    page = browser.new_page(locale="ko-KR")
    page.goto(url)
    expect(page.locator("body")).to_have_attribute("data-most-bytes", "50000000")
    told = re.compile(r"^<b>\$&\.jpg: 파일이 너무 큽니다. 한도는 50 MB입니다.")
    upload(page, huge)
    expect(page.get_by_role("alert")).to_have_text(told)
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator(".guesses li")).to_have_count(5)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.get_by_role("tab", name="여러 장").click()
    page.locator("#photos input[type=file]").set_input_files([EXAMPLES / "pizza.jpg", huge])
    expect(page.get_by_role("alert")).to_have_text(told)
    expect(page.locator("#photos").get_by_text("pizza")).to_be_visible()
    expect(page.get_by_text("오류", exact=True)).to_have_count(0)
    page.screenshot(path=SCREENSHOTS / "large.png", full_page=True)
    page.close()


def test_file_that_is_too_large_is_forgotten_when_an_example_is_chosen(page, tmp_path):
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(50_000_001)
    expect(page.locator("body")).to_have_attribute("data-most-bytes", "50000000")
    upload(page, tmp_path / "huge.jpg")
    expect(page.get_by_role("alert")).to_have_text(re.compile("^huge.jpg is too large"))
    page.locator("#examples .gallery-item").first.click()
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".guesses li")).to_have_count(5)


def test_file_whose_type_the_browser_does_not_know_is_taken(page):
    for event, name in (("change", "menu.heic"), ("drop", "menu.avif"), ("drop", "menu.pdf")):
        page.evaluate(
            """([event, name]) => {
                const dataTransfer = new DataTransfer();
                dataTransfer.items.add(new File(["pizza 8.50"], name));
                const input = document.querySelector("#photo input[type=file]");
                if (event === "change") input.files = dataTransfer.files;
                const made = { bubbles: true, cancelable: true, dataTransfer };
                input.dispatchEvent(new DragEvent(event, made));
            }""",
            [event, name],
        )
        expect(page.locator(".answer p")).to_have_text(
            re.compile(f"^{name} is not a readable photo"), timeout=20_000
        )
        clear(page)


def test_page_asks_no_other_host_for_anything(browser, url):
    page = browser.new_page()
    foreign = []
    page.on(
        "request",
        lambda request: (
            foreign.append(request.url)
            if not request.url.startswith((url, "data:", "blob:"))
            else None
        ),
    )
    page.goto(url)
    expect(page.locator(".answer h2")).to_have_text("Which dish is it?", timeout=30_000)
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator("#looked img")).to_have_count(2, timeout=30_000)
    for tab in ("Camera", "Many photos", "The model"):
        page.get_by_role("tab", name=tab).click()
        expect(page.get_by_role("tab", name=tab)).to_have_attribute("aria-selected", "true")
    expect(page.get_by_text("Baklava", exact=True).first).to_be_visible(timeout=20_000)
    page.close()
    assert foreign == []


def test_phone_sees_photo_and_answer_without_scrolling_sideways(browser, url):
    page = browser.new_page(viewport={"width": 360, "height": 740}, is_mobile=True)
    page.goto(url)
    upload(page, EXAMPLES / "pizza.jpg")
    expect(page.locator(".answer h2")).to_contain_text("pizza", timeout=30_000)
    SCREENSHOTS.mkdir(exist_ok=True)
    page.screenshot(path=SCREENSHOTS / "phone.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.close()


def test_gradio_client_gets_the_same_answer_as_python(url):
    client = Client(url, verbose=False)
    answer = client.predict(handle_file(EXAMPLES / "ramen.jpg"), api_name="/predict")
    expected = foodvision.load().predict(EXAMPLES / "ramen.jpg").to_dict()
    assert answer.pop("seconds") > 0
    assert answer == json.loads(json.dumps(expected))


def test_gradio_client_gets_many_answers_and_what_is_wrong(url, tmp_path):
    (tmp_path / "menu.jpg").write_text("pizza 8.50")
    photos = [handle_file(EXAMPLES / "ramen.jpg"), handle_file(tmp_path / "menu.jpg")]
    client = Client(url, verbose=False)
    good, bad = client.predict(photos, api_name="/predict_many")
    assert good["label"] == "ramen"
    assert bad["error"].startswith("menu.jpg is not a readable photo")


def test_gradio_client_is_told_what_is_no_photo(url, tmp_path):
    (tmp_path / "menu.jpg").write_text("pizza 8.50")
    client = Client(url, verbose=False)
    with pytest.raises(AppError, match=r"^menu\.jpg is not a readable photo"):
        client.predict(handle_file(tmp_path / "menu.jpg"), api_name="/predict")
    with pytest.raises(AppError, match="The request contains no photo: send one"):
        client.predict(None, api_name="/predict")


def test_plain_http_gets_the_answer(url):
    content = (EXAMPLES / "pizza.jpg").read_bytes()
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="pizza.jpg"\r\n'
        b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n--x--\r\n"
    )
    (path,) = post(f"{url}/gradio_api/upload", body, "multipart/form-data; boundary=x")
    photo = {"path": path, "meta": {"_type": "gradio.FileData"}}
    call = json.dumps({"data": [photo]}).encode()
    event = post(f"{url}/gradio_api/call/predict", call, "application/json")["event_id"]
    with urllib.request.urlopen(f"{url}/gradio_api/call/predict/{event}") as answer:
        kind, data = answer.read().decode().strip().splitlines()[-2:]
    assert kind == "event: complete"
    assert json.loads(data.removeprefix("data: "))[0]["label"] == "pizza"


def post(url, body, content_type):
    request = urllib.request.Request(url, body, {"Content-Type": content_type})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def test_documented_endpoints_are_the_two_for_programs(url):
    with urllib.request.urlopen(f"{url}/gradio_api/info") as answer:
        endpoints = json.load(answer)["named_endpoints"]
    assert list(endpoints) == ["/predict", "/predict_many"]


def test_importing_app_builds_the_page_and_launches_nothing(fruit_checkpoint, monkeypatch):
    monkeypatch.setenv("FOODVISION_MODEL", str(fruit_checkpoint))
    demo = runpy.run_path(str(REPOSITORY / "app.py"), run_name="app")["demo"]
    assert not demo.is_running
    assert demo.config["title"] == fruit_checkpoint.parent.name
    demo.services.decoder.close()


def test_taken_port_is_one_line(url, capsys):
    port = url.rpartition(":")[2]
    assert main(["demo", "--port", port]) == 2
    said = capsys.readouterr().err
    assert said == f"foodvision: port {port} is in use: choose another one with --port\n"


def test_examples_have_their_sources():
    named = (EXAMPLES / "SOURCES.md").read_text()
    photos = [path.name for path in EXAMPLES.iterdir() if path.suffix == ".jpg"]
    assert len(photos) == 8
    assert all(f"| {name} |" in named for name in photos)
    assert Path(EXAMPLES / "pizza.jpg").exists()
