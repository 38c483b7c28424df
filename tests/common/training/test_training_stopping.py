"""Early stopping: the numbers of the fork's schedules, and trainings that stop and resume."""

import pytest
import torch

from common.config import TrainConfig
from common.data import Augment, Batches
from common.errors import UserError
from common.masks import SearchConfig
from common.models import build_model
from common.randomness import generator
from common.training import (
    LAST_LOSS,
    CheckpointStore,
    Moment,
    TrainData,
    TrainHooks,
    cpu_state,
    early_stopped_rate,
    flagged_after,
    learning_rate,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
# Epochs count from 0 here: a rate that falls at the start of the 80th epoch falls at 79.
VGG19 = {"epochs": 160, "milestones": (79, 119), "lr": 0.1}
RESNET50 = {"epochs": 90, "milestones": (49, 64, 79), "lr": 0.1}
ALEXNET = {"epochs": 500, "milestones": (449, 469, 479, 489), "lr": 0.01}
FORK_VGG19 = VGG19 | {"lr": 0.01}


def recipe(fields, patience=10, **more):
    return TrainConfig.model_validate(fields | {"early_stopping": {"patience": patience}} | more)


def simulate(config, loss):
    """Return the rates of all epochs of a training whose last losses are given by the epoch."""
    losses, rates = [], []
    while len(losses) < config.epochs:
        rate = early_stopped_rate(config, losses)
        if rate is None:
            break
        rates.append(rate)
        losses.append(loss(len(losses)))
    return rates


@pytest.mark.parametrize(
    ("fields", "last"), [(VGG19, 120), (FORK_VGG19, 120), (RESNET50, 65), (ALEXNET, 470)]
)
def test_no_training_outlives_the_epoch_of_its_second_milestone(fields, last):
    """The losses fall for ever, so that the patience never runs out."""
    config = recipe(fields)
    rates = simulate(config, lambda epoch: 1 / (epoch + 1))
    assert len(rates) == last
    assert rates == [learning_rate(config, epoch) for epoch in range(last)]
    assert rates[-1] == pytest.approx(config.lr / 100)


@pytest.mark.parametrize(("fields", "last"), [(VGG19, 120), (RESNET50, 65), (ALEXNET, 470)])
@pytest.mark.parametrize("seed", range(5))
def test_nor_does_one_with_other_losses(fields, last, seed):
    draw = torch.rand(last + 1, generator=torch.Generator().manual_seed(seed)).tolist()
    assert len(simulate(recipe(fields), lambda epoch: draw[epoch])) <= last


def test_a_loss_that_stands_still_halves_the_rate_until_it_is_too_low():
    """Epochs 2 to 4 bring nothing: the flag is set; below 0.1 / 30 after five halvings."""
    rates = simulate(recipe(VGG19, patience=3), lambda epoch: 1.0)
    assert rates == [0.1] * 4 + [0.1 / 2**n for n in range(1, 6)]
    assert rates[-1] < 0.1 / 30 < rates[-2]


def test_the_flag_is_never_cleared():
    """The loss falls again from the fifth epoch on, and the rate is halved all the same."""
    losses = [1.0, 2.0, 2.0, 2.0, 0.5, 0.4, 0.3]
    assert flagged_after(losses, 3) == 3
    config = recipe(VGG19, patience=3)
    assert early_stopped_rate(config, losses) == pytest.approx(0.1 / 2**4)


def test_a_lower_loss_starts_the_count_anew():
    assert flagged_after([3, 4, 4, 2, 3, 3], 3) is None
    assert flagged_after([3, 4, 4, 2, 3, 3, 3], 3) == 6
    assert flagged_after([3, 3, 3], 2) == 2, "an equal loss is no lower one"
    assert flagged_after([], 1) is None


def test_a_milestone_and_a_halving_go_together():
    config = recipe({"epochs": 9, "milestones": (3,), "lr": 0.8, "gamma": 0.5}, patience=2)
    # Flagged after the third epoch; the milestone's own epoch is the last one.
    assert simulate(config, lambda epoch: 1.0) == pytest.approx([0.8, 0.8, 0.8, 0.2])


def test_flagged_behind_the_last_milestone_it_stops_at_once():
    config = recipe({"epochs": 20, "milestones": (2,), "lr": 0.8, "gamma": 0.5}, patience=4)
    rates = simulate(config, lambda epoch: 1 / (epoch + 1) if epoch < 4 else 1.0)
    assert rates == [0.8] * 2 + [0.4] * 6, "the lowest loss is the fourth, then four epochs"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"milestones": None}, "milestones is None"),
        ({"milestones": []}, "milestones is \\[\\]"),
        ({"schedule": "multistep"}, "schedule is 'multistep'"),
        ({"schedule": "cosine", "milestones": None}, "schedule is 'cosine'"),
        ({"warmup_epochs": 2}, "warmup_epochs"),
    ],
)
def test_it_needs_milestones_of_its_own(fields, words):
    with pytest.raises(ValueError, match=f"early_stopping .*{words}"):
        recipe(VGG19 | fields)


def test_a_search_of_masks_does_not_take_it():
    fields = {"schedule": "step", "milestones": [2, 4], "early_stopping": {}}
    with pytest.raises(ValueError, match="early_stopping belongs to trainings"):
        SearchConfig.model_validate(fields)


def test_a_patience_is_positive():
    with pytest.raises(ValueError, match="greater than 0"):
        recipe(VGG19, patience=0)


def test_recipes_without_it_are_dumped_as_before():
    assert "early_stopping" not in TrainConfig().model_dump(mode="json")
    dumped = recipe(VGG19).model_dump(mode="json")
    assert dumped["early_stopping"] == {"patience": 10}
    assert TrainConfig.model_validate(dumped) == recipe(VGG19)


# Real trainings on digits. The rate is so high that the loss of the last batch does not fall every
# epoch, and the flag is set before the rule of the milestones could end them.

TINY = recipe(
    {"epochs": 30, "milestones": (20, 25), "lr": 0.3, "batch_size": 90, "evaluate_every": 7},
    patience=2,
)


class KilledError(Exception):
    """Ends a training from within."""


@pytest.fixture
def run(digits):
    """Return a function that trains a small network on 200 digits."""

    def go(store=None, config=TINY, **hooks):
        model = build_model(
            "fc", num_classes=10, in_channels=1, generator=generator(0, "initialise"),
            hidden=[16], image_size=16,
        )  # fmt: skip
        constants = digits.normalization()
        train_images, test_images = (
            split.select(torch.arange(200)) for split in (digits.train, digits.test)
        )
        augment = Augment(crop_padding=1, horizontal_flip=False)
        data = TrainData(
            Batches(train_images, config.batch_size, constants, augment=augment),
            Batches(test_images, config.batch_size, constants),
        )
        result = train(
            model, data, config, masks={}, seed=3, device=CPU, precision="float32",
            hooks=TrainHooks(checkpoints=store, checkpoint_seconds=0.0, **hooks),
        )  # fmt: skip
        rows = [{k: v for k, v in row.items() if k != "seconds"} for row in result.history]
        return cpu_state(model), rows, result.metrics

    return go


def equal(first, second):
    weights = zip(first[0].values(), second[0].values(), strict=True)
    return all(torch.equal(a, b) for a, b in weights) and first[1:] == second[1:]


def test_a_training_stops_by_its_own_losses_at_the_rates_of_the_rule(run):
    _, rows, metrics = run()
    losses = [row[LAST_LOSS] for row in rows]
    assert 3 < len(rows) < 20, "stopped by the flag, not by the milestones"
    assert [row["lr"] for row in rows] == simulate(TINY, lambda epoch: losses[epoch])
    assert rows[-1]["lr"] < 0.3 / 30
    assert metrics["trained_epochs"] == len(rows)
    assert LAST_LOSS not in metrics


def test_the_epoch_at_which_it_stops_is_evaluated(run):
    _, rows, metrics = run()
    evaluated = [row["epoch"] for row in rows if "test_accuracy" in row]
    assert evaluated[-1] == len(rows) - 1 and len(rows) % TINY.evaluate_every != 0
    assert metrics["test_accuracy"] == rows[-1]["test_accuracy"]


def test_the_loss_is_that_of_the_last_batch(run, monkeypatch):
    """Of 20 images: the last of the three batches, before its step."""
    seen = []
    cross_entropy = torch.nn.functional.cross_entropy

    def noting(logits, labels, **options):
        loss = cross_entropy(logits, labels, **options)
        if logits.requires_grad:
            seen.append((len(labels), loss.item()))
        return loss

    monkeypatch.setattr("common.training.step.F.cross_entropy", noting)
    _, rows, _ = run()
    assert [count for count, _ in seen[:3]] == [90, 90, 20]
    assert [row[LAST_LOSS] for row in rows] == [loss for _, loss in seen[2::3]]


def test_killed_behind_any_step_it_resumes_to_the_same_bits(run, tmp_path):
    whole = run()
    steps = 3 * len(whole[1])
    for step in (1, 3, 8, 9, 13, steps - 1, steps):
        left = [step]

        def on_step(_, left=left):
            left[0] -= 1
            if left[0] == 0:
                raise KilledError

        store = CheckpointStore(tmp_path / str(step))
        with pytest.raises(KilledError):
            run(store, on_step=on_step)
        assert equal(run(store), whole)


def test_resumed_from_a_checkpoint_behind_the_last_step_of_an_epoch(run, tmp_path):
    """The last batch is not seen again, so that its loss has to come from the checkpoint."""

    class Store(CheckpointStore):
        def save(self, tensors, values):
            super().save(tensors, values)
            if (len(values["history"]), values["step"]) == (4, 3):
                raise KilledError

    with pytest.raises(KilledError):
        run(Store(tmp_path))
    assert equal(run(CheckpointStore(tmp_path)), run())


def test_a_stopped_training_is_not_trained_again(run, tmp_path):
    store = CheckpointStore(tmp_path)
    whole = run(store)
    steps = []
    assert equal(run(store, on_step=steps.append), whole)
    assert steps == []


def test_without_it_the_same_training_runs_all_epochs(run):
    config = TINY.model_copy(update={"early_stopping": None})
    _, rows, metrics = run(config=config)
    assert len(rows) == TINY.epochs
    assert LAST_LOSS not in rows[0] and "trained_epochs" not in metrics
    _, stopped, _ = run()
    full = next(n for n, row in enumerate(stopped) if row["lr"] != 0.3)
    for row, other in zip(rows[:full], stopped[:full], strict=True):
        assert row["train_loss"] == other["train_loss"], "until the flag is set nothing differs"


def test_a_copy_that_a_stopped_training_cannot_make_is_told(run):
    with pytest.raises(UserError, match=r"early_stopping: ended .* no epoch 25 to rewind to"):
        run(keep=lambda moment, state: None, keep_at=(Moment("epoch", 25),))


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_graphs_stop_as_eager_steps_do(digits):
    """The rate of a replayed step is that of the rule, and its last loss is read from the graph."""
    gpu, found = torch.device("cuda"), []
    for graphs in (False, True):
        model = build_model(
            "fc", num_classes=10, in_channels=1, generator=generator(0, "initialise"),
            hidden=[16], image_size=16,
        ).to(gpu)  # fmt: skip
        constants = digits.normalization()
        data = TrainData(
            Batches(digits.train, 90, constants, device=gpu),
            Batches(digits.test, 90, constants, device=gpu),
        )
        config = TINY.model_copy(update={"lr": 0.05})
        result = train(
            model, data, config, masks={}, seed=3, device=gpu, precision="float32", graphs=graphs
        )
        losses = [row[LAST_LOSS] for row in result.history]
        rates = [row["lr"] for row in result.history]
        assert rates == simulate(config, lambda epoch, losses=losses: losses[epoch])
        found.append(losses)
    assert found[0][:3] == pytest.approx(found[1][:3], rel=1e-3)
