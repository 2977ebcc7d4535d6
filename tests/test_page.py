"""The report: what it says, and how it behaves in a browser."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmark_documents import HOSTILE, accuracy, comparison, made_up_document, timing
from conftest import random_pose_net
from PIL import Image
from web_browser import CONTRASTS, chromium, view

from mvpose.benchmark.document import Document, Row
from mvpose.benchmark.page.dominance import measured_findings, published_findings
from mvpose.benchmark.page.entries import entries
from mvpose.benchmark.page.page import render, summary, write_page
from mvpose.benchmark.page.pareto import Point, front
from mvpose.benchmark.page.pictures import Picture, sample_pictures
from mvpose.benchmark.page.published import Published, read_published
from mvpose.checkpoint import save_checkpoint
from mvpose.runtime.load import load_float
from mvpose.runtime.torch_runtime import TorchRuntime
from mvpose.spec import ModelSpec
from mvpose.web_demo.chromium import NO_GPU


class Parsed(HTMLParser):
    """Tags with their attributes, the text, and the titles over points by figure."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.titles: list[str] = []
        self._over = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._over = tag == "title"

    def handle_endtag(self, tag: str) -> None:
        self._over = False

    def handle_data(self, data: str) -> None:
        if self._over:
            self.titles.append(data)
        self.text += data


@pytest.fixture(scope="module")
def document() -> Document:
    return made_up_document()


@pytest.fixture(scope="module")
def page(document: Document) -> str:
    return render(document, [picture()])


def picture() -> Picture:
    data = io.BytesIO()
    Image.fromarray(np.full((60, 40, 3), 128, np.uint8)).save(data, "JPEG")
    return Picture(HOSTILE, data.getvalue(), data.getvalue(), "float", "INT8")


def bare(label: str = "a.tflite") -> Document:
    """One row of which nothing was measured."""
    row = Row(label, "mobilevitpose-xxs", "tflite", "fp32", label, "0" * 64, 4_000_000)
    return Document("2026-11-21T12:00:00Z", "0.1.0", {"processor": "p"}, label, (row,))


def test_the_same_document_gives_the_same_bytes(
    document: Document, page: str, tmp_path: Path
) -> None:
    write_page(document, tmp_path / "page.html", [picture()])
    assert (tmp_path / "page.html").read_bytes() == page.encode()


def test_nothing_is_loaded(page: str) -> None:
    for tag, attributes in Parsed(page).tags:
        assert tag not in ("iframe", "object", "embed")
        for name in ("src", "href", "xlink:href"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:")), (tag, value)
    assert "@import" not in page and "url(http" not in page


def test_ids_are_unique(page: str) -> None:
    ids = [attributes["id"] for _, attributes in Parsed(page).tags if "id" in attributes]
    assert len(ids) > 100 and len(ids) == len(set(ids))


def test_all_rows_marks_and_reasons_are_said(document: Document, page: str) -> None:
    text = Parsed(page).text
    for row in document.rows:
        assert row.label in text
    for said in (
        *document.marks,
        "No. 6, XXS int8.tflite: doubtful: another process took 31 % of the core",
        "No. 8, ViTPose-B fp32.onnx; No. 9, S mixed.tflite: random weights: only size",
        "No. 12, XXS fp32.xml: not measured: the runtime refuses the file: unsupported opset",
        "No. 13, XXS fp16.mlpackage: not measured yet",
        "Something disturbed the run: its figures are doubtful.",
    ):
        assert said in text


def test_random_weights_are_in_no_figure_of_ap(document: Document) -> None:
    """Also where a careless document holds an AP of them, and one of them on a phone."""
    rows = list(document.rows)
    rows[7] = replace(rows[7], accuracy=accuracy(np.random.default_rng(0), 0.99))
    rows[9] = replace(rows[9], sha256=rows[7].sha256, precision=rows[7].precision)
    titles = Parsed(render(replace(document, rows=tuple(rows)))).titles
    assert any("AP 51.2" in title for title in titles)
    assert not any("AP 99.0" in title for title in titles)


def test_published_and_measured_points_never_share_a_picture(page: str) -> None:
    for svg in page.split("<svg")[1:]:
        titles = Parsed("<svg" + svg.partition("</svg>")[0]).titles
        published = [title for title in titles if ", published" in title]
        assert len(published) in (0, len(titles))
        measured = "published points" not in svg[:600]
        assert measured != bool(published)


def test_a_phone_shows_the_ap_of_the_same_file(document: Document, page: str) -> None:
    rows = list(document.rows)
    mixed = rows[4]
    rows[9] = replace(rows[9], sha256=mixed.sha256, precision=mixed.precision)
    judged = render(replace(document, rows=tuple(rows)))
    assert "AP against latency: Pixel 8" in judged
    assert "it is the same file's elsewhere" in Parsed(judged).text
    assert "AP against latency: Pixel 8" not in page


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda d: d, id="nothing measured"),
        pytest.param(lambda d: replace(d, rows=()), id="no rows"),
        pytest.param(
            lambda d: replace(d, rows=(replace(d.rows[0], error="too big"),)), id="only an error"
        ),
        pytest.param(
            lambda d: replace(
                d, rows=(replace(d.rows[0], accuracy=accuracy(np.random.default_rng(0), 0.5)),)
            ),
            id="AP alone",
        ),
        pytest.param(
            lambda d: replace(
                d,
                rows=(replace(d.rows[0], timing=timing(np.full(20, 3.0), np.full(20, 3.0)),
                              samples_ms=(3.0,) * 20),),
            ),
            id="constant times",
        ),
        pytest.param(
            lambda d: replace(
                d, rows=(replace(d.rows[0], against_float=comparison(np.random.default_rng(0), 0)),)
            ),
            id="a difference without an AP",
        ),
    ],
)  # fmt: skip
def test_little_is_enough_for_a_page(change: Any) -> None:
    document = change(bare())
    text = Parsed(render(document)).text
    assert "Published figures" in text
    if document.rows and document.rows[0].timing is None:
        assert "Latency was not measured yet." in text


def test_hostile_names_are_only_text(page: str) -> None:
    document = made_up_document()
    rows = [
        replace(row, label=f"{HOSTILE}{n}", model=HOSTILE, device=HOSTILE if n == 9 else row.device)
        for n, row in enumerate(document.rows)
    ]
    hostile = replace(
        document,
        rows=tuple(rows),
        reference=f"{HOSTILE}0",
        marks=(HOSTILE,),
        machine={HOSTILE: HOSTILE},
    )
    parsed, harmless = Parsed(render(hostile, [picture()])), Parsed(page)
    for tag in ("script", "img"):
        names = [[t for t, _ in p.tags if t == tag] for p in (parsed, harmless)]
        assert len(names[0]) == len(names[1])
    assert not any(name.startswith("on") for _, attributes in parsed.tags for name in attributes)
    shown = HOSTILE.replace("\x1b", "\N{REPLACEMENT CHARACTER}")
    assert shown in parsed.text and "\x1b" not in parsed.text
    assert any(shown in title for title in parsed.titles)


def test_summary_in_plain_words(document: Document) -> None:
    assert summary(document, entries(document)) == (
        "13 rows of 4 models on this page. Latency was measured for 11 of them in interleaved runs "
        "(CPU, 1 thread, batch 1; Pixel 8, 1 thread, batch 1); speed-ups refer to XXS torch fp32. "
        "AP was measured for 7 (person_keypoints_val.json; 120 images with 267 people; "
        "flip test off; boxes: ground truth). Differences in AP refer to XXS torch fp32."
    )


@pytest.mark.parametrize(
    ("speed", "ap", "size", "dominated"),
    [
        pytest.param(9.0, 0.6, 10, True, id="faster, smaller, better"),
        pytest.param(9.0, 0.44, 10, None, id="AP not resolved"),
        pytest.param(9.0, 0.3, 10, False, id="worse AP"),
        pytest.param(0.9, 0.6, 10, False, id="slower"),
        pytest.param(9.0, 0.6, 10**9, False, id="bigger"),
    ],
)
def test_what_is_said_of_dominance(
    speed: float, ap: float, size: int, dominated: bool | None
) -> None:
    rng, times = np.random.default_rng(0), np.full(20, 10.0)
    ours = replace(
        bare().rows[0], timing=timing(times, times), accuracy=accuracy(rng, 0.43), size_bytes=5000
    )
    rival = replace(
        ours,
        label="rival",
        model="rival",
        timing=timing(times / speed, times),
        accuracy=accuracy(rng, ap),
        size_bytes=size,
    )
    document = replace(bare(), rows=(ours, rival))
    (finding,) = measured_findings(entries(document), None)
    assert finding.dominated is dominated
    assert ("rival" in finding.sentence) == (dominated is not False)
    elsewhere = replace(document, rows=(ours, replace(rival, device="phone")))
    (finding,) = measured_findings(entries(elsewhere), None)
    assert finding.dominated is None and finding.sentence.startswith("stands alone")


def test_files_of_one_fate_stand_together() -> None:
    rng, times = np.random.default_rng(0), np.full(20, 10.0)
    first = replace(
        bare().rows[0], timing=timing(times, times), accuracy=accuracy(rng, 0.43), size_bytes=5000
    )
    ours = [replace(first, label=f"file {n}", marks=("warm",)) for n in range(4)]
    rival = replace(
        first,
        label="rival",
        model="rival",
        timing=timing(times / 9, times),
        accuracy=accuracy(rng, 0.6),
    )
    document = replace(bare(), rows=(*ours[:3], rival, ours[3]))
    (finding,) = measured_findings(entries(document), None)
    assert finding.subject.startswith("No. 1 to 3, 5 (")
    assert finding.sentence.startswith("are dominated by No. 4, rival (9.00 times as fast")
    assert "No. 1 to 3, 5: doubtful: warm" in Parsed(render(document)).text


def test_a_paired_interval_resolves_what_single_ones_do_not() -> None:
    rng, times = np.random.default_rng(0), np.full(20, 10.0)
    baseline = replace(
        bare("baseline").rows[0],
        model="vitpose-b",
        timing=timing(times, times),
        accuracy=accuracy(rng, 0.45),
    )
    ours = replace(
        baseline,
        label="ours",
        model="mobilevitpose-s",
        accuracy=accuracy(rng, 0.43),
        against_baseline=comparison(rng, -0.02),
    )
    found = entries(replace(bare(), rows=(baseline, ours), baseline="baseline"))
    assert [f.dominated for f in measured_findings(found, "baseline")] == [True]
    assert [f.dominated for f in measured_findings(found, None)] == [None]


def test_published_figures_say_where_they_come_from() -> None:
    published = read_published()
    assert all(p.source and p.data and p.protocol and 50 < p.ap < 90 for p in published)
    assert {p.data for p in published if "MoveNet" in p.model} == {
        "COCO subset, cropped to one person an image"
    }
    (small,) = [
        f for f in published_findings(published) if f.subject.startswith("MobileViTPose-S 2")
    ]
    assert small.dominated and "RTMPose-s" in small.sentence and "MoveNet" not in small.sentence


def test_other_data_dominates_nothing() -> None:
    ours = Published("MobileViTPose-S", "1x1", 9.0, 3.0, None, 60.0, "a", "p", "s")
    rival = Published("rival", "1x1", 1.0, 1.0, None, 80.0, "b", "p", "s")
    assert [f.dominated for f in published_findings([ours, rival])] == [False]
    assert [f.dominated for f in published_findings([ours, replace(rival, data="a")])] == [True]


def test_front() -> None:
    points = [Point(c, ap, None, n, n) for n, c, ap in [
        ("dear", 9, 70), ("cheap", 1, 50), ("beaten", 5, 49), ("middle", 3, 60), ("equal", 4, 60),
    ]]  # fmt: skip
    assert [point.name for point in front(points)] == ["cheap", "middle", "dear"]


def test_sample_pictures(
    float_runtime: TorchRuntime, small_spec: ModelSpec, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    image = tmp_path / "<b>person.png"
    Image.fromarray(rng.integers(0, 256, (900, 700, 3), np.uint8)).save(image)
    weights = random_pose_net(small_spec, seed=1).state_dict()
    save_checkpoint(tmp_path / "other.safetensors", weights, small_spec)
    other = load_float(str(tmp_path / "other.safetensors"))
    boxes = {image: np.array([[50.0, 40, 300, 800], [300, 30, 350, 700]])}
    (given,) = sample_pictures(float_runtime, other, [image], boxes)
    (searched,) = sample_pictures(float_runtime, float_runtime, [image])
    for jpeg in (given.float_jpeg, given.other_jpeg, searched.float_jpeg):
        with Image.open(io.BytesIO(jpeg)) as drawn:
            assert drawn.format == "JPEG" and max(drawn.size) == 560
    assert given.float_jpeg != given.other_jpeg
    assert searched.float_jpeg == searched.other_jpeg and "0.0 pixels apart" in searched.title
    assert given.other_label == "small, fp32, torch"


# in a browser


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A real one."""
    with chromium(tmp_path_factory.mktemp("browser"), NO_GPU) as started:
        yield started


@pytest.fixture(scope="module")
def opened(browser: Any, page: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_text(page, "utf-8")
    browser.get("about:blank")
    for log in ("performance", "browser"):
        browser.get_log(log)
    view(browser, 1280, "light")
    browser.get(path.as_uri())
    return browser


def test_the_browser_complains_of_nothing_and_fetches_nothing(opened: Any) -> None:
    assert opened.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert asked and all(url.startswith(("file:", "data:")) for url in asked)


def test_all_charts_are_seen(opened: Any, page: str) -> None:
    sizes = opened.execute_script(
        "return [...document.querySelectorAll('svg.chart')].map(svg => {"
        " const box = svg.getBoundingClientRect(), ink = svg.getBBox();"
        " return [box.width, box.height, ink.width, ink.height]})"
    )
    assert len(sizes) == page.count("<svg") >= 12
    assert np.min(sizes) > 100
    loaded = opened.execute_script("return [...document.images].map(i => i.naturalWidth)")
    assert loaded == [40, 40]


def column(browser: Any, index: int) -> list[str]:
    return browser.execute_script(
        "return [...document.querySelector('#results').parentNode.querySelector('table').tBodies[0]"
        ".rows].map(row => row.cells[arguments[0]].textContent)",
        index,
    )


@pytest.mark.parametrize("way", ["click", "key"])
def test_tables_sort(opened: Any, way: str) -> None:
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.ui import WebDriverWait

    table = opened.find_element(By.CSS_SELECTOR, "section > #results ~ .scroll table")
    heading = next(h for h in table.find_elements(By.TAG_NAME, "th") if "MB" in h.text)
    unsorted = column(opened, 3)
    values = sorted(map(float, unsorted))
    assert unsorted and heading.get_attribute("aria-sort") != "ascending"
    for direction, expected in (("ascending", values), ("descending", values[::-1])):
        if way == "click":
            heading.click()
        else:
            opened.execute_script("arguments[0].focus()", heading)
            opened.switch_to.active_element.send_keys(Keys.ENTER)
        WebDriverWait(opened, 5).until(
            lambda b, expected=expected: list(map(float, column(b, 3))) == expected
        )
        assert heading.get_attribute("aria-sort") == direction


def test_missing_values_stand_last(opened: Any) -> None:
    from selenium.webdriver.support.ui import WebDriverWait

    opened.execute_script(
        "document.querySelector('#results ~ .scroll table').tHead.rows[0].cells[9].click()"
    )
    WebDriverWait(opened, 5).until(lambda b: column(b, 9)[0].startswith("-5.90"))
    assert column(opened, 9)[-1] == "\N{EN DASH}"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width_px", [390, 1280])
def test_it_fits_and_can_be_read(opened: Any, width_px: int, theme: str) -> None:
    view(opened, width_px, theme)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width_px
    found = opened.execute_script(CONTRASTS)
    assert len(found) > 300
    assert {what for what, contrast in found if contrast < 4.5} == set()
