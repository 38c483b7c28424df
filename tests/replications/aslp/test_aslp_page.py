"""The page's table of options, and the claims, name things that exist."""

import re

import pytest
from pydantic import BaseModel

from common.config.schema import RunConfig
from common.launch.arguments import build_parser
from common.launch.discovery import REPLICATIONS
from common.models import model_options
from common.models.initialisation import resolve_scheme
from common.results.claims import NOT_RUN, evaluate
from common.results.records import records_frame
from replications.aslp.methods import METHODS
from replications.aslp.paper import PAPER

HERE = REPLICATIONS / "aslp"
PAGE = (HERE / "README.md").read_text(encoding="utf-8")
FINDERS = [METHODS.catalog().finders[name] for name in ("aslp", "supermask", "edge_popup")]


def table_after(heading):
    """Return the rows of the first table after a heading, less its two head lines."""
    lines = PAGE.split(heading, 1)[1].lstrip().splitlines()
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows[2:]


OPTIONS = table_after("### The options of the original program\n")


def fields(cells):
    return re.findall(r"`((?:data|model|find)\.[\w.]+)", " ".join(cells))


def walk(classes, path):
    """Tell whether one of the classes has a field at a dotted path."""
    name, _, rest = path.partition(".")
    for one in classes:
        if name not in one.model_fields:
            continue
        if not rest:
            return True
        inner = one.model_fields[name].annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            return walk([inner], rest)
    return False


def exists(path):
    section, _, rest = path.partition(".")
    if section == "find":
        return walk(FINDERS, rest)
    if section == "data":
        return walk([RunConfig.model_fields["data"].annotation], rest)
    if rest.startswith("init_options."):
        value = {"bias": 0.0, "fan_scale": 0.5, "scope": "conv"}[rest.split(".")[1]]
        resolve_scheme("signed_constant_empirical", {rest.split(".")[1]: value})
        return True
    return rest == "name" or rest in model_options("conv4")


def test_the_table_has_every_flag_and_hidden_key_of_the_original():
    named = " ".join(row[0] for row in OPTIONS)
    for flag in (
        *("--lr", "--momentum", "--batch-size", "--strategy", "--weight-rescale"),
        *("--signed-constant", "--network", "--name", "--data-path", "--prune-and-test"),
        *("--no-data-augmentation", "--no-data-augment", "dataset", "val_split", "max_epochs"),
        *("patience", "target_sparsity", "init_scheme", "init_value", "sp_lr", "mask_wd"),
        *("hard_gumbel", "gumbel_tau", "bias_value", "scale_fan"),
    ):
        assert flag in named, flag


def test_every_field_that_the_page_names_exists():
    named = fields(row[1] for row in OPTIONS)
    assert len(set(named)) > 25
    wrong = [path for path in fields([PAGE]) if not exists(path)]
    assert not wrong
    assert not exists("find.search.patiense")
    assert not exists("model.widht_mult")


def test_every_flag_of_ours_in_the_table_exists():
    ours = {flag for row in OPTIONS for flag in re.findall(r"`(--[\w-]+)", row[1])}
    assert ours == {"--wandb-run-name", "--data-root", "--seeds"}
    known = build_parser("aslp", ["quick"]).format_help()
    assert all(flag in known for flag in ours)


def test_the_original_s_examples_have_their_configs():
    rows = table_after("### The commands of the original README\n")
    paths = [re.search(r"replications/aslp/(configs/\S+\.json)", row[1]).group(1) for row in rows]
    assert len(paths) == 3
    for path in paths:
        assert (HERE / path).is_file(), path


@pytest.fixture(scope="module")
def frame(presets):
    """Return a frame with one run of every config and seed, all with the same numbers."""
    metrics = ("test_accuracy", "found_test_accuracy", "search_epochs")
    metrics += ("search_train_loss", "search_seconds_per_epoch")
    records = []
    for runs in presets.values():
        for run in runs.values():
            for seed in run.seeds:
                record = {
                    "paper": run.paper,
                    "experiment": run.experiment,
                    "protocol": run.protocol,
                    "config": run.model_dump(mode="json", exclude={"seeds"}),
                    "config_hash": run.name,
                    "seed": seed,
                    "status": "finished",
                    "metrics": dict.fromkeys(metrics, 50.0),
                    "ticket": {},
                    "timing": {},
                    "environment": {},
                    "dataset_fingerprint": {},
                }
                records.append(record)
    return records_frame(records)


@pytest.mark.parametrize("protocol", ["paper", "quick"])
def test_every_claim_finds_its_runs_one_config_a_cell(frame, protocol):
    evaluated = [result for result in evaluate(PAPER, frame, protocol) if result.cells]
    decided = {result.claim.id.split("-")[0] for result in evaluated}
    every = {"C1", "C2", "C3", "C4", "C5", "C6", "C7"}
    assert decided == (every if protocol == "paper" else {"C1", "C2", "C4", "C6"})
    for result in evaluated:
        for comparison in range(len(result.claim.comparisons)):
            cells = [cell for cell in result.cells if cell.comparison == comparison]
            assert cells
            for cell in cells:
                assert cell.verdict != NOT_RUN
                assert cell.seeds == (0, 1, 2)
                assert cell.reason == "", (result.claim.id, cell.cell, cell.reason)


def test_the_cells_of_the_claims_on_reported_numbers(frame):
    found = {result.claim.id: result for result in evaluate(PAPER, frame, "paper")}
    assert len([cell for cell in found["C2"].cells if cell.comparison == 0]) == 12
    assert len(found["C3"].cells) == 4
    assert {cell.cell["architecture"] for cell in found["C6"].cells} == {"conv4", "conv6"}
    assert len(found["C7"].cells) == 3
