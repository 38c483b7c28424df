"""The report in a real browser: tables, plots, runs, small screens, print, contrast."""

import re
from contextlib import contextmanager

import pytest

pytestmark = pytest.mark.xdist_group("browser")


def shown(page, table="#numbers"):
    return page.locator(f"{table} tbody tr:not([hidden])")


def column(page, number, table="#numbers"):
    return [
        row.split("\n")[0]
        for row in page.locator(f"{table} tbody tr:not([hidden])").evaluate_all(
            f"rows => rows.map((row) => row.cells[{number}].innerText)"
        )
    ]


def value(text):
    return float(re.match(r"[+\u2212-]?[\d.]+", text).group().replace("\u2212", "-"))


def head(page, name, table="#numbers"):
    return page.locator(f"{table} thead th", has_text=name).last


def test_a_click_on_a_heading_sorts_by_number_then_backwards_then_as_it_was(visit):
    page = visit("sample.html")
    original = column(page, 4)
    assert len(original) == 38
    reported = head(page, "Reported")
    assert reported.get_attribute("aria-sort") == "none"
    reported.get_by_role("button").click()
    assert reported.get_attribute("aria-sort") == "ascending"
    numbers = [value(text) for text in column(page, 4)]
    assert numbers == sorted(numbers)
    assert numbers != [value(text) for text in original]
    reported.get_by_role("button").press("Enter")
    assert reported.get_attribute("aria-sort") == "descending"
    assert [value(text) for text in column(page, 4)] == sorted(numbers, reverse=True)
    reported.get_by_role("button").press("Enter")
    assert reported.get_attribute("aria-sort") == "none"
    assert column(page, 4) == original


def test_missing_values_come_last_whichever_way_a_column_is_sorted(visit):
    page = visit("sample.html")
    button = head(page, "Difference").get_by_role("button")
    for direction in (1, -1):
        button.click()
        texts = column(page, 6)
        filled = [text for text in texts if text]
        assert 0 < len(filled) < len(texts)
        assert texts[len(filled) :] == [""] * (len(texts) - len(filled))
        numbers = [direction * value(text) for text in filled]
        assert numbers == sorted(numbers)


def test_rows_of_one_group_stay_together_when_a_table_is_sorted(visit):
    page = visit("sample.html")
    table = "#table-accuracy_paper"
    bodies = page.locator(f"{table} tbody")
    before = bodies.all_inner_texts()
    assert sum("difference" in text for text in before) > 3
    head(page, "0.95", table).get_by_role("button").click()
    after = bodies.all_inner_texts()
    assert sorted(after) == sorted(before) and after != before
    cells = bodies.evaluate_all("found => found.map((body) => body.rows[0].cells[5].innerText)")
    means = [value(text) for text in cells if text]
    assert len(means) > 3 and means == sorted(means)
    assert cells[len(means) :] == [""] * (len(cells) - len(means))


def test_words_filter_rows_and_the_count_says_how_many_are_left(visit, site):
    page = visit("sample.html")
    page.locator("#numbers").get_by_label("Filter rows").fill("grasp rearranged")
    wanted = (site.report.numbers["method"] == "grasp") & (
        site.report.numbers["variant"] == "layerwise_rearrange"
    )
    assert shown(page).count() == wanted.sum() == 5
    assert page.locator("#numbers output").inner_text() == "5 of 38 rows"
    page.locator("#numbers").get_by_label("Filter rows").fill("")
    assert shown(page).count() == 38


def test_a_verdict_can_be_chosen(visit, site):
    page = visit("sample.html")
    count = int((site.report.numbers["verdict"] == "not run").sum())
    page.locator("#numbers").get_by_label("Verdict").select_option("not run")
    assert shown(page).count() == count
    assert set(column(page, 7)) == {"not run"}
    page.locator("#numbers").get_by_label("Method").select_option("SNIP")
    both = (site.report.numbers["verdict"] == "not run") & (site.report.numbers["method"] == "snip")
    assert shown(page).count() == both.sum() < count


def test_the_rows_that_are_left_can_be_saved(visit):
    page = visit("sample.html")
    page.locator("#numbers").get_by_label("Filter rows").fill("grasp rearranged")
    with page.expect_download() as saved:
        page.locator("#numbers").get_by_role("button", name="Save as CSV").click()
    assert saved.value.suggested_filename == "sample_numbers.csv"
    lines = saved.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0].startswith("Experiment,Method,")
    assert len(lines) == 6 and all("GraSP" in line for line in lines[1:])


def test_a_plot_opens_by_keyboard_zooms_and_closes_by_escape(visit):
    page = visit("sample.html")
    button = page.locator("button.zoom").first
    button.focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Variants at high sparsity")
    dialog.wait_for()
    page.wait_for_function("document.querySelector('dialog').dataset.scale")
    whole = float(dialog.get_attribute("data-scale"))
    picture = dialog.locator("img").bounding_box()
    stage = dialog.locator(".stage").bounding_box()
    assert picture["width"] <= stage["width"] + 1 and picture["height"] <= stage["height"] + 1
    page.keyboard.press("+")
    assert float(dialog.get_attribute("data-scale")) == pytest.approx(1.4 * whole, rel=0.01)
    dialog.get_by_role("button", name="Whole plot").click()
    assert float(dialog.get_attribute("data-scale")) == pytest.approx(whole, rel=0.01)
    page.mouse.move(stage["x"] + 100, stage["y"] + 100)
    page.mouse.wheel(0, -200)
    page.wait_for_function(f"document.querySelector('dialog').dataset.scale > {1.2 * whole}")
    page.keyboard.press("Escape")
    dialog.wait_for(state="hidden")
    assert button.evaluate("node => node === document.activeElement")


def test_a_table_cell_leads_to_the_pages_of_its_runs(visit, site):
    page = visit("sample.html")
    cell = page.locator("#table-accuracy_paper details.runs").first
    cell.locator("summary").press("Enter")
    link = cell.get_by_role("link", name="seed 1")
    run = link.get_attribute("href").partition("#")[2]
    link.click()
    (record,) = (record for record in site.records if site.id_of(record) == run)
    page.get_by_role("heading", level=1, name=f"{record['config']['name']}, seed 1").wait_for()
    metrics = page.get_by_role("region", name="Final numbers of this run")
    assert f"{record['metrics']['test_accuracy']:g}" in metrics.inner_text()
    page.get_by_role("link", name="seed 2").click()
    page.get_by_role("heading", level=1, name=f"{record['config']['name']}, seed 2").wait_for()


def test_a_runs_page_shows_everything_of_its_record(visit, site):
    record = next(r for r in site.records if "training" in r and r["config"]["method"] == "grasp")
    page = visit(f"run.html#{site.id_of(record)}")
    page.get_by_role("heading", name="Metrics by epoch").wait_for()
    text = page.locator("#run").inner_text()
    for part in ("finished", record["config_hash"], "0123abc", "cpu", "50,000 training"):
        assert part in text
    assert f"--config {record['config']['name']}.json --seeds 0" in text
    layers = page.get_by_role("region", name="Fraction of the weights kept, by layer")
    rows = layers.locator("tbody tr")
    densities = list(record["ticket"]["layer_densities"].items())
    assert rows.count() == len(densities) == 11
    assert rows.first.inner_text().startswith(densities[0][0])
    assert f"{100 * densities[0][1]:.2f} %" in rows.first.inner_text()
    widths = "bars => bars.map((bar) => parseFloat(bar.style.width))"
    linear = layers.locator(".density span").evaluate_all(widths)
    assert linear == pytest.approx([100 * value for _, value in densities], abs=0.01)
    page.get_by_role("button", name="Logarithmic").click()
    logarithmic = layers.locator(".density span").evaluate_all(widths)
    assert all(b >= a for a, b in zip(linear, logarithmic)) and logarithmic != linear
    page.get_by_text("Show the whole config").click()
    assert page.locator(".tree summary", has_text="train").is_visible()
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the record as JSON").click()
    assert f'"{record["config_hash"]}"' in saved.value.path().read_text()


def test_curves_tell_their_values_under_the_pointer_and_by_keyboard(visit, site):
    record = next(r for r in site.records if "training" in r)
    page = visit(f"run.html#{site.id_of(record)}")
    chart = page.get_by_role("slider", name="The training: Loss")
    chart.wait_for()
    assert chart.locator('path[data-metric="train_loss"]').count() == 1
    readout = page.locator(".chart", has=chart).locator(".readout")
    box = chart.bounding_box()
    chart.hover(position={"x": box["width"] * 0.42, "y": box["height"] / 2})
    assert readout.inner_text() == "Epoch 2: training loss = 1"
    chart.press("ArrowRight")
    assert chart.get_attribute("aria-valuetext") == "Epoch 3: training loss = 0.5"
    chart.press("Home")
    assert readout.inner_text() == "Epoch 1: training loss = 2"
    assert page.get_by_role("slider", name="The search: Fraction of the weights").count() == 1
    accuracy = page.get_by_role("slider", name="The training: Accuracy")
    assert accuracy.locator("circle").count() == 2  # measured at two of four epochs


def test_a_run_without_curves_says_so(visit, site):
    record = next(r for r in site.records if "training" not in r)
    page = visit(f"run.html#{site.id_of(record)}")
    page.get_by_text("The record holds no curves of the training").wait_for()


def test_a_failed_run_tells_why(visit, site):
    record = next(r for r in site.records if r["status"] == "failed")
    page = visit(f"run.html#{site.id_of(record)}")
    page.get_by_text("Why it failed:").wait_for()
    assert "the loss is not a number" in " ".join(page.locator("#run").inner_text().split())


def test_an_unknown_run_offers_the_list_of_all(visit, site):
    page = visit("run.html#nothing<b>")
    page.get_by_text("There is no run nothing<b>.").wait_for()
    assert f"of {len(site.records)} runs" in page.locator("output").inner_text()
    page.get_by_label("Search the runs").fill("grasp quick 0.95")
    rows = page.locator("table.all tbody tr")
    wanted = [
        r
        for r in site.records
        if r["config"]["method"] == "grasp"
        and r["protocol"] == "quick"
        and r["config"]["find"]["sparsity"] == 0.95
    ]
    assert rows.count() == len(wanted) == 9
    rows.first.get_by_role("link").click()
    page.get_by_role("heading", name="Repeat it").wait_for()


def test_a_link_to_a_claim_opens_it(visit):
    page = visit("index.html")
    page.locator("#claims-sample").get_by_role("link", name="C2").click()
    page.locator("details#claim-C2[open]").wait_for()
    assert page.locator("#claim-C2 table").first.is_visible()


PAGES = ("index.html", "sample.html", "run.html")


def test_no_page_is_wider_than_a_small_screen(visit, site):
    page = visit("index.html", width=360, height=740)
    for address in (*PAGES, f"run.html#{site.id_of(site.records[0])}"):
        page.goto(f"{site.folder.as_uri()}/{address}")
        page.locator("table").first.wait_for(state="attached")
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, address


def test_print_hides_controls_and_shows_what_is_closed(visit):
    page = visit("sample.html")
    controls = page.locator("#numbers .controls")
    assert controls.is_visible()
    closed = page.locator("#claim-C1 .comparisons")
    assert not closed.is_visible()
    page.emulate_media(media="print")
    assert not controls.is_visible()
    assert not page.locator("header.top").is_visible()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert closed.is_visible()
    assert page.locator("#numbers .scroll").evaluate("box => box.scrollHeight <= box.clientHeight")
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    page.emulate_media(media="screen")
    assert not closed.is_visible()


CONTRAST = """() => {
  const parse = (text) => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
    .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
    .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (node) => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !node.checkVisibility()) continue;
    if (node.closest("script, style, svg")) continue;
    const pair = [light(parse(getComputedStyle(node).color)), light(behind(node))];
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    found.push([ratio, node.tagName + "." + node.className]);
  }
  return found.sort((a, b) => a[0] - b[0]);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_its_ground(visit, site, scheme):
    page = visit("index.html", color_scheme=scheme)
    for address in (*PAGES[:2], f"run.html#{site.id_of(site.records[0])}"):
        page.goto(f"{site.folder.as_uri()}/{address}")
        page.locator("h2").first.wait_for()
        page.evaluate("document.querySelectorAll('details').forEach((d) => { d.open = true; })")
        ratios = page.evaluate(CONTRAST)
        assert len(ratios) > 50
        assert ratios[0][0] >= 4.5, (address, ratios[:3])
    grounds = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(20, 23, 28)")


def test_the_first_stop_of_the_keyboard_skips_to_the_content(visit):
    page = visit("sample.html")
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    assert link.evaluate("node => node === document.activeElement")
    assert link.bounding_box()["x"] >= 0
    outline = page.locator("a:focus").evaluate("node => getComputedStyle(node).outlineStyle")
    assert outline == "solid"


@contextmanager
def without_scripts(browser, folder, name):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{folder.as_uri()}/{name}")
    yield page
    context.close()


def test_without_scripts_the_pages_can_be_read(browser, site):
    with without_scripts(browser, site.folder, "run.html") as page:
        assert "JavaScript" in page.locator("noscript").inner_text()
    with without_scripts(browser, site.folder, "sample.html") as page:
        assert page.locator("#numbers tbody tr").count() == 38
        assert page.locator("#numbers thead button").count() == 0


NAMELESS = """() => [...document.querySelectorAll("a[href], button, input, select, summary")]
  .filter((node) => {
    const words = [node.textContent, node.getAttribute("aria-label"),
      ...[...(node.labels || [])].map((label) => label.firstChild.textContent),
      ...[...node.querySelectorAll("img")].map((image) => image.alt)];
    return !words.some((text) => text && String(text).trim());
  }).map((node) => node.outerHTML.slice(0, 100))"""


@pytest.mark.parametrize("name", PAGES)
def test_no_control_lacks_a_name(visit, name):
    page = visit(name)
    page.locator("table").first.wait_for(state="attached")
    assert page.evaluate(NAMELESS) == []
