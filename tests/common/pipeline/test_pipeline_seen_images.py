"""What a run's config says about its images: frozen augmentation, and what is evaluated."""

import json

import pytest
import torch
from safetensors.torch import load_file

from common.data import DATASETS, load_dataset
from common.errors import UserError
from common.pipeline import Methods, compute_phase, phase_paths, plan_run
from common.pipeline.context import finder_data, prepare_dataset, training_data
from common.randomness import generator
from common.tracking import read_metrics
from common.training import CheckpointStore, epoch_draws

pytestmark = pytest.mark.usefixtures("one_thread")

PADDED = {"crop_padding": 2, "horizontal_flip": True}
FROZEN = {**PADDED, "frozen": True}


@pytest.fixture
def seen(run_config, context):
    """Return a function that makes the batches of a training from its data section."""

    def make(seed=0, size=300, **data):
        config = run_config(data={"name": "digits", **data}).data
        return training_data(config, prepare_dataset(config, context, seed), size, context)

    return make


def epochs(data, seed, count):
    """Return the images of some epochs of a training, each in stored order."""
    found = []
    for epoch in range(count):
        draws = epoch_draws(seed, epoch)
        order = torch.randperm(data.train.image_count, generator=epoch_draws(seed, epoch))
        images = torch.cat([images for images, _ in data.train.epoch(draws)])
        found.append(images[order.argsort()])
    return found


@pytest.mark.parametrize(
    "augment",
    [
        PADDED,
        {"crop_padding": 3, "horizontal_flip": False},
        {"crop_padding": 0},
        {"crop_size": 20},
    ],
)
@pytest.mark.parametrize("channels", [None, 3])
def test_frozen_images_are_those_of_the_first_epoch(seen, augment, channels):
    fresh = epochs(seen(augment=augment, channels=channels), 0, 2)
    frozen = epochs(seen(augment={**augment, "frozen": True}, channels=channels), 0, 3)
    assert torch.equal(frozen[0], fresh[0])
    assert not torch.equal(fresh[1], fresh[0])
    assert torch.equal(frozen[1], frozen[0]) and torch.equal(frozen[2], frozen[0])


def test_frozen_images_come_in_a_new_order_every_epoch(seen):
    train = seen(augment=FROZEN).train
    first, second = (
        torch.cat([labels for _, labels in train.epoch(epoch_draws(0, e))]) for e in range(2)
    )
    assert not torch.equal(first, second)


def test_another_seed_freezes_other_crops(seen):
    first, second = (epochs(seen(seed=s, augment=FROZEN), 0, 1)[0] for s in (0, 1))
    assert not torch.equal(first, second)


def test_only_training_images_are_frozen(seen, run_config, context):
    plain, frozen = seen(augment=None), seen(augment=FROZEN, test_padding=2)
    stored = [torch.cat([x for x, _ in part.sequential()]) for part in (plain.test, frozen.test)]
    assert stored[1].shape[2:] == (20, 20)
    assert torch.equal(stored[1][:, :, 2:-2, 2:-2], stored[0])
    assert next(frozen.train.epoch(epoch_draws(0, 0)))[0].shape[2:] == (16, 16)
    config = run_config(data={"name": "digits", "augment": FROZEN}).data
    dataset = prepare_dataset(config, context, 0)
    data = training_data(config, dataset, 100, context, validation_augment=True)
    indices = torch.arange(50)
    drawn = [data.validation.at(indices, generator(0, "draw", n))[0] for n in range(2)]
    assert not torch.equal(*drawn), "validation images that a search augments stay random"


def test_a_finder_sees_the_frozen_images(run_config, context):
    config = run_config(data={"name": "digits", "augment": FROZEN}).data
    dataset = prepare_dataset(config, context, 0)
    images, labels = finder_data(config, dataset, context).minibatch(60, generator(0, "score"))
    order = torch.randperm(1000, generator=generator(0, "score"))[:60]
    expected, _ = training_data(config, dataset, 100, context).train.at(order)
    assert torch.equal(images, expected)
    assert torch.equal(labels, dataset.train.labels[order])


class KilledError(Exception):
    """Ends a training from within."""


def test_frozen_images_are_the_same_after_a_kill(run_config, context, monkeypatch):
    content = context.dataset("digits").fingerprint["sha256"]
    recipe = {"epochs": 3, "batch_size": 400, "lr": 0.05}
    config = run_config(
        data={"name": "digits", "augment": FROZEN}, find={"name": "dense"}, train=recipe
    )
    killed, whole = (plan_run(config, 0, Methods(), content).train for _ in range(2))
    save = CheckpointStore.save

    def deadly(self, tensors, values):
        save(self, tensors, values)
        if (len(values["history"]), values["step"]) == (1, 2):
            raise KilledError

    monkeypatch.setattr(CheckpointStore, "save", deadly)
    with pytest.raises(KilledError):
        compute_phase(killed, context)
    monkeypatch.setattr(CheckpointStore, "save", save)
    assert compute_phase(killed, context)
    paths = phase_paths(killed, context)
    found, rows = load_file(paths.final), json.loads(paths.result.read_text())["history"]
    paths.done.unlink()
    paths.metrics.unlink()
    assert compute_phase(whole, context)
    again = load_file(paths.final)
    assert all(torch.equal(found[name], again[name]) for name in again)
    others = json.loads(paths.result.read_text())["history"]
    assert [row["train_loss"] for row in rows] == [row["train_loss"] for row in others]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"augment": {"frozen": True, "crop": "resized"}}, "frozen .* 'resized'"),
        ({"augment": {"frozen": True}, "stream": True}, "frozen .* stream must be false"),
        ({"test_split": "test_half"}, "test_split: 'test_half' .* data.name is 'digits'"),
        ({"test_split": "other_half_train"}, "test_split: 'other_half_train' .*cifar10_a"),
        ({"name": "digits_a", "test_split": "half"}, "test_split"),
    ],
)
def test_what_cannot_be_is_refused(run_config, data, words):
    with pytest.raises(UserError, match=words) as caught:
        run_config(data={"name": "digits", **data})
    assert "\n" not in str(caught.value)


def test_the_identity_of_a_run_without_them_stays(run_config):
    dumped = run_config(data={"name": "digits"}).model_dump(mode="json")["data"]
    assert "test_split" not in dumped and "frozen" not in dumped["augment"]
    given = {"name": "digits_a", "augment": FROZEN, "test_split": "test_half"}
    dumped = run_config(data=given).model_dump(mode="json")["data"]
    assert dumped["test_split"] == "test_half" and dumped["augment"]["frozen"] is True


def test_a_run_is_evaluated_on_what_it_asks_for(seen):
    whole, other = load_dataset("digits_b"), load_dataset("digits_a").train
    options = {"name": "digits_b", "augment": PADDED}
    everything = seen(**options).test
    half = seen(**options, test_split="test_half").test
    training = seen(**options, test_split="other_half_train").test
    assert everything.image_count == len(whole.test) == 600
    assert half.image_count == sum(count // 2 for count in whole.test.class_counts(10))
    assert training.image_count == len(other)
    images, labels = next(training.sequential(10_000))
    mean, std = (x[0] for x in (whole.normalization().mean, whole.normalization().std))
    assert torch.equal(labels, other.labels)
    assert torch.allclose(images, (other.images / 255 - mean) / std, atol=1e-5), "not augmented"


def test_the_record_of_a_run_says_what_was_evaluated(tmp_path, command_line_in, raw_run):
    line = command_line_in(tmp_path)
    data = {"name": "digits_a", "augment": None}
    accuracies = []
    for split in ("test", "test_half", "other_half_train"):
        raw = raw_run(name=split, data={**data, "test_split": split}, find={"name": "dense"})
        assert line("--config", line.write(raw)) == 0
        record = line.records()[f"{split}-s0"]
        assert record["config"]["data"].get("test_split", "test") == split
        accuracies.append(record["metrics"]["test_accuracy"])
    assert len(set(accuracies)) == 3
    images = len(load_dataset("digits_b").train)
    hits = accuracies[2] * images / 100
    assert hits == pytest.approx(round(hits), abs=1e-6), "a share of the other half's images"


@pytest.mark.parametrize(
    ("name", "steps", "last"),
    [
        ("cifar10", 98, 336),
        ("cifar100", 98, 336),
        ("cifar10_a", 49, 424),
        ("svhn", 144, 41),
        ("fashion_mnist", 118, 96),
        ("mnist", 118, 96),
    ],
)
def test_steps_of_an_epoch_of_512(run_config, context, digits, name, steps, last):
    """Training keeps the last partial batch."""
    count = DATASETS[name].train_count // (1 if DATASETS[name].half is None else 2)
    config = run_config(data={"name": "digits", "augment": None}).data
    many = digits.with_splits(train=digits.train.select(torch.arange(count) % 1000))
    train = training_data(config, many, 512, context).train
    assert len(train) == steps
    assert not train.drop_last
    assert count - 512 * (steps - 1) == last


def test_the_record_of_a_training_that_stops_early_is_that_of_its_last_epoch(
    tmp_path, command_line_in, raw_run
):
    line = command_line_in(tmp_path)
    recipe = {
        "epochs": 9, "batch_size": 300, "lr": 0.05, "milestones": [2, 3], "evaluate_every": 5,
        "early_stopping": {"patience": 9},
    }  # fmt: skip
    assert line("--config", line.write(raw_run(train=recipe))) == 0
    metrics = line.records()["tiny-s0"]["metrics"]
    rows = [row for row in read_metrics(line.only_run() / "metrics.jsonl") if "lr" in row]
    assert [row["lr"] for row in rows] == pytest.approx([0.05, 0.05, 0.005, 0.0005])
    assert metrics["trained_epochs"] == 4
    assert metrics["test_accuracy"] == rows[-1]["test_accuracy"]
    assert all(row["last_batch_loss"] > 0 for row in rows)
