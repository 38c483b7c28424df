"""Tables: what stands in a cell, what stands below, and what never stands beside what."""

import math
from dataclasses import replace

import pytest

from common.errors import UserError
from common.results.formats import escape_latex, escape_markdown, table_latex, table_markdown
from common.results.records import records_frame
from common.results.reported import comparison, load_reported, match, named_in
from common.results.spec import Paper, Table
from common.results.tables import build_table

TABLE = Table("t", "A table", ("checks",), ("method", "variant"), ("sparsity",))


def build(paper, records, protocol, table=TABLE):
    return build_table(paper, table, protocol, records_frame(records), load_reported(paper))


def test_a_cell_is_mean_std_and_n(make_record):
    records = [make_record(seed=s, accuracy=a) for s, a in enumerate((90.0, 91.0, 92.5))]
    built = build(Paper("sample", "x"), records, "quick")
    (row,) = built.cells.to_dict("records")
    assert (row["n"], row["seeds"]) == (3, "0 1 2")
    assert row["mean"] == pytest.approx(91.166667, abs=1e-6)
    assert row["std"] == pytest.approx(1.258306, abs=1e-6)
    half = 4.302653 * 1.258306 / math.sqrt(3)
    assert (row["ci_low"], row["ci_high"]) == pytest.approx((91.166667 - half, 91.166667 + half))
    assert built.layout.body == (("snip", "original", "91.17 ± 1.26 (3)"),)


def test_one_seed_has_no_spread(make_record):
    built = build(Paper("sample", "x"), [make_record(accuracy=90.0)], "quick")
    assert built.layout.body[0][-1] == "90.00 (1)"


def test_a_quick_number_never_stands_beside_a_reported_one(sample_paper, sample_records):
    records = sample_records("quick")
    quick = build(sample_paper, records, "quick")
    alone = build(replace(sample_paper, reported=None), records, "quick")
    assert quick.layout == alone.layout and quick.cells.equals(alone.cells)
    assert not [name for name in quick.cells if "reported" in name or "difference" in name]
    text = table_markdown(quick.layout) + table_latex(quick.layout, "x")
    assert "reported" not in text
    assert "must not be set beside the paper's" in text


def test_paper_cells_have_the_reported_numbers_beside_them(sample_paper, sample_records):
    built = build(sample_paper, sample_records("paper"), "paper")
    lines = {(row[0], row[1], row[2]): row for row in built.layout.body if row[0]}
    at = built.layout.header.index("sparsity 0.4")
    first = built.layout.body.index(lines[("SNIP", "original", "ours")])
    reported, difference = built.layout.body[first + 1 : first + 3]
    assert (reported[2], reported[at]) == ("reported", "93.61")
    assert difference[2] == "difference"
    cells = built.cells.set_index(["method", "variant", "sparsity"])
    cell = cells.loc[("snip", "original", 0.4)]
    assert cell["reported"] == 93.61
    assert cell["difference"] == pytest.approx(cell["mean"] - 93.61)
    assert difference[at] == f"{cell['difference']:+.2f}".replace("-", "\N{MINUS SIGN}")


def test_every_source_of_a_reported_number_is_named(sample_paper, sample_records):
    built = build(sample_paper, sample_records("paper"), "paper")
    cell = built.cells.set_index(["method", "variant", "sparsity"]).loc[
        ("random_tickets", "original", 0.8)
    ]
    assert (cell["reported_replication"], cell["reported_paper"]) == (92.47, 92.61)
    assert math.isnan(cell["reported"])
    names = [row[2] for row in built.layout.body]
    assert "reported (paper)" in names and "difference (replication)" in names


def test_reported_numbers_need_a_complete_data_set(sample_paper, sample_records):
    records = sample_records("paper")
    for record in records:
        record["dataset_fingerprint"]["complete"] = False
    built = build(sample_paper, records, "paper")
    assert "reported" not in built.cells
    assert "numbers" not in built.layout.header
    assert "incomplete data set are not compared" in table_markdown(built.layout)


def test_an_incomplete_test_set_is_visible(make_record):
    part = {"name": "cifar10", "train_images": 4000, "test_images": 1000, "complete": False,
            "note": "embedded excerpt"}  # fmt: skip
    layout = build(Paper("sample", "x"), [make_record(dataset_fingerprint=part)], "quick").layout
    for text in (table_markdown(layout), table_latex(layout, "x")):
        assert "test set: 1,000 of 10,000 images" in text
        assert "data set incomplete (embedded excerpt)" in text
    whole = build(Paper("sample", "x"), [make_record()], "quick").layout
    assert "test set: 10,000 images" in table_markdown(whole)


def test_failed_runs_are_listed_and_not_averaged(make_record):
    failed = {"status": "failed", "error": "nan", "metrics": {"test_accuracy": 1.0}}
    records = [make_record(seed=0, accuracy=90.0), make_record(seed=1, **failed)]
    records.append(make_record("grasp", **failed))
    built = build(Paper("sample", "x"), records, "quick")
    assert [row[-1] for row in built.layout.body] == ["failed (1)", "90.00 (1)"]
    notes = " ".join(built.layout.notes)
    assert "Failed runs, not averaged: 2 (grasp-original-0.9 seed 0; snip-original-0.9 seed 1)" in (
        notes
    )


def test_collapsed_tickets_have_a_dagger(make_record):
    emptied = make_record(accuracy=10.0, ticket__collapsed_layers=["a"])
    built = build(Paper("sample", "x"), [emptied, make_record(seed=1)], "quick")
    assert built.layout.body[0][-1].endswith("(2)†")
    assert any(note.startswith("†") for note in built.layout.notes)
    assert "†" not in str(build(Paper("sample", "x"), [make_record()], "quick").layout)


def test_a_mean_over_configurations_is_marked(make_record):
    records = [make_record(accuracy=90.0), make_record(accuracy=80.0, config_hash="other")]
    built = build(Paper("sample", "x"), records, "quick")
    assert built.layout.body[0][-1] == "85.00 (1)‡"
    assert any(note.startswith("‡") for note in built.layout.notes)


def test_tables_select_protocol_experiment_and_values(make_record):
    records = [
        make_record(accuracy=90.0),
        make_record(accuracy=50.0, protocol="paper"),
        make_record(accuracy=51.0, experiment="other"),
        make_record(accuracy=52.0, variant="shuffled"),
    ]
    table = Table("t", "t", ("checks",), ("method",), where={"variant": ("original", "none")})
    built = build(Paper("sample", "x"), records, "quick", table)
    assert built.layout.body == (("snip", "90.00 (1)"),)
    assert built.layout.header == ("method", "test accuracy")
    assert build(Paper("sample", "x"), records, "cpu_short", table) is None


def test_the_papers_order_and_labels_are_used(sample_paper, sample_records):
    body = build(sample_paper, sample_records("quick"), "quick").layout.body
    assert [row[:2] for row in body[:3]] == [
        ("SNIP", "original"),
        ("SNIP", "rearranged in layers"),
        ("SNIP", "corrupted data"),
    ]


def test_config_values_can_be_rows(make_record):
    records = [make_record(config__train={"lr": lr}, accuracy=90 + lr) for lr in (0.1, 0.01)]
    table = Table("t", "t", ("checks",), ("config.train.lr",))
    frame = records_frame(records, ("config.train.lr",))
    paper = Paper("sample", "x")
    layout = build_table(paper, table, "quick", frame, load_reported(paper)).layout
    assert layout.body == (("0.01", "90.01 (1)"), ("0.1", "90.10 (1)"))


def test_an_unknown_column_is_told(make_record):
    table = Table("t", "t", ("checks",), ("metod",))
    with pytest.raises(UserError, match=r"table 't' of 'sample': column.*did you mean 'method'"):
        build(Paper("sample", "x"), [make_record()], "quick", table)


def test_latex_is_escaped():
    assert escape_latex("50 % of_a & b #1 ${x}^2~\\") == (
        r"50 \% of\_a \& b \#1 \$\{x\}\textasciicircum{}2\textasciitilde{}\textbackslash{}"
    )
    assert escape_latex("1 ± 2 \N{MINUS SIGN}3†") == r"1 $\pm$ 2 $-$3$^{\dagger}$"


def test_no_runs_are_named_in_reported_numbers_and_keep_their_columns(sample_paper, sample_records):
    frame, reported = records_frame(sample_records("paper")), load_reported(sample_paper)
    named = named_in(frame, reported)
    assert 0 < len(named) < len(frame)
    assert list(named_in(frame.iloc[:0], reported).columns) == list(frame.columns)


def test_markdown_cells_stay_cells():
    assert escape_markdown("a|b\nc *d*") == r"a\|b c \*d\*"


def test_latex_rows_have_as_many_cells_as_columns(sample_paper, sample_records):
    layout = build(sample_paper, sample_records("paper"), "paper").layout
    text = table_latex(layout, "x")
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    columns = len(layout.header)
    assert {line.replace(r"\&", "").count("&") for line in rows} == {columns - 1}
    assert rf"\begin{{tabular}}{{{'lll' + 'r' * (columns - 3)}}}" in text
    for rule in ("toprule", "midrule", "bottomrule"):
        assert rf"\{rule}" in text


def test_reported_files_are_checked(tmp_path, sample_paper):
    path = tmp_path / "r.csv"
    text = sample_paper.reported.read_text()
    path.write_text(text.replace("93.61", "about 93"))
    with pytest.raises(UserError, match=r"r\.csv: value of row 2 is no number \('about 93'\)"):
        load_reported(Paper("sample", "x", reported=path))
    path.write_text(text.replace("metric,", "metrik,"))
    with pytest.raises(UserError, match=r"r\.csv: column 'metric' is missing"):
        load_reported(Paper("sample", "x", reported=path))
    with pytest.raises(UserError, match="no reported numbers"):
        load_reported(Paper("sample", "x", reported=tmp_path / "no.csv"))


def test_reported_sparsities_match_the_nearest_target(sample_paper, make_record):
    frame = records_frame([make_record(sparsity=p) for p in (0.98, 0.985, 0.99)])
    keys = ["experiment", "method", "variant", "dataset", "architecture", "sparsity"]
    reported = load_reported(sample_paper).iloc[[0]]
    for printed, ours in ((0.98012, [0.98]), (0.9845, []), (0.98499, [0.985]), (0.5, [])):
        pairs = match(frame[keys], reported.assign(sparsity=printed), "test_accuracy_pct")
        assert pairs["sparsity"].tolist() == ours


def test_the_comparison_lists_every_reported_number(sample_paper, sample_records):
    reported = load_reported(sample_paper)
    frame = records_frame(sample_records("quick") + sample_records("paper"))
    table = comparison(frame, reported)
    assert len(table) == len(reported)
    assert table["status"].value_counts().to_dict() == {"compared": 32, "not run": 6}
    assert set(table.loc[table["status"] == "not run", "sparsity"]) == {0.99}
    row = table[(table["method"] == "grasp") & (table["sparsity"] == 0.8)].iloc[0]
    assert row["ours_n"] == 2  # one of three failed
    assert row["difference"] == pytest.approx(row["ours"] - row["reported"])


def test_the_comparison_never_holds_numbers_of_other_protocols(sample_paper, sample_records):
    reported = load_reported(sample_paper)
    table = comparison(records_frame(sample_records("quick")), reported)
    assert set(table["status"]) == {"not run"}
    assert table["ours"].isna().all() and (table["ours_n"] == 0).all()


def test_the_comparison_says_why_there_is_no_number(sample_paper, make_record):
    reported = load_reported(sample_paper)
    paper = {"protocol": "paper", "variant": "original"}
    records = [
        make_record(sparsity=0.4, status="failed", metrics={}, **paper),
        make_record(sparsity=0.8, dataset_fingerprint__complete=False, **paper),
        make_record(sparsity=0.95, **paper),
    ]
    mine = reported[(reported["method"] == "snip") & (reported["variant"] == "original")]
    mine = mine.assign(metric=["test_accuracy_pct", "test_accuracy_pct", "kept_fraction",
                               "test_accuracy_pct", "test_accuracy_pct"])  # fmt: skip
    table = comparison(records_frame(records), mine)
    assert table["status"].tolist() == [
        "failed", "data set incomplete", "not recorded", "not run", "not run",
    ]  # fmt: skip
