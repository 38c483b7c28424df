"""The export: tidy tables that other tools read, joined by the run's name, and metadata."""

import json

import pandas as pd
import pytest
import yaml

from common.results.export import export, layer_table, metadata, run_table
from common.results.generate import generate
from common.results.records import load_records, records_frame
from common.results.reported import load_reported
from common.results.verdict_files import PaperVerdicts
from common.results.verdicts import number_verdicts

CURVES = {"epoch": [1, 2, 5], "test_accuracy": [50.0, None, 90.0], "train_loss": [2, 1, 0.5]}


@pytest.fixture
def exported(tmp_path, sample_paper, make_record, store):
    """Return the folder of an export of four runs and their records."""
    records = [make_record(seed=n, accuracy=90.0 + n, protocol="paper") for n in range(3)]
    records[0]["training"] = CURVES
    records[1]["search"] = {"curves": CURVES}
    records[2]["config"]["train"] = {"lr": 0.1, "milestones": [80, 120], "nesterov": True}
    records.append(make_record(method="grasp", status="failed", metrics={}, error="no luck"))
    root = store(tmp_path / "results", records)
    loaded = load_records(root / "records")
    frame = records_frame(loaded)
    numbers = number_verdicts(sample_paper, frame, load_reported(sample_paper))
    export(tmp_path / "mine", loaded, [PaperVerdicts(sample_paper, numbers, {})])
    return tmp_path / "mine", loaded


@pytest.mark.parametrize("name", ["runs", "curves", "layers", "numbers"])
def test_both_formats_hold_the_same_table(exported, name):
    folder, _ = exported
    parquet, csv = pd.read_parquet(folder / f"{name}.parquet"), pd.read_csv(folder / f"{name}.csv")
    assert len(parquet) > 0 and list(parquet.columns) == list(csv.columns)
    for column in parquet.columns:
        ours, theirs = parquet[column], csv[column]
        if pd.api.types.is_numeric_dtype(ours):
            assert ours.astype(float).tolist() == pytest.approx(
                theirs.astype(float).tolist(), nan_ok=True
            )
        else:
            shown = ["" if pd.isna(value) else str(value) for value in ours]
            assert shown == ["" if pd.isna(value) else str(value) for value in theirs]


def test_a_run_has_its_names_its_metrics_and_its_whole_config(exported):
    folder, records = exported
    runs = pd.read_parquet(folder / "runs.parquet")
    assert len(runs) == len(records) and runs["run_id"].is_unique
    row = runs[(runs["seed"] == 2) & (runs["method"] == "snip")].iloc[0]
    assert (row["test_accuracy"], row["config.train.lr"]) == (92.0, 0.1)
    assert row["config.train.milestones"] == "[80, 120]"
    assert row["config.find.sparsity"] == row["sparsity"] == 0.9
    assert row["config.train.nesterov"]
    assert runs["config.train.nesterov"].isna().sum() == 3, "not every run says so"
    assert runs.loc[runs["status"] == "failed", "error"].tolist() == ["no luck"]


def test_curves_and_layers_join_the_runs(exported):
    folder, records = exported
    runs = pd.read_parquet(folder / "runs.parquet").set_index("run_id")
    curves = pd.read_parquet(folder / "curves.parquet")
    assert len(curves) == 2 * 5, "five measured values; a missing one has no row"
    training = curves[curves["part"] == "training"]
    assert runs.loc[training["run_id"].unique(), "seed"].tolist() == [0]
    accuracy = training[training["metric"] == "test_accuracy"]
    assert accuracy[["epoch", "value"]].to_numpy().tolist() == [[1, 50.0], [5, 90.0]]
    layers = pd.read_parquet(folder / "layers.parquet")
    first = layers[layers["run_id"] == layers["run_id"].iloc[0]]
    assert first["position"].tolist() == list(range(11))
    assert dict(zip(first["layer"], first["density"])) == records[0]["ticket"]["layer_densities"]
    assert set(layers["run_id"]) <= set(runs.index)


def test_no_run_gives_empty_tables_with_their_columns():
    columns = ["paper", "experiment", "run_id", "position", "layer", "density"]
    assert list(layer_table([]).columns) == columns
    assert len(run_table([])) == 0


def test_the_metadata_are_those_of_a_replication(exported, sample_paper):
    folder, _ = exported
    found = yaml.safe_load((folder / "sample.metadata.yaml").read_text())
    assert found["title"] == f"[Re] {sample_paper.title}"
    assert found["type"] == "Replication"
    assert {"url": "https://arxiv.org/abs/0000.00000"} in found["replication"]
    numbers = pd.read_csv(folder / "numbers.csv")
    assert f"Of {len(numbers)} reported numbers" in found["abstract"]
    assert found == metadata(
        PaperVerdicts(sample_paper, numbers.rename(columns={}), {})
    )  # it follows from the verdicts alone


def test_the_results_command_exports_all_papers(tmp_path, sample_paper, sample_records, store):
    root = store(tmp_path / "results", sample_records("quick"))
    generate({"sample": sample_paper}, root, export_to=tmp_path / "mine")
    runs = pd.read_parquet(tmp_path / "mine" / "runs.parquet")
    records = [json.loads(path.read_text()) for path in (root / "records").rglob("*.json")]
    assert len(runs) == len(records)
    text = (tmp_path / "mine" / "README.md").read_text()
    assert f"## runs: {len(runs)} rows" in text and "`test_accuracy` (float64)" in text
