"""The page that answers in the browser, in real Chromium, from a static host on the loopback."""

import base64
import csv
import gzip
import io
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from conftest import EXAMPLES, HELD_CAMERA, REPOSITORY, in_colours, make_photo, violations
from PIL import Image
from playwright.sync_api import expect
from static_host import ISOLATION, StaticHost, read_files

import foodvision
from foodvision.browser import write_site
from foodvision.checkpoint import BUNDLED, read_checkpoint

SCREENSHOTS = REPOSITORY / "screenshots"
PATIENCE = 30_000


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return write_site(read_checkpoint(BUNDLED), tmp_path_factory.mktemp("exported") / "site")


@pytest.fixture(scope="module")
def host(site):
    host = StaticHost(site)
    yield host
    host.close()


@pytest.fixture(scope="module")
def visitor(browser):
    """A visitor who was there before: the model is kept in the browser."""
    context = browser.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    yield context
    context.close()


@pytest.fixture
def page(visitor, host):
    page = visitor.new_page()
    page.goto(f"{host.url}/index.html")
    expect(page.get_by_role("heading", name="Which dish is it?").first).to_be_visible()
    yield page
    page.close()


@pytest.fixture
def own_host(site):
    """A host whose files a test changes."""
    host = StaticHost(site)
    yield host
    host.close()


@pytest.fixture
def newcomer(browser):
    """A page of a visitor who was never there."""
    context = browser.new_context(locale="en-US")
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def classifier():
    return foodvision.load()


def answer_of(page):
    return page.locator("#one .answer")


def headline(page):
    return answer_of(page).locator("h2")


def upload(page, path):
    page.locator("#one input[type=file]").set_input_files(path)


def open_until_kept(page, url):
    page.goto(url)
    expect(page.locator("#kept")).to_have_text("This page now works offline.", timeout=PATIENCE)


def make_newer(folder):
    """A checkpoint that differs in what its page is called."""
    newer = shutil.copytree(BUNDLED, folder / "newer")
    (newer / "page.json").write_text(json.dumps({"title": "Newer"}))
    return read_checkpoint(newer)


def make_newer_model(folder):
    """A checkpoint that differs in its model, too."""
    newer = make_newer(folder)
    graph = onnx.load_model_from_string(newer.graph)
    graph.doc_string = "Newer"
    return replace(newer, graph=graph.SerializeToString())


def answer_many(page, photos, bad=0):
    """Give photos to the page, of which some are bad, and return the rows of its CSV."""
    page.get_by_role("tab", name="Many photos").click()
    page.locator("#many input[type=file]").set_input_files(photos)
    page.get_by_role("button", name="Classify photos").click()
    said = f"{len(photos)} of {len(photos)} photos classified."
    if bad:
        good = len(photos) - bad
        said = f"{good} of {len(photos)} photos classified, {bad} could not be read."
    expect(page.locator("#many .count")).to_have_text(said, timeout=PATIENCE)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as CSV").click()
    text = Path(download.value.path()).read_text("utf-8-sig")
    return list(csv.DictReader(text.splitlines()))


@pytest.mark.parametrize("headers", [{}, ISOLATION], ids=["plain", "isolated"])
def test_example_is_answered_as_python_answers_it(newcomer, site, classifier, headers):
    host = StaticHost(site, headers)
    newcomer.goto(f"{host.url}/index.html?example=ramen.jpg")
    expect(answer_of(newcomer).locator("li")).to_have_count(5, timeout=PATIENCE)
    assert newcomer.evaluate("crossOriginIsolated") == bool(headers)
    expected = classifier.predict(EXAMPLES / "ramen.jpg")
    assert expected.label == "ramen"
    expect(headline(newcomer)).to_contain_text("ramen")
    said = [text.split("\n") for text in answer_of(newcomer).locator("li").all_inner_texts()]
    assert [lines[0].lower().replace(" ", "_") for lines in said] == [
        guess.label for guess in expected.top
    ]
    link = newcomer.get_by_role("link", name="Link to this example")
    expect(link).to_have_attribute("href", "?example=ramen.jpg")
    host.close()


def test_answers_and_confidences_are_pythons_on_turned_phone_photos_too(page, classifier, tmp_path):
    phone = tmp_path / "phone.jpg"
    with Image.open(EXAMPLES / "sushi.jpg") as photo:
        large = photo.convert("RGB").resize((3001, 2003), Image.Resampling.BICUBIC)
    exif = Image.Exif()
    exif[0x0112] = 6
    large.transpose(Image.Transpose.ROTATE_90).save(phone, quality=90, exif=exif)
    photos = [*sorted(EXAMPLES.glob("*.jpg")), phone]
    for path, row in zip(photos, answer_many(page, photos), strict=True):
        expected = classifier.predict(path)
        assert row["label"] == expected.label, path
        assert row["certainty"] == expected.certainty, path
        assert float(row["confidence"]) == pytest.approx(expected.confidence, abs=0.005), path


def test_many_photos_are_filtered_and_the_bad_one_is_named(page, tmp_path):
    (tmp_path / "menu.jpg").write_text("pizza 8.50")
    photos = [EXAMPLES / f"{name}.jpg" for name in ("pizza", "pizza_dad", "not_food_cat")]
    rows = answer_many(page, [*photos, tmp_path / "menu.jpg"], bad=1)
    assert [row["label"] for row in rows][:2] == ["pizza", "pizza"]
    assert rows[2]["certainty"] == "not known"
    assert rows[3]["error"].startswith("menu.jpg is not a photo that this browser can read")
    expect(page.locator("#many .bad li")).to_have_text(re.compile("^menu.jpg is not a photo"))
    expect(page.locator("#many figure")).to_have_count(3)
    page.get_by_text("As a table").click()
    unread = page.locator("#many tbody tr").last.locator("td")
    expect(unread).to_have_text(["menu.jpg", "could not be read", ""])
    page.locator("#many select").select_option("Pizza")
    expect(page.locator("#many figure:visible")).to_have_count(2)
    expect(page.locator("#many tbody tr:visible td:first-child")).to_have_text(
        ["pizza.jpg", "pizza_dad.jpg"]
    )


def test_stopped_answers_are_kept(page, tmp_path):
    photos = [make_photo(tmp_path / f"{seed}.jpg", (200, 90, 40), seed) for seed in range(150)]
    page.get_by_role("tab", name="Many photos").click()
    page.locator("#many input[type=file]").set_input_files(photos)
    page.get_by_role("button", name="Classify photos").click()
    expect(page.locator("#many figure")).not_to_have_count(0, timeout=PATIENCE)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_role("link", name="Download as CSV")).to_be_visible(timeout=PATIENCE)
    answered = int(page.locator("#many .count").inner_text().split()[0])
    assert 1 <= answered < 150
    expect(page.locator("#many figure")).to_have_count(answered)


def test_photo_without_food_is_not_known(page):
    upload(page, EXAMPLES / "not_food_cat.jpg")
    expect(headline(page)).to_have_text("I see no dish that I know", timeout=PATIENCE)


def test_answer_comes_with_where_it_looked_and_a_card(page):
    upload(page, EXAMPLES / "pizza.jpg")
    expect(headline(page)).to_contain_text("pizza", timeout=PATIENCE)
    slider = page.get_by_label("Strength of the colours")
    expect(slider).to_be_enabled()
    plain, over = page.locator("#looked canvas").all()
    lightness = [
        canvas.evaluate(
            """(canvas) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, 448, 448);
                return data.reduce((sum, value) => sum + value, 0) / data.length;
            }"""
        )
        for canvas in (plain, over)
    ]
    assert min(lightness) > 64  # what is not drawn has 0
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


DRAW = """async ({ headline, sentence, title, language }) => {
    const { drawCard } = await import("/js/card.js");
    const photo = document.querySelector("#examples img");
    await photo.decode();
    const said = { headline, sentence, title, language };
    const blob = await drawCard(photo, said);
    // As text: of a list of numbers, Playwright takes seconds to read.
    return new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result.split(",")[1]);
        reader.readAsDataURL(blob);
    });
}"""
PAPER = 250  # lightness, of 255


@pytest.mark.parametrize(
    ("language", "headline"),
    [
        ("en", "A soup of everything that was left over on Sunday, with bread"),
        pytest.param(
            "en",
            "Donaudampfschifffahrtsgesellschaftskapitaenskajuetenfruehstuecksei" * 2,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "ko",
            "거의 확실히 시금치와 리코타 치즈를 넣은 통밀 라비올리, 98%",
            marks=pytest.mark.slow,
        ),
        ("ja", "ほぼ確実にほうれん草とリコッタチーズの全粒粉ラビオリのバター焼き、98%"),
        pytest.param("ja", "パ" * 200, marks=pytest.mark.slow),
    ],
)
def test_card_folds_what_is_long_and_cuts_nothing(page, language, headline):
    def draw(text):
        said = {"headline": [{"text": text, "isName": True}], "sentence": text, "title": text}
        card = base64.b64decode(page.evaluate(DRAW, said | {"language": language}))
        return np.asarray(Image.open(io.BytesIO(card)).convert("L"))

    short, long = draw("ok"), draw(headline)
    assert short.shape[1] == long.shape[1] == 1080
    assert len(long) > len(short)
    photo = 1080  # pixels: the example is higher than it is wide, or a square, at most
    text = long[photo:]
    assert text[:, 64:-64].min() < 120
    assert text[:, -60:].min() > PAPER - 20
    assert text[:, :60].min() > PAPER - 20


def test_photo_that_waits_for_its_answer_is_not_asked_for(newcomer, host):
    newcomer.route("**/model.onnx.gz*", lambda route: None)  # the model takes its time
    newcomer.goto(f"{host.url}/index.html")
    expect(answer_of(newcomer)).to_contain_text("Choose a photo, drop or paste one")
    upload(newcomer, EXAMPLES / "pizza.jpg")
    expect(answer_of(newcomer).locator("p")).to_have_text("Looking at your photo.")


def test_removed_photo_clears_the_answer(page):
    page.get_by_role("button", name="Waffles").click()
    expect(headline(page)).to_contain_text("waffles", timeout=PATIENCE)
    page.get_by_role("button", name="Remove the photo").click()
    expect(headline(page)).to_have_text("Which dish is it?")
    expect(page.get_by_role("button", name="Share as a card")).to_be_disabled()


def test_camera_answers_while_it_is_pointed(page):
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera .guesses li")).to_have_count(5, timeout=PATIENCE)
    page.get_by_role("tab", name="One photo").click()
    assert page.evaluate("document.querySelector('#camera video').srcObject") is None


def test_camera_that_fails_is_told_and_turned_off(page):
    page.evaluate(
        """() => {
            window.createImageBitmap = () => Promise.reject(new Error("taken away"));
        }"""
    )
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera").get_by_role("status")).to_contain_text(
        "taken away", timeout=PATIENCE
    )
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert page.evaluate("document.querySelector('#camera video').srcObject") is None


def test_camera_that_is_taken_away_is_told_and_turned_off(page):
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera .guesses li")).to_have_count(5, timeout=PATIENCE)
    page.evaluate(
        """() => {
            const [track] = document.querySelector("#camera video").srcObject.getTracks();
            track.stop();
            track.dispatchEvent(new Event("ended"));
        }"""
    )
    expect(page.locator("#camera").get_by_role("status")).to_contain_text("No camera can be used")
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()


def test_answer_that_may_not_be_copied_is_selected_to_copy_by_hand(page):
    page.get_by_role("button", name="Waffles").click()
    expect(headline(page)).to_contain_text("waffles", timeout=PATIENCE)
    page.evaluate(
        """() => {
            navigator.clipboard.writeText = () => Promise.reject(new Error("not permitted"));
        }"""
    )
    page.get_by_role("button", name="Copy result").click()
    selected = page.evaluate("getSelection().toString()")
    assert "waffles" in selected
    assert "Answered in" not in selected


@pytest.mark.parametrize("arrives", [True, False], ids=["slow", "failing"])
def test_slow_example_does_not_overtake_a_newer_photo(page, arrives):
    page.evaluate(
        """(arrives) => {
            const get = fetch;
            const waited = new Promise((resolve) => { window.go = resolve; });
            window.fetch = async (address) => {
                await waited;
                if (!arrives) throw new TypeError("cut off");
                return get(address);
            };
        }""",
        arrives,
    )
    page.get_by_role("button", name="Waffles").click()
    upload(page, EXAMPLES / "pizza.jpg")
    expect(headline(page)).to_contain_text("pizza", timeout=PATIENCE)
    page.evaluate("go()")
    page.wait_for_timeout(500)  # long enough for an example that would overtake it
    expect(headline(page)).to_contain_text("pizza")
    expect(page.locator("#one #photo img")).to_have_attribute("alt", "pizza.jpg")


def test_example_that_does_not_come_is_told(newcomer, own_host):
    open_until_kept(newcomer, f"{own_host.url}/index.html")
    newcomer.evaluate("() => { window.fetch = () => Promise.reject(new TypeError()); }")
    newcomer.get_by_role("button", name="Waffles").click()
    expect(answer_of(newcomer)).to_contain_text("The download broke off.")


@pytest.fixture
def pending(page):
    """A page whose camera is asked for, by a double click, but not permitted yet.

    `permit()` permits it, `tracks` are what was opened.
    """
    page.evaluate(f"() => {{{HELD_CAMERA}}}")
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").dblclick()
    return page


def test_double_click_opens_one_camera(pending):
    pending.evaluate("permit()")
    expect(pending.locator("#camera .guesses li")).to_have_count(5, timeout=PATIENCE)
    assert pending.evaluate("tracks.map((track) => track.readyState)") == ["live"]
    pending.get_by_role("button", name="Stop the camera").click()
    assert pending.evaluate("tracks.map((track) => track.readyState)") == ["ended"]


def test_camera_that_is_permitted_after_its_tab_was_left_is_turned_off(pending):
    pending.get_by_role("tab", name="One photo").click()
    pending.evaluate("permit()")
    ended = """async () => {
        const states = () => tracks.map((track) => track.readyState).join();
        const end = performance.now() + 5000;
        while (performance.now() < end && states() !== "ended")
            await new Promise(requestAnimationFrame);
        return states();
    }"""
    assert pending.evaluate(ended) == "ended"
    assert pending.evaluate("document.querySelector('#camera video').srcObject") is None
    pending.get_by_role("tab", name="Camera").click()
    pending.get_by_role("button", name="Start the camera").click()
    expect(pending.locator("#camera .guesses li")).to_have_count(5, timeout=PATIENCE)


def test_frames_of_the_camera_do_not_stay_open(page):
    page.evaluate(
        """() => {
            const make = createImageBitmap;
            window.frames_made = [];
            window.createImageBitmap = async (video) => {
                const frame = await make(video);
                window.frames_made.push(frame);
                return frame;
            };
        }"""
    )
    page.get_by_role("tab", name="Camera").click()
    page.get_by_role("button", name="Start the camera").click()
    expect(page.locator("#camera .guesses li")).to_have_count(5, timeout=PATIENCE)
    page.get_by_role("tab", name="One photo").click()
    assert page.evaluate("frames_made[0].width") == 0  # what closed and given away ones have


def test_model_tab_tells_what_it_knows_and_how_well(page, classifier):
    page.get_by_role("tab", name="The model").click()
    figures = classifier.config.figures["test"]
    said = f"{100 * figures['top1']:.1f}% of {figures['n']} test photos were classified correctly"
    expect(page.get_by_text(said)).to_be_visible()
    chart = page.get_by_role("img", name="Is its confidence accurate?")
    chart.scroll_into_view_if_needed()
    page.wait_for_function("(image) => image.naturalWidth > 0", arg=chart.element_handle())
    names = page.get_by_role("rowheader")
    page.get_by_role("button", name="Recall, %").click()
    lowest = min(figures["per_class"].values(), key=lambda of: of["recall"])
    first = page.locator("#about tbody tr").first.locator("td").nth(1)
    expect(first).to_have_text(str(round(100 * lowest["recall"])))
    page.get_by_label("Search").fill("bakl")
    expect(names.filter(visible=True)).to_have_text(["Baklava"])


def test_page_opens_and_answers_without_a_connection_after_the_first_visit(newcomer, own_host):
    open_until_kept(newcomer, f"{own_host.url}/index.html")
    own_host.close()
    newcomer.goto(f"{own_host.url}/?example=waffles.jpg")
    expect(headline(newcomer)).to_contain_text("waffles", timeout=PATIENCE)


@pytest.mark.slow
def test_page_opens_again_from_a_host_that_redirects_its_index(newcomer, own_host):
    own_host.redirects["/index.html"] = "/"
    open_until_kept(newcomer, f"{own_host.url}/")
    newcomer.goto(f"{own_host.url}/?example=waffles.jpg")
    expect(headline(newcomer)).to_contain_text("waffles", timeout=PATIENCE)


@pytest.mark.slow
def test_example_with_an_unusual_name_is_shown_answered_and_kept(newcomer, tmp_path):
    checkpoint = shutil.copytree(BUNDLED, tmp_path / "named")
    (checkpoint / "examples").mkdir()
    name = "pizza #2, 100%? (à la carte).jpg"
    shutil.copy(EXAMPLES / "pizza.jpg", checkpoint / "examples" / name)
    host = StaticHost(write_site(read_checkpoint(checkpoint), tmp_path / "site"))
    open_until_kept(newcomer, f"{host.url}/index.html")
    host.close()
    newcomer.reload()
    newcomer.get_by_role("button", name="Pizza #2, 100%? (à la carte)").click()
    expect(headline(newcomer)).to_contain_text("pizza", timeout=PATIENCE)
    shown = "[...document.querySelectorAll('#examples img')].map((image) => image.naturalWidth > 0)"
    assert newcomer.evaluate(shown) == [True]
    newcomer.get_by_role("link", name="Link to this example").click()
    expect(headline(newcomer)).to_contain_text("pizza", timeout=PATIENCE)


@pytest.mark.slow
def test_pages_on_one_host_leave_each_other_what_they_keep(newcomer, own_host):
    page = own_host.files
    folders = ("", "a/", "a/b/")
    own_host.files = {f"{folder}{path}": page[path] for folder in folders for path in page}
    for number, folder in enumerate(folders):
        release = page["release.js"].replace(b'"version": "', b'"version": "%d' % number)
        own_host.files[f"{folder}release.js"] = release
        open_until_kept(newcomer, f"{own_host.url}/{folder}index.html")
    own_host.close()
    for folder in reversed(folders):
        newcomer.goto(f"{own_host.url}/{folder}index.html?example=waffles.jpg")
        expect(headline(newcomer)).to_contain_text("waffles", timeout=PATIENCE)


def test_new_release_replaces_the_old_one_and_fetches_only_what_changed(
    newcomer, own_host, tmp_path
):
    open_until_kept(newcomer, f"{own_host.url}/index.html")
    own_host.files = read_files(write_site(make_newer(tmp_path), tmp_path / "site"))
    own_host.asked.clear()
    newcomer.reload()
    expect(newcomer).to_have_title("foodvision")
    newcomer.get_by_role("button", name="Load it").click(timeout=PATIENCE)
    expect(newcomer).to_have_title("Newer", timeout=PATIENCE)
    expect(newcomer.locator("#kept")).not_to_be_empty(timeout=PATIENCE)
    names = newcomer.evaluate("caches.keys()")
    assert sorted(name.split()[0] for name in names) == ["foodvision-assets", "foodvision-page"]
    assert not [path for path in own_host.asked if path.endswith(".gz")]


@pytest.mark.slow
def test_new_model_is_fetched_though_the_browser_has_the_old_one_for_a_while(
    newcomer, own_host, tmp_path
):
    own_host.headers["Cache-Control"] = "max-age=600"
    open_until_kept(newcomer, f"{own_host.url}/index.html")
    own_host.files = read_files(write_site(make_newer_model(tmp_path), tmp_path / "site"))
    own_host.asked.clear()
    newcomer.reload()
    newcomer.get_by_role("button", name="Load it").click(timeout=PATIENCE)
    expect(newcomer).to_have_title("Newer", timeout=PATIENCE)
    expect(newcomer.locator("#kept")).not_to_be_empty(timeout=PATIENCE)
    packed = [path for path in own_host.asked if path.endswith(".gz")]
    assert packed == ["model/model.onnx.gz"]
    kept = "caches.open('foodvision-assets').then((cache) => cache.keys()).then((k) => k.length)"
    assert newcomer.evaluate(kept) == 3


def test_new_model_is_kept_before_the_page_that_needs_it(newcomer, own_host, tmp_path):
    open_until_kept(newcomer, f"{own_host.url}/index.html")
    own_host.files = read_files(write_site(make_newer_model(tmp_path), tmp_path / "site"))
    newcomer.reload()
    expect(newcomer.get_by_role("button", name="Load it")).to_be_visible(timeout=PATIENCE)
    own_host.files = {}  # the connection is lost
    newcomer.get_by_role("button", name="Load it").click()
    expect(newcomer).to_have_title("Newer", timeout=PATIENCE)
    expect(newcomer.locator("#kept")).to_contain_text("works offline", timeout=PATIENCE)
    upload(newcomer, EXAMPLES / "waffles.jpg")
    expect(headline(newcomer)).to_contain_text("waffles", timeout=PATIENCE)


@pytest.mark.slow
def test_page_whose_model_had_no_room_goes_on_to_the_next_release(newcomer, own_host, tmp_path):
    session = newcomer.context.new_cdp_session(newcomer)
    session.send("Storage.overrideQuotaForOrigin", {"origin": own_host.url, "quotaSize": 3_000_000})
    newcomer.goto(f"{own_host.url}/index.html")
    expect(newcomer.locator("#kept")).to_contain_text("could not be stored", timeout=PATIENCE)
    newcomer.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    own_host.files = read_files(write_site(make_newer_model(tmp_path), tmp_path / "site"))
    newcomer.reload()
    expect(newcomer).to_have_title("foodvision")
    status = newcomer.locator("#status")
    expect(status).to_contain_text("A newer version", timeout=PATIENCE)
    status.get_by_role("button", name="Load it").click()
    expect(newcomer).to_have_title("Newer", timeout=PATIENCE)
    expect(newcomer.locator("main")).to_be_visible()
    upload(newcomer, EXAMPLES / "waffles.jpg")
    expect(headline(newcomer)).to_contain_text("waffles", timeout=PATIENCE)


def test_page_is_kept_though_the_host_puts_a_script_into_it(newcomer, own_host):
    script = b"<head><script>window.huggingface = {variables: {}}</script>"
    own_host.files["index.html"] = own_host.files["index.html"].replace(b"<head>", script)
    open_until_kept(newcomer, f"{own_host.url}/index.html")
    expect(newcomer.locator("#kept")).to_contain_text("works offline")


@pytest.mark.slow
def test_page_whose_script_does_not_come_says_so(newcomer, own_host):
    del own_host.files["js/csv.js"]
    newcomer.goto(f"{own_host.url}/index.html")
    expect(newcomer.locator("#broken")).to_be_visible(timeout=20_000)
    assert newcomer.locator("#broken").inner_text().startswith("The page did not load")


@pytest.mark.slow
def test_page_whose_configuration_does_not_come_says_so(newcomer, host):
    newcomer.route("**/config.json", lambda route: None)  # it hangs
    newcomer.goto(f"{host.url}/index.html")
    expect(newcomer.get_by_role("alert")).to_contain_text("The page did not load", timeout=20_000)


@pytest.mark.parametrize(
    "path",
    [
        "model/model.onnx.gz",
        pytest.param("onnxruntime/ort-wasm-simd-threaded.wasm.gz", marks=pytest.mark.slow),
        pytest.param("onnxruntime/ort.wasm.bundle.min.mjs.gz", marks=pytest.mark.slow),
    ],
)
def test_spoiled_file_does_not_run_and_a_mended_one_does(newcomer, own_host, path):
    whole = own_host.files[path]
    content = bytearray(gzip.decompress(whole))
    content[-1] ^= 1
    own_host.files[path] = gzip.compress(bytes(content))
    newcomer.goto(f"{own_host.url}/index.html?example=pizza.jpg")
    status = newcomer.locator("#status")
    expect(status).to_contain_text(
        f"{path.split('/')[1]} is not the file that this page was built with", timeout=PATIENCE
    )
    own_host.files[path] = whole
    status.get_by_role("button", name="Try again").click()
    expect(headline(newcomer)).to_contain_text("pizza", timeout=PATIENCE)


def test_download_that_breaks_off_is_told_and_tried_again(newcomer, own_host):
    own_host.cut_off.add("model/model.onnx.gz")
    newcomer.goto(f"{own_host.url}/index.html?example=pizza.jpg")
    status = newcomer.locator("#status")
    expect(status).to_contain_text("The download broke off.", timeout=PATIENCE)
    own_host.cut_off.clear()
    status.get_by_role("button", name="Try again").click()
    expect(headline(newcomer)).to_contain_text("pizza", timeout=PATIENCE)


@pytest.mark.parametrize(
    ("option", "line"),
    [
        ("--js-flags=--no-enable-sse4-1", "This browser cannot run the model."),
        pytest.param(
            "--disable-reading-from-canvas",
            "This browser changes the pixels that pages read",
            marks=pytest.mark.slow,
        ),
    ],
    ids=["no simd", "no canvas"],
)
def test_browser_that_cannot_answer_says_why(browser, host, option, line):
    executable = shutil.which("chromium")
    lacking = browser.browser_type.launch(executable_path=executable, args=["--no-sandbox", option])
    page = lacking.new_page(locale="en-US")
    page.goto(f"{host.url}/?example=pizza.jpg")
    expect(page.get_by_text(line)).to_be_visible(timeout=PATIENCE)
    lacking.close()


def test_full_storage_is_told_and_the_page_works(newcomer, own_host):
    session = newcomer.context.new_cdp_session(newcomer)
    session.send("Storage.overrideQuotaForOrigin", {"origin": own_host.url, "quotaSize": 3_000_000})
    newcomer.goto(f"{own_host.url}/index.html?example=pizza.jpg")
    expect(headline(newcomer)).to_contain_text("pizza", timeout=PATIENCE)
    expect(newcomer.locator("#kept")).to_contain_text("could not be stored on this device")


def test_no_other_host_is_asked_and_the_policy_would_not_let_it(newcomer, own_host, site):
    other = StaticHost(site)
    asked = []
    newcomer.context.on("request", lambda request: asked.append(request.url))
    newcomer.goto(f"{own_host.url}/index.html?example=pizza.jpg")
    expect(headline(newcomer)).to_contain_text("pizza", timeout=PATIENCE)
    assert [url for url in asked if not url.startswith((own_host.url, "blob:"))] == []
    refused = newcomer.evaluate("url => fetch(url).then(() => '', String)", f"{other.url}/x")
    assert "Failed to fetch" in refused
    assert other.asked == []
    other.close()


@pytest.mark.parametrize(
    ("language", "title", "tab"),
    [
        pytest.param("ko-KR", "어떤 요리일까요?", "여러 장", marks=pytest.mark.slow),
        ("ja-JP", "どの料理でしょう？", "たくさんの写真"),  # noqa: RUF001
    ],
)
def test_page_speaks_the_visitors_language(browser, host, language, title, tab):
    page = browser.new_page(locale=language)
    page.goto(f"{host.url}/index.html")
    expect(headline(page)).to_have_text(title)
    expect(page.get_by_role("tab", name=tab)).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", language[:2])
    page.close()


def test_what_is_no_photo_cut_off_or_too_large_is_told(page, tmp_path):
    (tmp_path / "menu.jpg").write_text("pizza 8.50")
    whole = (EXAMPLES / "pizza.jpg").read_bytes()
    (tmp_path / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    Image.new("1", (8001, 8001)).save(tmp_path / "huge.png")
    for name, said in (
        ("menu.jpg", "menu.jpg is not a photo that this browser can read. Use JPEG"),
        ("cut.jpg", "cut.jpg is cut off or damaged. Copy or download it again."),
        ("huge.png", "huge.png is too large. The limit is 64 megapixels"),
    ):
        upload(page, tmp_path / name)
        expect(headline(page)).to_have_text("This photo cannot be read", timeout=PATIENCE)
        expect(answer_of(page)).to_contain_text(said)


def test_nothing_serious_keeps_anybody_out(page):
    upload(page, EXAMPLES / "pizza.jpg")
    expect(answer_of(page).locator("li")).to_have_count(5, timeout=PATIENCE)
    for scheme in ("light", "dark"):
        in_colours(page, scheme)
        for tab in ("One photo", "Camera", "Many photos", "The model"):
            page.get_by_role("tab", name=tab).click()
            assert violations(page) == [], (scheme, tab)


def test_focus_stays_where_the_photo_is(page):
    page.locator("#one input[type=file]").focus()
    upload(page, EXAMPLES / "pizza.jpg")
    remove = page.get_by_role("button", name="Remove the photo")
    expect(remove).to_be_focused()
    remove.press("Enter")
    expect(page.locator("#one input[type=file]")).to_be_focused()


def test_keys_alone_reach_every_tab(page):
    page.get_by_role("tab", name="One photo").focus()
    for tab in ("Camera", "Many photos", "The model", "One photo"):
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("tab", name=tab)).to_be_focused()
        expect(page.get_by_role("tabpanel", name=tab)).to_be_visible()


def test_nothing_moves_when_the_answer_arrives_and_nothing_lies_outside(page):
    expect(page.locator("#kept")).not_to_be_empty(timeout=PATIENCE)
    SCREENSHOTS.mkdir(exist_ok=True)
    for width in (360, 768, 1440):
        page.set_viewport_size({"width": width, "height": 900})
        page.evaluate(
            """async () => {
                // What the new width moves, it moves in these frames.
                for (const _ of [1, 2]) await new Promise(requestAnimationFrame);
                window.moved = 0;
                window.observer = new PerformanceObserver((list) => {
                    for (const shift of list.getEntries()) window.moved += shift.value;
                });
                observer.observe({ type: "layout-shift" });
            }"""
        )
        upload(page, EXAMPLES / "pizza.jpg")
        expect(answer_of(page).locator("li")).to_have_count(5, timeout=PATIENCE)
        assert page.evaluate("window.moved") < 0.02, width
        page.screenshot(path=SCREENSHOTS / f"browser_{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.evaluate("observer.disconnect()")
        page.get_by_role("button", name="Remove the photo").click()
        expect(headline(page)).to_have_text("Which dish is it?")
