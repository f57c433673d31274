"""The site in a real Chromium: nothing breaks, nothing leaves the disk, and everyone can use it."""

from pathlib import Path

import pytest
from needed import absent, program
from PIL import Image
from test_site import METHODS

from cpbench.benchmark.records.result import write_result
from cpbench.reports.write import load, write_report
from synthetic import FORGETS, KEEPS, ORDER, many, record

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
AXE = Path(__file__).parent / "vendor" / "axe.min.js"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    colours = {"real": "seagreen", "draw": "peru"}
    for kind, colour in colours.items():
        Image.new("RGB", (32, 32), colour).save(folder / f"{kind}.png")
    figures = {"loss.learn.denoise": 0.1, "change": 0.02, "change.a": 0.01, "fisher.1": 2.0, "fisher_dc.1": 3.0}
    for seed in range(3):
        for method, r in (("clora", KEEPS), ("dsc", FORGETS), ("lora", FORGETS), ("base", KEEPS)):
            write_result(folder / "results", record(method, r, seed=seed, figures=figures))
    write_result(folder / "results", record("lora", seed=9, suite="other", suite_hash="f" * 16, backbone="large"))

    def pictures(key):
        return [folder / ("real.png" if key.startswith("r-") else "draw.png")] * 4

    list(write_report(load(folder / "results"), folder / "out", METHODS, pictures, "site"))
    return folder / "out" / "site"


@pytest.fixture(scope="module")
def browser():
    chromium = program("chromium", "chromium-browser", package="chromium")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed: pip install playwright")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=QUIET)
        yield launched
        launched.close()


@pytest.fixture
def page(browser):
    """A page; whatever it complains of or asks the network for fails the test."""
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    made, faults = context.new_page(), []
    made.on("console", lambda m: faults.append(m.text) if m.type in ("error", "warning") else None)
    made.on("pageerror", lambda e: faults.append(str(e)))
    made.on("request", lambda r: None if r.url.startswith(("file://", "data:")) else faults.append(r.url))
    yield made
    assert faults == []
    context.close()


def url(site, name="index.html", hash_=""):
    (path,) = site.glob(name)
    return f"file://{path}{hash_}"


def rows(page, table):
    return page.locator(f"{table} tbody tr:not(.bound):visible th").all_text_contents()


BOARD = "section:has(a:text('dsc')) table.sortable"
FRONTS = "section:has(a:text('dsc')) .fronts"


def test_every_kind_of_page_opens_without_a_complaint_and_without_the_network(site, page):
    for path in [
        site / "index.html",
        site / "glossary.html",
        *site.glob("compare-*.html"),
        *site.glob("methods/*"),
        *site.glob("runs/*"),
    ]:
        page.goto(f"file://{path}")
        assert page.title().endswith("cpbench")
        assert page.locator("h1").count() == 1


def test_a_column_is_sorted_by_a_click_and_the_other_way_by_another(site, page):
    page.goto(url(site))
    head = page.locator(f"{BOARD} th[data-column=forgetting]")
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "ascending", "less forgetting is better, so it comes first"
    first = rows(page, BOARD)
    head.locator("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    assert first[0] in ("base", "clora") and rows(page, BOARD)[0] in ("dsc", "lora")
    last = page.eval_on_selector_all(f"{BOARD} tbody tr", "found => found.slice(-2).map(x => x.className)")
    assert last == ["bound", "bound"], "floors and ceilings stay at the end"


def test_filters_columns_and_order_are_part_of_the_address(site, page):
    page.goto(url(site))
    page.select_option("select[data-filter=consolidation]", "none")
    assert rows(page, BOARD) == ["base", "lora"]
    assert (
        "2 of 4 methods"
        in page.locator("[data-count]").first.text_content() + page.locator("[data-count]").last.text_content()
    )
    page.locator(".controls details summary").first.click()
    box = page.locator("input[data-column=kid]").first
    box.uncheck()
    page.locator(f"{BOARD} th[data-column=plasticity] button").click()
    assert rows(page, BOARD) == ["lora", "base"]
    address = page.url
    page.goto("about:blank")
    page.goto(address)
    assert rows(page, BOARD) == ["lora", "base"]
    assert page.locator(f"{BOARD} th[data-column=plasticity]").get_attribute("aria-sort") == "descending"
    assert not page.locator("input[data-column=kid]").first.is_checked()
    page.select_option("select[data-filter=consolidation]", "")
    assert rows(page, BOARD) == ["dsc", "lora", "base", "clora"]
    page.select_option("select[data-filter=suite]", "other")
    assert page.locator("section:visible h2").all_text_contents() == ["other, 3 tasks"]


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("adapter", "none", [[], ["base"]]),
        ("adapter", "lora", [["lora"], ["clora", "dsc", "lora"]]),
        ("consolidation", "dsc", [[], ["dsc"]]),
        ("backbone", "tiny", [["clora", "dsc", "lora", "base"]]),
        ("backbone", "large", [["lora"]]),
        ("suite", "tiny-3", [["clora", "dsc", "lora", "base"]]),
        ("suite", "other", [["lora"]]),
    ],
)
def test_every_filter_leaves_the_rows_it_names_and_is_part_of_the_address(site, page, name, value, shown):
    page.goto(url(site))
    page.select_option(f"select[data-filter={name}]", value)
    for _ in range(2):
        tables = page.locator("section[data-filtered]:visible table.sortable")
        found = [sorted(t.locator("tbody tr:not(.bound):visible th").all_text_contents()) for t in tables.all()]
        assert sorted(found) == sorted(map(sorted, shown))
        page.reload()


def test_points_of_what_is_filtered_away_lose_their_names(site, page):
    page.goto(url(site))
    names = page.locator(f"{FRONTS} svg.chart:not(.narrow) .dot text")
    before = names.locator("visible=true").count()
    page.select_option("select[data-filter=consolidation]", "dsc")
    assert before > names.locator("visible=true").count() == page.locator(f"{FRONTS} svg.chart:not(.narrow)").count()
    page.select_option("select[data-filter=consolidation]", "")
    assert names.locator("visible=true").count() == before


def test_the_slider_shows_the_pictures_after_a_task_and_is_remembered(site, page):
    path = next(p for p in site.glob("runs/*") if "dsc on tiny-3" in p.read_text())
    page.goto(f"file://{path}")
    slider, told = page.locator("input[type=range]"), page.locator("output")
    assert told.text_content() == f"after task 3 ({ORDER[2]})"
    slider.focus()
    page.keyboard.press("ArrowLeft")
    assert told.text_content() == f"after task 2 ({ORDER[1]})"
    figures = page.locator(".film figure")
    assert "now" in figures.nth(1).get_attribute("class") and "future" in figures.nth(2).get_attribute("class")
    before = page.evaluate("getComputedStyle(document.querySelector('.frame.after')).backgroundPositionX")
    page.keyboard.press("Home")
    assert told.text_content() == "before any task"
    assert page.evaluate("getComputedStyle(document.querySelector('.frame.after')).backgroundPositionX") != before
    page.reload()
    assert told.text_content() == "before any task"


def compare(site):
    (path,) = (p for p in site.glob("compare-*.html") if "dsc" in p.read_text())
    return f"file://{path}"


def test_two_methods_are_chosen_and_the_choice_is_part_of_the_address(site, page):
    page.goto(compare(site))
    page.select_option("select[data-side=a]", "lora")
    page.select_option("select[data-side=b]", "clora")
    assert page.locator("tr[data-pair]:visible th").all_text_contents() == ["lora − clora"]
    assert page.locator("[data-method]:visible h3").all_text_contents() == ["lora", "clora"]
    page.reload()
    assert page.locator("select[data-side=a]").input_value() == "lora"
    assert page.locator("tr[data-pair]:visible th").all_text_contents() == ["lora − clora"]
    page.select_option("select[data-side=b]", "lora")
    assert page.locator("#same").is_visible() and not page.locator("tr[data-pair]:visible").count()


def difference(page, first, second):
    """Texts of all cells of the shown difference, and the classes of those that are sure."""
    page.select_option("select[data-side=a]", first)
    page.select_option("select[data-side=b]", second)
    shown = page.locator("tr[data-pair]:visible")
    kinds = shown.locator("td").evaluate_all("cells => cells.map(c => c.className)")
    return shown.locator(".value").all_text_contents(), shown.locator(".pm").all_text_contents(), kinds


def test_a_difference_has_the_sign_of_first_minus_second_in_both_directions(site, page):
    page.goto(compare(site))
    values, intervals, kinds = difference(page, "clora", "dsc")
    assert values[:3] == ["10.0", "-13.3", "-35.0"], "clora keeps 70 % where dsc keeps 60 %"
    turned = difference(page, "dsc", "clora")
    assert turned[0][:3] == ["-10.0", "13.3", "35.0"]
    assert intervals[0] == "[10.0, 10.0]" and turned[1][0] == "[-10.0, -10.0]"
    assert kinds[:3] == ["sure up", "sure down", "sure up"] and turned[2][:3] == ["sure down", "sure up", "sure down"]
    assert difference(page, "clora", "dsc") == (values, intervals, kinds)


def test_methods_without_a_common_run_show_no_film_but_the_way_to_one(page, tmp_path):
    Image.new("RGB", (32, 32), "peru").save(tmp_path / "draw.png")
    for method, seed in (("clora", 0), ("clora", 1), ("dsc", 1), ("dsc", 2), ("lora", 2)):
        write_result(tmp_path / "results", record(method, KEEPS, seed=seed))
    list(write_report(load(tmp_path / "results"), tmp_path, METHODS, lambda key: [tmp_path / "draw.png"] * 4, "site"))
    page.goto(compare(tmp_path / "site"))
    difference(page, "clora", "dsc")
    assert page.locator("#take").text_content() == f"Order {' → '.join(ORDER)}, seed 1."
    assert page.locator(".film:visible").count() == 2
    difference(page, "lora", "dsc")
    assert "seed 2" in page.locator("#take").text_content()
    difference(page, "clora", "lora")
    assert "cpbench report" in page.locator("#take").text_content()
    assert not page.locator(".film:visible").count() and not page.locator("input[type=range]").is_visible()


def test_no_frame_shows_a_sliver_of_the_picture_beside_it(site, browser, tmp_path):
    path = next(p for p in site.glob("runs/*") if "dsc on tiny-3" in p.read_text())
    for width in (1200, 777, 391):
        context = browser.new_context(viewport={"width": width, "height": 900})
        page = context.new_page()
        page.goto(f"file://{path}#task=2")
        page.add_style_tag(content=".frame { border-radius: 0 !important } .frames { opacity: 1 !important }")
        box = page.locator(".frame.after").first.bounding_box()
        inside = {"x": box["x"] + 1, "y": box["y"] + 1, "width": box["width"] - 2, "height": box["height"] - 2}
        page.screenshot(path=tmp_path / "frame.png", clip=inside)
        with Image.open(tmp_path / "frame.png") as shot:
            reds = [lowest for lowest, _ in shot.convert("RGB").getextrema()]
            spread = max(high - low for low, high in shot.convert("RGB").getextrema())
        assert spread < 12, (width, reds)
        context.close()


def test_on_a_phone_the_slider_stays_in_sight_of_the_pictures(site, browser):
    context = browser.new_context(viewport={"width": 390, "height": 500})
    page = context.new_page()
    path = next(p for p in site.glob("runs/*") if "dsc on tiny-3" in p.read_text())
    page.goto(f"file://{path}")
    page.locator(".film figure").last.scroll_into_view_if_needed()
    assert page.evaluate("scrollY") > 100
    assert 0 <= page.locator("input[type=range]").bounding_box()["y"] < 60
    context.close()


def test_a_wide_page_shows_all_columns_and_a_narrow_one_keeps_the_names(site, browser):
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = context.new_page()
    page.goto(url(site))
    assert page.locator(f"{BOARD} th").last.bounding_box()["x"] < 1340, "the last column is in sight"
    page.set_viewport_size({"width": 390, "height": 800})
    region = page.locator(".scroll:has(table.leaders)").first
    region.evaluate("region => { region.scrollLeft = 300 }")
    assert region.locator("tbody th").first.bounding_box()["x"] < 30, "names do not scroll away"
    region.evaluate("region => { region.scrollLeft = 0 }")
    for column in ("method", "rank", "average"):
        box = region.locator(f"th[data-column={column}]").bounding_box()
        assert 0 <= box["x"] and box["x"] + box["width"] < 390, column
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    texts = page.locator(f"{FRONTS} svg.chart.narrow .dot text").first
    assert texts.is_visible() and texts.bounding_box()["height"] > 10
    context.close()


def test_a_table_that_is_cut_counts_the_columns_out_of_sight(site, browser):
    context = browser.new_context(viewport={"width": 390, "height": 800})
    page = context.new_page()
    page.goto(url(site))
    table = page.locator(".scroller:has(table.leaders)").first
    hint, region = table.locator(".hint"), table.locator(".scroll")

    def beyond():
        right = region.bounding_box()["x"] + region.bounding_box()["width"] + 1
        boxes = [th.bounding_box() for th in region.locator("thead th").all()]
        return sum(box["x"] + box["width"] > right for box in boxes)

    assert beyond() > 3 and f" {beyond()} more columns" in hint.text_content() and hint.is_visible()
    region.evaluate("region => { region.scrollLeft = region.scrollWidth }")
    page.wait_for_function("document.querySelector('.hint').classList.contains('done')")
    assert beyond() == 0 and not hint.is_visible()
    page.set_viewport_size({"width": 1900, "height": 800})
    assert not page.locator(".scroller:has(table.leaders) .hint:visible").count(), "nothing is cut on a wide page"
    context.close()


def test_a_link_of_a_term_leads_to_its_place_in_the_glossary(site, page):
    page.goto(url(site))
    page.locator("a.term", has_text="plasticity").first.click()
    assert page.url.endswith("glossary.html#plasticity")
    assert page.locator("#plasticity").is_visible() and page.locator("#plasticity dd").text_content()


def test_without_scripts_everything_can_be_read(site, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(url(site))
    assert page.locator("table.sortable tbody tr:visible").count() == 6 + 3
    assert not page.locator(".controls:visible").count(), "no control that does nothing"
    path = next(p for p in site.glob("runs/*") if "dsc on tiny-3" in p.read_text())
    page.goto(f"file://{path}")
    assert page.locator("img.sheet").is_visible() and not page.locator(".slider").is_visible()
    (path,) = (p for p in site.glob("compare-*.html") if "dsc" in p.read_text())
    page.goto(f"file://{path}")
    assert page.locator("tr[data-pair]:visible").count() == 6
    assert page.locator("img.sheet:visible").count() == 3
    context.close()


def test_the_keyboard_reaches_the_content_the_filters_and_the_columns(site, page):
    page.goto(url(site))
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    seen = []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(
            page.evaluate("document.activeElement.tagName + '.' + (document.activeElement.dataset.filter || '')")
        )
    assert "SELECT.suite" in seen and "BUTTON." in seen and "SUMMARY." in seen
    page.locator(f"{BOARD} th[data-column=average] button").focus()
    page.keyboard.press("Enter")
    assert page.locator(f"{BOARD} th[data-column=average]").get_attribute("aria-sort") == "descending"


def pages_to_check(site):
    runs = sorted(site.glob("runs/*"))
    return [
        site / "index.html",
        site / "glossary.html",
        *site.glob("compare-*.html"),
        next(site.glob("methods/*-dsc.html")),
        next(p for p in runs if "dsc on tiny-3" in p.read_text()),
        runs[-1],
    ]


@pytest.mark.parametrize("width", [1400, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_serious_violation_wherever_the_slider_is(site, browser, scheme, width):
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    page = context.new_page()
    for path in pages_to_check(site):
        page.goto(f"file://{path}")
        page.add_script_tag(path=AXE)
        for key in ("End", "Home"):
            if (slider := page.locator("input[type=range]:visible")).count():
                slider.press(key)
                page.wait_for_timeout(250)  # until what fades has faded
            found = page.evaluate("axe.run().then(r => r.violations)")
            grave = [
                (v["id"], [n["html"][:120] for n in v["nodes"][:3]])
                for v in found
                if v["impact"] in ("serious", "critical")
            ]
            assert grave == [], (path.name, key)
    context.close()


def test_on_a_phone_nothing_but_tables_scrolls_sideways(site, browser):
    context = browser.new_context(viewport={"width": 360, "height": 740})
    page = context.new_page()
    for path in [
        site / "index.html",
        *site.glob("compare-*.html"),
        *site.glob("methods/*-dsc.html"),
        *list(site.glob("runs/*"))[:2],
    ]:
        page.goto(f"file://{path}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, path.name
    context.close()


def test_dark_pages_are_dark_and_light_ones_light(site, browser):
    for scheme, dark in (("light", False), ("dark", True)):
        context = browser.new_context(color_scheme=scheme)
        page = context.new_page()
        page.goto(url(site))
        paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, paper[4:-1].split(","))) < 200) is dark
        context.close()


@pytest.mark.slow
def test_the_first_view_of_ten_thousand_records_takes_less_than_a_second(tmp_path, browser):
    many(tmp_path / "results", 10_000)
    list(write_report(load(tmp_path / "results"), tmp_path / "out", METHODS, lambda key: [], "site"))
    page, times = browser.new_page(), []
    for _ in range(3):
        page.goto(url(tmp_path / "out" / "site"))
        times.append(page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd"))
    print(f"first view: {min(times):.0f} ms")
    assert min(times) < 1000
