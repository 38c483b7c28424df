"""Small networks, a few digits, and searches and runs on them with this paper's methods."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from common.config import parse_config
from common.data import Batches, Dataset
from common.finders import FindInputs, Found, Workshop
from common.models import build_model
from common.pipeline import Context, RunPlan, compute_phase, finish_run, plan_run
from common.randomness import generator
from common.tickets import Ticket
from common.tracking import Workspace
from common.training import Row, TrainData, TrainHooks, evaluate
from replications.rare_gems.methods import METHODS

PLAIN = {"bn_affine": False, "init": "signed_constant"}
NETWORKS: dict[str, dict[str, Any]] = {
    "fc": {"hidden": [12], "image_size": 16, "init": "signed_constant"},
    "small_cnn": {"width": 2, "classifier": "conv", "classifier_bias": False, **PLAIN},
    "resnet8": {"width": 2, "init": "signed_constant"},  # with affine norm layers and a bias
    "resnet18": {"width": 2, "stem": "imagenet", "classifier_bias": False, **PLAIN},
}


@dataclass
class Search:
    """A finished search: what was found, a row an epoch, the tickets saved on the way."""

    rows: list[Row] = field(default_factory=list)
    saved: dict[str, Ticket] = field(default_factory=dict)
    found: Found | None = None
    data: TrainData | None = None

    @property
    def ticket(self) -> Ticket:
        assert self.found is not None
        return self.found.ticket

    def accuracy(self, model: nn.Module) -> float:
        """Return a network's accuracy on the test images of the search."""
        assert self.data is not None
        return evaluate(model, self.data.test)[1]


@pytest.fixture(scope="session")
def network() -> Callable[[str], nn.Module]:
    """Return a function that builds a network for the digits, the same every time."""

    def build(name: str) -> nn.Module:
        draw = generator(0, "initialise")
        model = build_model(name, num_classes=10, in_channels=1, generator=draw, **NETWORKS[name])
        return model.to(memory_format=torch.channels_last)

    return build


@pytest.fixture(scope="session")
def few_digits(digits: Dataset) -> TrainData:
    """Return 120 training, 60 validation and 60 test digits in batches of 40."""

    def batches(split, count):
        return Batches(split.select(torch.arange(count)), 40, digits.normalization())

    return TrainData(
        batches(digits.train, 120), batches(digits.test, 60), batches(digits.validation, 60)
    )


@pytest.fixture(scope="session")
def search(network, few_digits) -> Callable[..., Search]:
    """Return a function that runs a finder which learns a mask, with options as in a config."""

    def go(find: str, model: str = "fc", *, hooks: dict[str, Any] | None = None, **given) -> Search:
        finder = METHODS.finders[find]
        options = finder.options.model_validate({"name": find} | given)
        done = Search(data=few_digits)

        def on_epoch(row: Row) -> None:
            done.rows.append(row)
            (hooks or {}).get("on_epoch", lambda _: None)(row)

        workshop = Workshop(
            lambda size, augment: few_digits,
            lambda *_: nullcontext(TrainHooks(**{**(hooks or {}), "on_epoch": on_epoch})),
            seed=0,
            device=torch.device("cpu"),
            save_ticket=done.saved.__setitem__,
        )
        (stage,) = finder.stages(options)
        inputs = FindInputs(
            network(model), None, options, lambda *key: generator(0, *key), workshop=workshop
        )
        done.found = stage.find(inputs)
        return done

    return go


def compute_run(context: Context, find: dict[str, Any], model: str = "fc", **fields):
    """Compute a whole run on the digits; return its plan and its record."""
    raw = {
        "paper": "rare_gems",
        "experiment": "test",
        "protocol": "test",
        "name": "tiny",
        "method": find["name"],
        "variant": "standard",
        "data": {"name": "digits", "augment": None, "subset": {"count": 250}},
        "model": {"name": model, **NETWORKS[model]},
        "find": find,
        "train": None,
        "precision": "float32",
        **fields,
    }
    config = parse_config(raw, METHODS.catalog())
    content = context.dataset("digits").fingerprint["sha256"]
    plan = plan_run(config, 0, METHODS, content)
    for phase in plan.phases:
        compute_phase(phase, context)
    return plan, finish_run(plan, context)


@pytest.fixture
def run(context: Context) -> Callable[..., tuple[RunPlan, dict[str, Any]]]:
    """Return a function that computes a whole run on the digits: its plan and its record."""
    return partial(compute_run, context)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Context:
    """Return a place to compute in that the tests of a file share."""
    root = tmp_path_factory.mktemp("shared")
    workspace = Workspace(root / "runs", root / "results", root / "data")
    return Context(workspace, threads=1, checkpoint_seconds=60.0, progress=False)


@pytest.fixture(scope="module")
def run_shared(shared: Context) -> Callable[..., tuple[RunPlan, dict[str, Any]]]:
    """Return the same function for that place: runs of a file share their phases."""
    return partial(compute_run, shared)
