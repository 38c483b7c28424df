"""The mirror to Weights & Biases: real wandb without a network, and nothing when disabled."""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.tracking import PhaseLabels, WandbMirror, WandbSettings, read_metrics

ENTITY, PROJECT, NAME = "somebody", "some-project", "my name"


BLOCK, FILE_HEADER, CHUNK_HEADER = 32768, struct.Struct("<4sHB"), struct.Struct("<IHB")
LAST_CHUNKS = (1, 4)  # a whole record, the end of a record


def stored(path: Path) -> Iterator[Any]:
    """Read the records of a wandb file: protocol buffers in the chunks of a LevelDB log."""
    from wandb.proto import wandb_internal_pb2

    data = path.read_bytes()
    assert not data or FILE_HEADER.unpack_from(data)[0] == b":W&B"
    place, parts = FILE_HEADER.size, b""
    while place + CHUNK_HEADER.size <= len(data):
        if BLOCK - place % BLOCK < CHUNK_HEADER.size:  # the rest of a block is padding
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = CHUNK_HEADER.unpack_from(data, place)
        place += CHUNK_HEADER.size
        if place + length > len(data):  # still being written
            return
        parts += data[place : place + length]
        place += length
        if kind in LAST_CHUNKS:
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def values(items: Any) -> dict[str, Any]:
    """Return wandb's key and JSON pairs as a dict."""
    return {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in items}


class Mirrored:
    """One wandb run as it lies on the disk."""

    def __init__(self, path: Path) -> None:
        # wandb's own process writes the file and may be a moment behind the end of the run.
        deadline = time.monotonic() + 20
        while True:
            records = list(stored(path))
            if any(r.HasField("exit") for r in records) or time.monotonic() > deadline:
                break
            time.sleep(0.05)
        (self.run,) = [r.run for r in records if r.HasField("run")]
        self.config = values(self.run.config.update)
        self.rows = [values(r.history.item) for r in records if r.HasField("history")]
        self.summary: dict[str, Any] = {}
        for record in records:
            if record.HasField("summary"):
                self.summary |= values(record.summary.update)
        self.exit_codes = [r.exit.exit_code for r in records if r.HasField("exit")]
        self.artifacts = [
            r.request.log_artifact.artifact
            for r in records
            if r.HasField("request") and r.request.HasField("log_artifact")
        ] + [r.artifact for r in records if r.HasField("artifact")]


@pytest.fixture(scope="module")
def wandb_settings():
    """Keep wandb's own files, and the variables it sets, out of the machine's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_SILENT", "true")
        for name in ("WANDB_MODE", "WANDB_DIR", "WANDB_PROJECT", "WANDB_ENTITY", "WANDB_RUN_ID"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="module")
def offline(tmp_path_factory, command_line_in, raw_run, wandb_settings):
    """Return the command line after an offline run, and what wandb stored by job type."""
    line = command_line_in(tmp_path_factory.mktemp("offline"))
    options = ("--wandb-entity", ENTITY, "--wandb-project", PROJECT)
    assert line("--config", line.write(raw_run()), "--wandb", "offline", *options) == 0
    found = [Mirrored(path) for path in (line.runs / "wandb").glob("offline-run-*/run-*.wandb")]
    return line, {one.run.job_type: one for one in found}


@pytest.mark.slow
def test_every_phase_is_a_run_with_a_stable_id(offline):
    line, runs = offline
    assert set(runs) == {"find", "train"}
    for kind, one in runs.items():
        (folder,) = line.phases(kind)
        assert one.run.run_id == folder.name
        assert (one.run.entity, one.run.project) == (ENTITY, PROJECT)
        assert one.exit_codes == [0]


@pytest.mark.slow
def test_group_is_the_experiment_and_tags_tell_paper_method_data_and_model(offline):
    for one in offline[1].values():
        assert one.run.run_group == "engine"
        assert set(one.run.tags) >= {"sanity_checking", "digits", "random", "fc"}
        assert "tiny" in one.run.display_name


@pytest.mark.slow
def test_the_resolved_config_is_there(offline):
    line, runs = offline
    resolved = json.loads((line.only_run() / "config.json").read_text())
    for one in runs.values():
        for key in ("data", "model", "find", "train", "precision"):
            assert one.config[key] == resolved[key]


@pytest.mark.slow
def test_history_and_summary_are_those_of_the_local_files(offline):
    line, runs = offline
    rows = read_metrics(line.phases("train")[0] / "metrics.jsonl")
    assert len(runs["train"].rows) == len(rows) == 2
    for mirrored, local in zip(runs["train"].rows, rows, strict=True):
        assert mirrored["_step"] == local["epoch"]
        for key in ("lr", "train_loss", "test_accuracy"):
            assert mirrored[key] == local[key]
    record = line.records()["tiny-s0"]
    of_the_whole_run = {"prefinetune_test_accuracy", "search_epochs"}
    assert of_the_whole_run < set(record["metrics"])
    for key in set(record["metrics"]) - of_the_whole_run:
        assert runs["train"].summary[key] == record["metrics"][key]
    assert runs["find"].summary["sparsity"] == record["ticket"]["sparsity"]


@pytest.mark.slow
def test_the_ticket_is_an_artifact(offline):
    _, runs = offline
    (artifact,) = runs["find"].artifacts
    assert artifact.type == "ticket"
    assert [Path(entry.path).name for entry in artifact.manifest.contents] == ["ticket.safetensors"]
    assert runs["train"].artifacts == []


@pytest.mark.slow
def test_a_phase_that_failed_is_marked_and_a_name_can_be_given(tmp_path, wandb_settings):
    settings = WandbSettings("offline", run_name=NAME, directory=tmp_path)
    labels = PhaseLabels("tiny train", "engine", "train", ("digits",))
    with (
        pytest.raises(RuntimeError, match="diverged"),
        WandbMirror(settings, "abc123", labels, {"lr": 0.1}) as mirror,
    ):
        mirror.log({"epoch": 0, "train_loss": 1.0})
        raise RuntimeError("diverged")
    (path,) = tmp_path.glob("wandb/offline-run-*/run-abc123.wandb")
    one = Mirrored(path)
    assert one.run.display_name == NAME
    assert one.exit_codes == [1]


def test_disabled_imports_and_writes_nothing(command_line, raw_run, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)  # importing it would now raise ImportError
    assert command_line("--config", command_line.write(raw_run())) == 0
    assert not list(command_line.root.rglob("*wandb*"))
    with (
        pytest.raises(ImportError),
        WandbMirror(WandbSettings("offline"), "x", PhaseLabels("", "", "", ()), {}),
    ):
        pass
