"""Writing and checked reading of records, and the long-form frame."""

import json
import math

import pytest

from common.errors import UserError
from common.results.records import load_records, records_frame, write_record


def test_a_record_comes_back_as_it_was(tmp_path, make_record):
    record = make_record()
    write_record(tmp_path / "a" / "r.json", record)
    (loaded,) = load_records(tmp_path)
    order = loaded["ticket"].pop("layer_order")
    assert loaded == record
    assert order == list(record["ticket"]["layer_densities"])


def test_text_is_canonical_and_nothing_else_is_left(tmp_path, make_record):
    write_record(tmp_path / "r.json", make_record(metrics__test_loss=math.nan))
    text = (tmp_path / "r.json").read_text()
    value = json.loads(text)
    assert text == json.dumps(value, indent=1, sort_keys=True) + "\n"
    assert value["metrics"]["test_loss"] is None
    assert [path.name for path in tmp_path.iterdir()] == ["r.json"]


def test_a_failed_write_keeps_the_old_record(tmp_path, make_record):
    path = tmp_path / "r.json"
    write_record(path, make_record(accuracy=80.0))
    with pytest.raises(TypeError):
        write_record(path, make_record(metrics__test_accuracy=81.0, commit=object()))
    assert json.loads(path.read_text())["metrics"]["test_accuracy"] == 80.0
    assert [found.name for found in tmp_path.iterdir()] == ["r.json"]


def test_no_records_folder_is_no_error(tmp_path):
    assert load_records(tmp_path / "records") == []
    assert len(records_frame([])) == 0


def test_a_broken_file_is_named(tmp_path):
    (tmp_path / "broken.json").write_text('{"paper": ')
    with pytest.raises(UserError, match=r"broken\.json.*JSON") as error:
        load_records(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "schema_version is 2, this code reads 1"),
        ({"status": "done"}, "status is 'done', allowed: finished, failed"),
        ({"seed": "0"}, "seed has the wrong type"),
        ({"metrics": None}, "metrics has the wrong type"),
        ({"metrics": {}}, "'metrics.test_accuracy' is missing"),
        ({"metrics": {"test_accuracy": "90"}}, "metrics.test_accuracy is not a number"),
        ({"protocol": "a/b"}, "protocol"),
        ({"config__model": {}}, "config.model.name"),
        ({"config__find__sparsity": "high"}, "config.find.sparsity"),
    ],
)
def test_a_wrong_record_is_named_with_the_field(tmp_path, make_record, change, message):
    (tmp_path / "wrong.json").write_text(json.dumps(make_record(**change)))
    with pytest.raises(UserError, match=r"wrong\.json") as error:
        load_records(tmp_path)
    assert message in str(error.value)


def test_every_missing_key_is_named(tmp_path, make_record):
    for key in ("paper", "experiment", "config", "config_hash", "ticket", "dataset_fingerprint"):
        record = make_record()
        del record[key]
        (tmp_path / "wrong.json").write_text(json.dumps(record))
        with pytest.raises(UserError, match=f"key '{key}' is missing"):
            load_records(tmp_path)


def test_a_failed_run_may_lack_results(tmp_path, make_record):
    record = make_record(status="failed", error="loss is\nnan", metrics={}, ticket=None)
    write_record(tmp_path / "r.json", record)
    frame = records_frame(load_records(tmp_path))
    row = frame.iloc[0]
    assert (row["status"], row["error"]) == ("failed", "loss is nan")
    assert math.isnan(row["ticket_sparsity"])


def test_frame_has_one_row_a_run(make_record):
    record = make_record(sparsity=0.1 + 0.2, metrics__steps=12, metrics__sparsity=0.5)
    frame = records_frame([record, make_record("dense", "none", None, seed=1)])
    dense, snip = frame.to_dict("records")
    assert dense["sparsity"] == 0.0
    assert snip["sparsity"] == 0.3
    assert snip["steps"] == 12 and math.isnan(dense["steps"])
    assert snip["metric_sparsity"] == 0.5
    assert (snip["chance"], snip["test_images"], snip["seconds"]) == (10.0, 10000, 10.0)
    assert (snip["dataset"], snip["architecture"], snip["finder"]) == ("cifar10", "vgg19", "snip")


def test_a_network_of_other_widths_is_not_called_like_the_whole_one(make_record):
    records = [make_record(), make_record(), make_record()]
    for record, factor in zip(records, (1, 1.0, 0.125), strict=True):
        record["config"]["model"] = {"name": "vgg19", "width_mult": factor}
    found = records_frame(records)["architecture"]
    assert sorted(found) == ["vgg19", "vgg19", "vgg19_x0.125"]


def test_a_method_without_target_has_no_sparsity(make_record):
    frame = records_frame([make_record("aslp", "none", None)])
    assert math.isnan(frame["sparsity"][0])


def test_frame_does_not_depend_on_the_order_of_records(sample_records):
    records = sample_records("quick")
    frame, other = records_frame(records), records_frame(records[::-1])
    assert frame.drop(columns="layer_densities").equals(other.drop(columns="layer_densities"))


def test_config_values_become_columns_when_asked_for(make_record):
    frame = records_frame([make_record()], ("config.train.lr", "config.train.no"))
    assert frame["config.train.lr"][0] == 0.1
    assert frame["config.train.no"].isna().all()


def test_layers_keep_the_order_of_the_network(tmp_path, make_record):
    densities = {"stem.weight": 0.5, "blocks.10.weight": 0.1, "blocks.2.weight": 0.2}
    write_record(tmp_path / "r.json", make_record(ticket__layer_densities=densities))
    frame = records_frame(load_records(tmp_path))
    assert list(frame["layer_densities"][0]) == list(densities)


def test_known_datasets_agree_with_the_registry():
    from common.data.registry import DATASETS
    from common.results.datasets import KNOWN

    for name, spec in DATASETS.items():
        assert (KNOWN[name].classes, KNOWN[name].test_images) == (spec.num_classes, spec.test_count)


def test_classes_of_the_fingerprint_set_the_chance_level(make_record):
    frame = records_frame(
        [
            make_record(dataset_fingerprint__classes=4),
            make_record(seed=1, config__data={"name": "flowers"}),
        ]
    )
    by_seed = frame.set_index("seed")["chance"]
    assert by_seed[0] == 25.0 and math.isnan(by_seed[1])
