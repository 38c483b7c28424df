"""Files that hold many runs, and the second spellings of iterative pruning and transfer."""

import json

import pytest

from common.config import config_hash, load_config, load_configs, parse_config
from common.errors import UserError
from common.pipeline import Methods

LATE = {"to": "epoch", "epoch": 0, "scope": "all", "restart": True}
FILE = {
    **{"paper": "p", "experiment": "e", "protocol": "test", "name": "curve", "method": "imp"},
    "variant": "own",
    "data": {"name": "digits_b", "augment": None, "normalization": "half"},
    "model": {"name": "small_cnn", "width": 4},
    "find": {"name": "imp", "train": {"epochs": 4}, "rewind": LATE},
    "train": {"epochs": 4},
    "sweep": {"find.sparsity": [0, 0.2, 0.36]},
}
ONE = {key: value for key, value in FILE.items() if key != "sweep"} | {
    "find": FILE["find"] | {"rounds": 2}
}


@pytest.fixture(scope="module")
def catalog():
    return Methods().catalog()


@pytest.fixture
def runs(tmp_path, catalog):
    """Return a function that writes a file and loads its runs under some settings."""

    def load(raw, *settings):
        path = tmp_path / "curve.json"
        path.write_text(json.dumps(raw), encoding="utf-8")
        return load_configs(path, catalog, settings)

    return load


def changed(raw, section, **values):
    return raw | {section: raw.get(section, {}) | values}


def hashes(configs):
    return [config_hash(config) for config in configs]


# --- sweeps


def test_a_sweep_stands_for_a_run_of_every_value(runs):
    found = runs(FILE)
    assert [run.name for run in found] == ["curve_0", "curve_0.2", "curve_0.36"]
    assert [run.find.sparsity for run in found] == [0, 0.2, 0.36]
    assert [run.find.number_of_rounds for run in found] == [0, 1, 2]


def test_a_run_of_a_sweep_is_the_run_of_a_file_of_its_own(runs, catalog):
    by_hand = []
    for sparsity in (0, 0.2, 0.36):
        raw = {key: value for key, value in FILE.items() if key != "sweep"}
        by_hand.append(parse_config(changed(raw, "find", sparsity=sparsity), catalog))
    assert hashes(runs(FILE)) == hashes(by_hand)
    assert len(set(hashes(by_hand))) == 3


def test_two_swept_keys_are_every_pair(runs):
    sweep = {"find.sparsity": [0.2, 0.36], "train.lr": [0.1, 0.01]}
    found = runs(FILE | {"sweep": sweep})
    assert [run.name for run in found] == [
        f"curve_{sparsity}_{rate}" for sparsity in (0.2, 0.36) for rate in (0.1, 0.01)
    ]
    assert len(set(hashes(found))) == 4


def test_a_file_without_a_sweep_or_with_an_empty_one_is_one_run(runs):
    for raw in (ONE, ONE | {"sweep": {}}):
        (run,) = runs(raw)
        assert run.name == "curve"


def test_a_setting_of_the_swept_key_takes_the_place_of_the_sweep(runs):
    for setting in ("find.sparsity=0.36", "sparsity=0.36", 'find={"name": "imp", "rounds": 2}'):
        (run,) = runs(FILE, setting)
        assert run.name == "curve" and run.find.number_of_rounds == 2
    assert hashes(runs(FILE, "sparsity=0.36")) == hashes(runs(FILE))[2:]


def test_a_setting_of_one_of_two_swept_keys_leaves_the_other(runs):
    sweep = {"find.sparsity": [0.2, 0.36], "train.lr": [0.1, 0.01]}
    found = runs(FILE | {"sweep": sweep}, "train.lr=0.5")
    assert [(run.name, run.train.lr) for run in found] == [("curve_0.2", 0.5), ("curve_0.36", 0.5)]


def test_another_setting_holds_for_all_runs(runs):
    found = runs(FILE, "train.lr=0.5", "seeds=[3, 4]")
    assert len(found) == 3 and len(set(hashes(found))) == 3
    assert {(run.train.lr, run.seeds) for run in found} == {(0.5, (3, 4))}


def test_a_sweep_may_be_over_names_lists_and_nothing(runs):
    sweep = {"data.name": ["digits_a", "digits_b"], "transform": [[], ["random_global"]]}
    raw = FILE | {"sweep": sweep, "find": ONE["find"]}
    assert [run.name for run in runs(raw)] == [
        *("curve_digits_a_none", "curve_digits_a_random_global"),
        *("curve_digits_b_none", "curve_digits_b_random_global"),
    ]
    found = runs(ONE | {"sweep": {"seeds": [[1], [2, 3]]}})
    assert [run.seeds for run in found] == [(1,), (2, 3)], "equal but for their seeds"


@pytest.mark.parametrize(
    ("sweep", "message"),
    [
        ([0.2], "sweep must be an object, found list"),
        ({"find.sparsity": []}, r"sweep\.find\.sparsity must be a list of one or more values"),
        ({"find.sparsity": 0.2}, r"sweep\.find\.sparsity must be a list of one or more values"),
        ({"find.sparsty": [0.2]}, r"find: unknown key 'sparsty'; did you mean 'sparsity'"),
        ({"fnd.sparsity": [0.2]}, r"unknown key 'fnd'; did you mean 'find'"),
        ({"name.x": [1]}, r"sweep\.name\.x: name is 'curve' and has no keys"),
        ({"find.sparsity": [0.2, 0.5]}, r"sparsity 0\.5 is none that whole rounds reach"),
    ],
)
def test_a_sweep_that_cannot_be_is_one_clear_line(runs, sweep, message):
    with pytest.raises(UserError, match=message) as caught:
        runs(FILE | {"sweep": sweep})
    assert "\n" not in str(caught.value)
    assert "curve.json" in str(caught.value)


def test_where_one_run_is_expected_many_are_refused(tmp_path, catalog):
    path = tmp_path / "curve.json"
    path.write_text(json.dumps(FILE), encoding="utf-8")
    with pytest.raises(UserError, match=r"holds 3 runs \(sweep\), where one is expected"):
        load_config(path, catalog)
    assert load_config(path, catalog, ["find.sparsity=0.2"]).find.sparsity == 0.2


# --- second spellings


def test_rate_is_the_fraction_of_a_round(runs):
    first = runs(changed(ONE, "find", fraction_per_round=0.5))
    assert hashes(runs(changed(ONE, "find", rate=0.5))) == hashes(first)
    assert hashes(runs(ONE, "find.rate=0.5")) == hashes(first)
    already = changed(ONE, "find", fraction_per_round=0.3)
    assert hashes(runs(already, "find.rate=0.5")) == hashes(first), "a setting replaces"
    with pytest.raises(UserError, match=r"find\.rate: 0\.5, but find\.fraction_per_round is 0\.3"):
        runs(changed(already, "find", rate=0.5))


@pytest.mark.parametrize(
    ("epoch", "rewind"),
    [
        (0, {"to": "init", "scope": "all"}),
        (1, LATE),
        (2, LATE | {"epoch": 1}),
    ],
)
def test_rewind_epoch_counts_whole_epochs(runs, epoch, rewind):
    without = {key: value for key, value in ONE["find"].items() if key != "rewind"}
    first = runs(ONE | {"find": without | {"rewind": rewind}})
    assert hashes(runs(ONE | {"find": without | {"rewind_epoch": epoch}})) == hashes(first)
    assert hashes(runs(ONE, f"find.rewind_epoch={epoch}")) == hashes(first), "a setting replaces"


@pytest.mark.parametrize(
    ("epoch", "message"),
    [
        ("-1", r"find\.rewind\.epoch: .*found -1"),
        ("true", r"find\.rewind\.epoch: .*found True"),
        ("1.5", r"find\.rewind\.epoch: .*found 1\.5"),
    ],
)
def test_what_is_no_number_of_epochs_is_refused(runs, epoch, message):
    with pytest.raises(UserError, match=message):
        runs(ONE, f"find.rewind_epoch={epoch}")


def test_a_source_that_is_just_a_name_is_otherwise_as_the_target(runs):
    raw = ONE | {"transfer": {"source": "digits_a", "mask": "target"}}
    spelled = changed(raw, "transfer", source=ONE["data"] | {"name": "digits_a"})
    assert hashes(runs(raw)) == hashes(runs(spelled))
    batched = changed(raw, "data", batch_size=64)
    assert runs(batched)[0].transfer.source == runs(raw)[0].transfer.source
    assert runs(batched)[0].find.train.batch_size == 64
    (run,) = runs(raw, "data.channels=3")
    assert run.transfer.source.channels == run.data.channels == 3
    (run,) = runs(raw, "transfer.source.channels=3")
    assert (run.transfer.source.channels, run.data.channels) == (3, None)
    (run,) = runs(spelled, "data.channels=3")
    assert run.transfer.source.channels is None, "a section says what it says"
    (run,) = runs(spelled, "transfer.source=digits")
    assert run.transfer.source == run.data.model_copy(update={"name": "digits"})


def test_the_target_is_the_run_s_own_data_set(runs):
    raw = ONE | {"transfer": {"source": "digits_a", "target": "digits_b"}}
    assert hashes(runs(raw)) == hashes(runs(ONE | {"transfer": {"source": "digits_a"}}))
    (run,) = runs(raw, "transfer.target=digits")
    assert (run.data.name, run.transfer.source.name) == ("digits", "digits_a")
    with pytest.raises(
        UserError, match=r"transfer\.target: 'digits', but data\.name is 'digits_b'"
    ):
        runs(changed(raw, "transfer", target="digits"))
