"""A file of many runs on the command line: one call computes all of them."""

SWEEP = {"find.sparsity": [0.5, 0.8]}


def names(line):
    return {name: record["protocol"] for name, record in line.records().items()}


def test_one_call_computes_every_run_of_a_sweep(command_line, raw_run):
    path = command_line.write(raw_run() | {"sweep": SWEEP})
    assert command_line("--config", path) == 0
    assert names(command_line) == {"tiny_0.5-s0": "test", "tiny_0.8-s0": "test"}
    records = command_line.records().values()
    assert sorted(round(record["ticket"]["sparsity"], 2) for record in records) == [0.5, 0.8]
    assert all("sweep" not in record["config"] for record in records)


def test_a_setting_to_a_swept_value_is_that_run_and_another_value_is_not(command_line, raw_run):
    """A record of other numbers than the protocol's never stands in the protocol's tables."""
    path = command_line.write(raw_run() | {"sweep": SWEEP})
    assert command_line("--config", path, "--set", "find.sparsity=0.8") == 0
    assert names(command_line) == {"tiny-s0": "test"}
    assert command_line("--config", path, "--set", "train.epochs=1") == 0
    assert names(command_line) == {
        "tiny-s0": "test",
        "tiny_0.5-s0": "test_modified",
        "tiny_0.8-s0": "test_modified",
    }


def test_a_mistake_in_a_sweep_is_bad_usage(command_line, raw_run, capsys):
    path = command_line.write(raw_run() | {"sweep": {"find.sparsty": [0.5]}})
    assert command_line("--config", path) == 2
    error = capsys.readouterr().err
    assert "unknown key 'sparsty'; did you mean 'sparsity'" in error and error.count("\n") == 1
