"""The report's pages as text: right numbers, links that lead somewhere, nothing left unescaped."""

import base64
import json
import re
from collections import Counter
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from common.results.report.figures import figures
from common.results.report.write import write_report

VOID = {"meta", "link", "br", "img", "input", "hr"}


class Document(HTMLParser):
    """A page: it fails on tags that do not close, and keeps what the tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.open, self.ids, self.links, self.images, self.heads, self.sources = (
            *([], [], []),
            *([], [], []),
        )
        self.tags = Counter()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.tags[tag] += 1
        assert not any(name.startswith("on") for name in found), found
        if "id" in found:
            self.ids.append(found["id"])
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "img":
            self.images.append(found)
        if tag == "th":
            self.heads.append(found)
        if tag != "a":
            self.sources += [found[name] for name in ("src", "href") if name in found]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, tag


def rows_of(text, identity):
    """Return the rows of a table as lists of the HTML of their cells."""
    table = text.partition(f'id="{identity}"')[2].partition("</table>")[0]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    return [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]


def words(html):
    """Return the text of some HTML."""
    return re.sub(r"<[^>]+>", " ", html).strip()


@pytest.fixture
def pages(site):
    return {path.name: Document(path.read_text()) for path in site.folder.glob("*.html")}


def test_there_is_a_front_page_a_page_a_paper_and_one_for_runs(pages, site):
    assert set(pages) == {"index.html", "sample.html", "run.html"}
    shards = {path.name for path in (site.folder / "runs").iterdir()}
    assert shards == {f"{digit}.js" for digit in "0123456789abcdef"} | {"index.js"}


def test_pages_are_well_formed_and_say_what_a_reader_without_eyes_needs(pages, site):
    for name, page in pages.items():
        assert [text for text, times in Counter(page.ids).items() if times > 1] == [], name
        assert all(image.get("alt") for image in page.images)
        assert all("scope" in head for head in page.heads)
        assert page.tags["main"] == page.tags["h1"] == page.tags["header"] == 1
        assert '<html lang="en">' in site.page(name)
        in_markdown = name == "sample.html"  # the one table of the replication's own page
        assert page.tags["caption"] == page.tags["table"] - in_markdown
    assert len(pages["sample.html"].images) == 1
    assert "Variants at high sparsity" in pages["sample.html"].images[0]["alt"]
    assert "protocol paper" in pages["sample.html"].images[0]["alt"]


def test_nothing_is_loaded_from_elsewhere(pages, site):
    for page in pages.values():
        assert [text for text in page.sources if not text.startswith("data:")] == []
    for path in site.folder.rglob("*"):
        if path.is_file():
            found = re.findall(r"https?://[^\s\"'<>)]+", path.read_text())
            known = ("https://arxiv.org/", "http://www.w3.org/2000/svg")
            assert [text for text in found if not text.startswith(known)] == []


def test_every_link_leads_somewhere(pages, site):
    runs = set()
    for path in (site.folder / "runs").glob("?.js"):
        for run in re.findall(r'^workbench\.add\("([^"]+)"', path.read_text(), re.MULTILINE):
            assert run[0] == path.stem
            runs.add(run)
    assert runs == {site.id_of(record) for record in site.records}
    seen = set()
    for name, page in pages.items():
        for link in page.links:
            if link.startswith("https://arxiv.org/abs/"):
                continue
            file, _, anchor = link.partition("#")
            assert file or anchor, (name, link)
            target = file or name
            if file == "run.html" and anchor:
                assert anchor in runs, link
                seen.add(anchor)
            elif anchor:
                assert unquote(anchor) in pages[target].ids, link
            else:
                assert target in pages, link
    assert seen == runs  # every run here stands in some cell


def test_the_front_page_counts_what_the_verdicts_are(site):
    row = next(row for row in rows_of(site.page("index.html"), "papers") if "sample" in row[0])
    counts = Counter(site.report.numbers["verdict"])
    names = ("agrees", "higher", "lower", "inconclusive", "other protocol", "not run")
    expected = [len(site.report.numbers), *(counts[name] for name in names)]
    assert [int(text) for text in row[1:8]] == expected
    assert sum(expected[1:]) == expected[0] == 38
    assert counts["not run"] > 0 and len(counts) > 2
    failed = sum(record["status"] == "failed" for record in site.records)
    assert failed == 2
    assert row[10:12] == [str(len(site.records) - failed), str(failed)]
    assert row[12] == f"{10 * len(site.records) // 60} min"  # ten seconds each


def test_the_matrix_of_claims_says_each_verdict_in_words(site):
    rows = {words(row[0]): row for row in rows_of(site.page("index.html"), "claims-sample") if row}
    for number, claim in enumerate(site.paper.claims):
        assert words(rows[claim.id][1]) == claim.text
        shown = [words(cell) for cell in rows[claim.id][2:]]
        found = [site.report.claims[protocol][number].verdict for protocol in ("paper", "quick")]
        assert shown == ["" if verdict == "not evaluated" else verdict for verdict in found]
    assert words(rows["C3"][3]) == ""  # only the protocol paper decides it


def test_a_cell_shows_the_mean_over_seeds_and_leads_to_its_runs(site):
    mine = [
        record
        for record in site.records
        if record["protocol"] == "paper"
        and record["config"]["method"] == "snip"
        and record["config"]["variant"] == "original"
        and record["config"]["find"]["sparsity"] == 0.95
    ]
    values = [record["metrics"]["test_accuracy"] for record in mine]
    rows = rows_of(site.page("sample.html"), "table-accuracy_paper")
    header = [words(cell) for cell in rows[0]]
    row = next(row for row in rows if row[:3] == ["SNIP", "original", "ours"])
    cell = row[header.index("sparsity 0.95")]
    text = f"{np.mean(values):.2f} ± {np.std(values, ddof=1):.2f} (3)"
    assert f"<summary>{text}</summary>" in cell
    links = re.findall(r'href="run\.html#([^"]+)">seed (\d)<', cell)
    assert links == [(site.id_of(record), str(record["seed"])) for record in mine]


def test_a_reported_number_stands_beside_ours_with_its_verdict(site):
    rows = rows_of(site.page("sample.html"), "numbers")[1:]
    numbers = site.report.numbers.to_dict("records")
    assert len(rows) == len(numbers)
    for row, number in zip(rows, numbers, strict=True):
        shown = [words(re.sub(r"<small>.*?</small>", "", cell)) for cell in row]
        assert shown[4].startswith(f"{number['reported']:g}")
        assert shown[7] == number["verdict"]
        if number["ours"] == number["ours"]:  # not missing
            assert shown[5].startswith(f"{number['ours']:.2f}")
            gap = f"{round(number['difference'], 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")
            assert shown[6] == gap
            assert set(re.findall(r"#([^\"]+)", row[5])) == set(number["run_ids"].split())


def test_a_shard_holds_the_whole_record_and_the_list_every_run(site):
    record = site.records[5]
    run = site.id_of(record)
    text = (site.folder / "runs" / f"{run[0]}.js").read_text()
    (line,) = re.findall(rf'^workbench\.add\("{run}",(.*)\);$', text, re.MULTILINE)
    command, config, found = json.loads(f"[{line}]")
    name = record["config"]["name"]
    assert command == f"python replications/sample/run.py --config {name}.json --seeds 2"
    assert config == ""
    path = site.root / "records" / "sample" / "checks" / f"{run}.json"
    assert found == json.loads(path.read_text())
    listed = re.findall(
        r"^workbench\.list\((.*)\);$", (site.folder / "runs/index.js").read_text(), re.MULTILINE
    )
    assert sorted(json.loads(row)[0] for row in listed) == sorted(map(site.id_of, site.records))


def test_the_replications_page_is_sorted_into_sections(site):
    text = site.page("sample.html")
    scope, methods = text.partition('id="scope"')[2].split('id="methodology"')
    assert "with &lt;b&gt;no markup&lt;/b&gt;" in scope
    assert (
        '<span class="file" title="in the repository: replications/sample/reported.csv">' in scope
    )
    assert 'href="https://arxiv.org/abs/0000.00000"' in scope
    assert '<th scope="col">name</th>' in methods.partition('id="results"')[0]
    assert 'href="#page-deviations"' in methods.partition('id="results"')[0]
    deviations = text.partition('<section id="deviations"')[2].partition("</section>")[0]
    assert "<strong>Seeds</strong> are set." in deviations
    assert "Nothing yet." in text.partition('id="words"')[2].partition("</section>")[0]


def test_the_checklist_is_answered_from_the_records(site):
    table = site.page("sample.html").partition('class="checklist"')[2].partition("</table>")[0]
    found = re.findall(
        r'class="question">(.*?)</th><td><span[^>]*>(\w+)</span></td><td>(.*?)</td>', table
    )
    answers = {question: (answer, evidence) for question, answer, evidence in found}
    protocol = answers["The reported numbers&#39; own protocol was run."]
    finished = [record for record in site.records if record["status"] == "finished"]
    own = sum(record["protocol"] == "paper" for record in finished)
    assert protocol[0] == "partly"
    assert protocol[1].startswith(f"{own} of {len(finished)} finished runs")
    complete = answers["The complete official data sets were used."]
    assert complete[0] == "partly"
    assert answers["Trained models are available."][0] == "no"
    assert answers["The exact command of each result is given."][0] == "no"  # no config files here


def content(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_made_again_the_bytes_are_the_same_and_a_changed_record_changes_them(
    tmp_path, build_site, sample_paper, sample_records
):
    records = [r for r in sample_records("paper") if r["config"]["find"]["sparsity"] == 0.95]
    first = build_site(tmp_path / "a", sample_paper, records)
    second = build_site(tmp_path / "b", sample_paper, records[::-1])
    assert content(first.folder) == content(second.folder)
    changed = records[0]
    changed["metrics"]["test_accuracy"] -= 20
    third = build_site(tmp_path / "b", sample_paper, records)
    before, after = content(first.folder), content(third.folder)
    run = first.id_of(changed)
    different = {name for name in before if before[name] != after[name]}
    assert different >= {"sample.html", f"runs/{run[0]}.js", "runs/index.js"}
    assert "run.html" not in different


def test_pages_of_an_earlier_call_are_removed(tmp_path, build_site, sample_paper, make_record):
    site = build_site(tmp_path, sample_paper, [make_record(protocol="paper")])
    old = site.folder / "gone.html"
    old.write_text("x")
    files = write_report(site.root, [site.report.paper], [site.report])
    assert not old.exists()
    assert files[0] == site.folder / "index.html"
    assert set(files) == {path for path in site.folder.rglob("*") if path.is_file()}


def test_hostile_names_stay_text(tmp_path, build_site, sample_paper, make_record):
    bad = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    records = [
        make_record(
            method=bad,
            variant="original",
            seed=seed,
            protocol="paper",
            sparsity=0.95,
            config__name=bad,
            dataset_fingerprint__note=bad,
            dataset_fingerprint__complete=False,
            commit=bad,
            config_hash="0123456789abcdef",
        )
        for seed in (0, 1)
    ]
    plain = build_site(tmp_path / "plain", sample_paper, [make_record(protocol="paper")])
    site = build_site(tmp_path / "bad", sample_paper, records)
    for name in ("index.html", "sample.html", "run.html"):
        page, known = Document(site.page(name)), Document(plain.page(name))
        assert page.tags["script"] == known.tags["script"]
        assert page.tags["img"] == 0
    assert "&lt;script&gt;alert(1)" in site.page("sample.html")


def test_the_same_run_in_two_experiments_is_kept_twice(
    tmp_path, build_site, sample_paper, make_record
):
    records = [make_record(protocol="paper", experiment=name) for name in ("checks", "others")]
    site = build_site(tmp_path, sample_paper, records)
    run = site.id_of(records[0])
    text = (site.folder / "runs" / f"{run[0]}.js").read_text()
    assert text.count(f'workbench.add("{run}"') == 2


def test_a_paper_without_anything_has_a_page_that_says_so(tmp_path, build_site, sample_paper):
    from dataclasses import replace

    empty = replace(sample_paper, reported=None, tables=(), plots=(), claims=())
    site = build_site(tmp_path, empty, [])
    text = site.page("sample.html")
    Document(text)
    for sentence in ("Nothing has been run yet.", "There are no plots yet.", "There are no runs"):
        assert sentence in text


def test_pictures_are_those_of_the_plots_folder(site):
    (path,) = site.report.plots
    (figure,) = figures(site.report)
    assert base64.b64decode(figure.address.partition(",")[2]) == path.read_bytes()
    with Image.open(path) as picture:
        assert (figure.width, figure.height) == picture.size
        assert picture.mode == "P", "few colours: a quarter of the bytes"
