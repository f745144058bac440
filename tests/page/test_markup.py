"""Markup in every text that a stranger can write: it is shown as text, and no script runs."""

import csv
import io
import json
import re
import shutil

import pytest
import yaml
from conftest import COLOURS, make_photo, running_page
from playwright.sync_api import expect
from runs_made import make_run
from static_host import StaticHost

from foodvision.browser import write_site
from foodvision.browser.readme import site_readme
from foodvision.checkpoint import read_checkpoint
from foodvision.classifier import Classifier, Prediction
from foodvision.cli.main import main
from foodvision.data import find_photos
from foodvision.page.words import LANGUAGES, read_wording
from foodvision.reports.card import write_card
from foodvision.reports.pages import write_comparison, write_report
from foodvision.runs.compare import compare
from foodvision.runs.reading import read_run
from foodvision.runs.record import write_metrics
from foodvision.safety.escaping import from_cell, markdown, to_cell, without_html
from foodvision.web import many

IMAGE = "<img src=x onerror=window.pwned=1>"
TAGS = f"{IMAGE}<script>window.pwned=2</script>\"'><svg onload=window.pwned=3>"
LINKS = "[click](javascript:window.pwned=4) ![p](http://127.0.0.1:9/p.png) $$x$$ https://a.example"
CLASSES = {name: f"{name}{IMAGE}" for name in COLOURS}

CARD = f"""---
license: mit
---
# {TAGS}

{LINKS}

<a href="javascript:window.pwned=5">click</a>
<iframe srcdoc="<script>parent.pwned=6</script>"></iframe>
!![p](http://127.0.0.1:9/p.png) ![p][1] <video src=http://127.0.0.1:9/v></video>
<style>@import "http://127.0.0.1:9/s.css";</style>

[1]: http://127.0.0.1:9/p.png

<details><summary>{IMAGE}</summary>

| {IMAGE} |
|---|
| `{IMAGE}` |

</details>

```html
{TAGS}
```
"""


@pytest.fixture(scope="module")
def hostile(fruit_checkpoint, tmp_path_factory):
    """A checkpoint with markup in every text of every file."""
    folder = shutil.copytree(fruit_checkpoint, tmp_path_factory.mktemp("cloned") / IMAGE)
    config = folder / "config.json"
    text = config.read_text()
    for name, called in CLASSES.items():
        text = text.replace(f'"{name}"', json.dumps(called))
    raw = json.loads(text)
    raw["versions"] = {TAGS: TAGS}
    raw["data"]["source"] = raw["training"]["model"] = TAGS
    raw["figures"]["robustness"]["corrupted"][0] |= {"corruption": TAGS, "strength": TAGS}
    raw["figures"]["confused"] = TAGS
    config.write_text(json.dumps(raw))
    (folder / "README.md").write_text(CARD)
    make_photo(folder / "examples" / f"{IMAGE}.jpg", COLOURS["kiwi"], seed=1)
    own = {"title": f"Fruit {TAGS}", "texts": {}, "names": {}}
    for language in LANGUAGES:
        texts = read_wording(fruit_checkpoint, "").languages[language].texts
        own["texts"][language] = {
            # Of longer labels Gradio makes a menu.
            key: f"{said}<svg onload=pwned=7>" if key.endswith("_tab") else f"{said} {TAGS} {LINKS}"
            for key, said in texts.items()
        }
        own["names"][language] = {called: f"{name} {TAGS}" for name, called in CLASSES.items()}
    (folder / "page.json").write_text(json.dumps(own))
    return folder


@pytest.fixture
def page(browser):
    """A page that notes what it asks other hosts for."""
    context = browser.new_context(locale="en-US", viewport={"width": 1800, "height": 900})
    page = context.new_page()
    page.foreign = []
    page.on("dialog", lambda dialog: page.foreign.append(dialog.message))
    page.on(
        "request",
        lambda request: (
            page.foreign.append(request.url)
            if not re.match(
                r"data:|blob:|file:|http://(127\.0\.0\.1|localhost):(?!9/)", request.url
            )
            else None
        ),
    )
    yield page
    context.close()


def check(page):
    """No markup became an element, no script ran, and no other host was asked."""
    assert page.evaluate("window.pwned") is None
    made = (
        "img[src=x]",
        "[onerror]",
        "[onload]",
        "[src*=':9/']",
        "a[href^=javascript]",
        "[srcdoc]",
    )
    found = page.locator(", ".join(made)).evaluate_all("all => all.map((one) => one.outerHTML)")
    assert found == []
    assert page.foreign == []


@pytest.fixture
def photos(tmp_path):
    """A photo, and a file that is none, under names that are markup."""
    (tmp_path / f"bad{IMAGE}.jpg").write_text("no photo")
    return [make_photo(tmp_path / f"{IMAGE}.jpg", COLOURS["kiwi"], 2), tmp_path / f"bad{IMAGE}.jpg"]


@pytest.mark.slow
def test_page_runs_no_script_of_a_checkpoint(hostile, photos, page, tmp_path):
    with running_page("--model", str(hostile), "--feedback", str(tmp_path / "kept")) as (_, url):
        page.goto(url)
        expect(page.locator("#answer")).to_have_attribute("aria-live", "polite", timeout=30_000)
        expect(page.locator("h1")).to_have_text(f"Fruit {TAGS}")
        check(page)
        page.locator("#examples button:has(img)").first.click()
        expect(page.locator("#answer .guesses li")).to_have_count(3, timeout=20_000)
        expect(page.locator("#answer")).to_contain_text("onerror")
        expect(page.get_by_text("cannot show where it looked")).to_be_visible(timeout=20_000)
        check(page)
        page.get_by_role("tab", name=re.compile("Many photos")).click()
        page.get_by_role("button", name=re.compile("Classify photos")).click()
        expect(page.get_by_test_id("toast-body").last).to_contain_text("Choose", timeout=20_000)
        page.locator("input[type=file][multiple]").last.set_input_files(photos)
        expect(page.get_by_text("bad").first).to_be_visible(timeout=20_000)
        page.get_by_role("button", name=re.compile("Classify photos")).click()
        expect(page.locator("#gallery figure")).to_have_count(1, timeout=30_000)
        expect(page.locator("#status li")).to_contain_text("is not a readable photo")
        page.locator("#gallery summary").click()
        check(page)
        page.get_by_role("tab", name=re.compile("The model")).click()
        expect(page.locator("#confused, .reliability").first).to_be_attached(timeout=20_000)
        page.get_by_text(re.compile("The model's card")).last.click()
        expect(page.get_by_text("window.pwned=5").first).to_be_visible(timeout=20_000)
        page.locator("summary").last.click()
        check(page)


@pytest.mark.slow
@pytest.mark.parametrize("language", LANGUAGES)
def test_exported_page_runs_no_script_of_a_checkpoint(language, hostile, photos, browser, tmp_path):
    host = StaticHost(write_site(read_checkpoint(hostile), tmp_path / "site"))
    context = browser.new_context(locale=language)
    page = context.new_page()
    page.foreign = []
    page.goto(f"{host.url}/index.html?example={IMAGE}.jpg")
    expect(page.locator("#one .guesses li")).to_have_count(3, timeout=30_000)
    check(page)
    page.locator("#many-tab").click()
    page.locator("#many input[type=file]").set_input_files(photos)
    page.locator("#many .start").click()
    expect(page.locator("#many .bad li")).to_have_count(1, timeout=30_000)
    expect(page.locator("#many tbody tr")).to_have_count(
        len(photos)
    )  # the one that is no photo, too
    page.locator("#about-tab").click()
    expect(page.locator("#about tbody tr")).to_have_count(3)
    check(page)
    assert page.title() == f"Fruit {TAGS}"
    context.close()
    host.close()


@pytest.mark.slow
def test_written_pages_run_no_script_of_photos_and_classes(hostile, fruit, page, tmp_path):
    root = tmp_path / f"photos{IMAGE}"
    for name, called in CLASSES.items():
        shutil.copytree(fruit / "test" / name, root / "test" / called)
        shutil.copytree(fruit / "train" / name, root / "train" / called)
        photo = next((root / "test" / called).glob("*.jpg"))
        shutil.copy(photo, photo.with_name(f"{IMAGE}.jpg"))
    judged, data = tmp_path / "judged.html", tmp_path / "data.html"
    assert main(["evaluate", str(root), "--model", str(hostile), "--html", str(judged)]) == 0
    assert main(["data", str(root), "--html", str(data)]) == 1
    for path in (judged, data):
        page.goto(f"file://{path}")
        expect(page.locator("body")).to_contain_text(IMAGE)
        check(page)


def test_report_and_comparison_show_a_strangers_texts_as_text(fruit, page, tmp_path):
    one, other = (make_run(tmp_path / f"{name}{IMAGE}", fruit, command=[TAGS]) for name in "ab")
    for folder in (one, other):
        for name in ("run.json", "config.json"):
            raw = json.loads((folder / name).read_text())
            texts = {key: f"{TAGS} {folder.name}" for key in ("data", "model") if key in raw}
            parts = {key: {TAGS: TAGS} for key in ("system", "versions") if key in raw}
            (folder / name).write_text(json.dumps(raw | texts | parts))
        write_metrics(folder, [])
    write_report(one, fruit, find_photos(fruit).splits["test"], None)
    records = read_run(one), read_run(other)
    write_comparison(tmp_path / "compared.html", *records, compare(*records))
    for path in (one / "report.html", tmp_path / "compared.html"):
        page.goto(f"file://{path}")
        expect(page.locator("body")).to_contain_text(IMAGE)
        check(page)


def test_card_shows_names_of_classes_as_text(hostile):
    checkpoint = read_checkpoint(hostile)
    card = write_card(checkpoint, IMAGE, "foodvision train '```\n# Not a heading'")
    assert "<img" not in re.sub(r"\\<", "", card)
    assert "\\<img src=x onerror=window.pwned=1\\>" in card
    assert card.rstrip().endswith("````\nfoodvision train '```\n# Not a heading'\n````")


@pytest.mark.parametrize("title", ['a"\nsdk: docker', "x: y # z", "---", "a\\b", "\x07 🍕"])
def test_title_of_a_page_stays_one_value_of_the_front_matter(title):
    readme = site_readme(title, title)
    front_matter = yaml.safe_load(readme.split("---\n")[1])
    assert front_matter["title"] == title
    assert front_matter["sdk"] == "static"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hot_dog 50% (1.5)", "hot_dog 50% (1.5)"),
        ("_a_ *b* `c` ~d~", r"\_a\_ \*b\* \`c\` \~d\~"),
        ("<b> & [x](y) ![x](y)", r"\<b\> \& \[x\](y) !\[x\](y)"),
        ("a|b\n# c", r"a\|b \# c"),
        ("https://a.b www.a.b c@d $x$", r"https\://a.b www\.a.b c\@d \$x\$"),
    ],
)
def test_text_in_markdown_is_only_itself(text, expected):
    assert markdown(text) == expected


def test_card_keeps_its_details_and_loses_pictures_and_other_tags():
    kept = "<details><summary>Every class</summary>\n1 < 2\n</details>"
    assert without_html(kept) == kept
    assert without_html("<DETAILS onclick=x> </p> <!-- --> !![x](y)") == (
        "<\u2060DETAILS onclick=x> <\u2060/p> <\u2060!-- --> [x](y)"
    )


FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", "'=1", "''@x"]


@pytest.mark.parametrize("text", [*FORMULAS, "", "'", "'a", "kiwi", "a=1"])
def test_cell_is_no_formula_and_comes_back(text):
    cell = to_cell(text)
    assert from_cell(cell) == text
    assert cell[:1] not in ("=", "+", "-", "@", "\t", "\r", "\n")


@pytest.mark.parametrize("text", FORMULAS)
def test_no_cell_of_answers_is_a_formula(text):
    prediction = Prediction(text, 0.5, (), "likely", True, 0.5, 0.1)
    written = many.answers_csv([many.Answered(text, prediction), many.Answered(text, None, text)])
    for row in list(csv.reader(io.StringIO(written, newline="")))[1:]:
        assert all(cell == to_cell(cell) or cell.startswith("'") for cell in row)
        assert not any(cell[:1] in tuple("=+-@\t\r\n") for cell in row)


def test_hostile_checkpoint_answers(hostile):
    assert set(Classifier(read_checkpoint(hostile)).classes) == set(CLASSES.values())
