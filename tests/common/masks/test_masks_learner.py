"""The search: steps by hand, when it stops, which epoch it goes back to, what it leaves alone."""

import pytest
import torch
import torch.nn.functional as F

from common.data import Augment, Batches
from common.errors import RunFailedError
from common.masks import (
    EdgePopupMask,
    MaskLearner,
    Noise,
    RescaleTraining,
    SearchConfig,
    attach,
    best_epoch,
)
from common.training import TrainData, TrainHooks, run_epochs

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
SEARCH = SearchConfig(epochs=3, batch_size=40, lr=20.0, patience=None)
FACTORS = RescaleTraining(lr=1e-2, momentum=0.9, two_pass=True)


def changed(**fields):
    return SEARCH.model_copy(update=fields)


@pytest.fixture
def learner(network, coin, one_factor, few_digits):
    """Return a function that makes the learner of a search over a network's weights."""

    def build(name="fc", search=SEARCH, rescale=None, data=few_digits, seed=0, kind=None):
        model = network(name)

        def make(key, weight):
            if kind is not None:
                return kind(weight)
            return coin(weight, None if rescale is None else one_factor())

        masks = attach(model, make)
        return MaskLearner(model, masks, data, search, rescale=rescale, seed=seed, device=CPU)

    return build


def follow(learner, search=SEARCH, seed=0, **hooks):
    return run_epochs(learner, learner._data.train, search, seed=seed, hooks=TrainHooks(**hooks))


def learned(learner):
    values = {name: mask.latent.detach().clone() for name, mask in learner.masks.items()}
    values |= {
        f"factor of {name}": next(mask.rescale.parameters()).detach().clone()
        for name, mask in learner.masks.items()
        if list(mask.rescale.parameters())
    }
    return values | {name: b.clone() for name, b in learner.model.named_buffers()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def accuracies(learner, values):
    """Let the validation return these accuracies, one an epoch."""
    left = iter(values)
    learner.measure = lambda *_, **__: (1.0, next(left))


def test_the_same_seed_gives_the_same_search_and_another_seed_another(learner):
    runs = []
    for seed in (0, 0, 1):
        one = learner(seed=seed)
        history = follow(one, seed=0)
        runs.append((learned(one), [row["validation_accuracy"] for row in history]))
    assert same(runs[0][0], runs[1][0]) and runs[0][1] == runs[1][1]
    assert not same(runs[0][0], runs[2][0])


@pytest.mark.parametrize("name", ["small_cnn", "branching", "conv2"])
def test_a_search_leaves_every_weight_bias_and_scale_as_it_was(learner, network, name):
    one = learner(name, rescale=FACTORS)
    before = learned(one)
    follow(one)
    after = learned(one)
    for key, parameter in network(name).named_parameters():
        owner, _, leaf = key.rpartition(".")
        module = one.model.get_submodule(owner)
        found = module.parametrizations[leaf].original if key in one.masks else None
        now = getattr(module, leaf) if found is None else found
        assert torch.equal(now, parameter), key
        assert now.grad is None, key
    for key in one.masks:
        assert not torch.equal(after[key], before[key]), key
    # A factor in front of a norm layer has no effect, so the last one stands for all.
    assert after[f"factor of {key}"] != 1.0
    if name != "conv2":
        moved = [key for key in before if key.endswith("running_mean")]
        assert moved and all(not torch.equal(after[key], before[key]) for key in moved)


def test_validation_and_test_leave_the_learner_alone(learner, few_digits):
    one = learner("small_cnn", rescale=FACTORS)
    follow(one, changed(epochs=1))
    one.model.train()
    before = learned(one)
    for view in ("found", "searched"):
        one.measure(few_digits.test, "test", 0, view=view)
    one.evaluate(0)
    assert same(learned(one), before)
    assert one.model.training


def test_sampled_accuracies_follow_from_purpose_and_indices(learner, few_digits):
    one = learner()
    values = {
        key: one.measure(few_digits.test, *key, view="searched")[0]
        for key in (("test", 0), ("test", 1), ("validation", 0))
    }
    assert len(set(values.values())) == 3
    assert one.measure(few_digits.test, "test", 0, view="searched")[0] == values["test", 0]
    final = {one.measure(few_digits.test, "test", i, view="found") for i in range(3)}
    assert len(final) == 1, "nothing is random about the found network"


def test_every_batch_of_an_evaluation_sees_masks_of_its_own(learner, few_digits):
    one = learner()
    asked = []
    draw = one.noise.draw
    one.noise.draw = lambda *key: (asked.append(key), draw(*key))[1]
    one.measure(few_digits.test, "test", 7, view="searched")
    assert asked == [("test", 7, 0), ("test", 7, 1)], "60 images in batches of 40"


@pytest.mark.parametrize("two_pass", [True, False])
def test_steps_by_hand(learner, network, coin, one_factor, few_digits, two_pass):
    """Two passes: the factors see fresh masks of the latents just stepped; one pass: all step."""
    rescale = RescaleTraining(lr=0.05, momentum=0.9, two_pass=two_pass)
    one = learner(rescale=rescale)
    model = network("fc")
    masks = attach(model, lambda _, weight: coin(weight, one_factor()))
    noise = Noise(masks.values(), 0)
    latents = [mask.latent for mask in masks.values()]
    scales = [mask.rescale.scale for mask in masks.values()]
    speed = {id(p): torch.zeros_like(p) for p in latents + scales}

    def descend(parameters, lr, images, labels, number, index):
        noise.draw("train", 0, number, index)
        loss = F.cross_entropy(model(images), labels)
        for group, rate in zip(parameters, lr):
            for p, grad in zip(group, torch.autograd.grad(loss, group, retain_graph=True)):
                speed[id(p)] = 0.9 * speed[id(p)] + grad
                p.grad = rate * speed[id(p)]
        for p in (p for group in parameters for p in group):
            p.data -= p.grad

    one.begin_epoch(0)
    for number, (images, labels) in enumerate(few_digits.train.sequential()):
        one.step(0, number, images, labels)
        if two_pass:
            descend([latents], [20.0], images, labels, number, 0)
            descend([scales], [0.05], images, labels, number, 1)
        else:
            descend([latents, scales], [20.0, 0.05], images, labels, number, 0)
    for name, mask in masks.items():
        torch.testing.assert_close(one.masks[name].latent, mask.latent, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(one.masks[name].rescale.scale, mask.rescale.scale)
        assert mask.rescale.scale != 1.0 and bool(mask.latent.any())


@pytest.mark.parametrize("two_pass", [True, False])
def test_what_moves_between_the_passes(learner, few_digits, two_pass):
    one = learner(rescale=RescaleTraining(lr=0.05, momentum=0.9, two_pass=two_pass))
    images, labels = next(few_digits.train.sequential())
    seen = []
    draw = one.noise.draw
    one.noise.draw = lambda *key: (seen.append((key, learned(one))), draw(*key))[1]
    one.begin_epoch(4)
    one.step(4, 2, images, labels)
    seen.append((None, learned(one)))
    latents = [key for key in seen[0][1] if not key.startswith("factor")]
    factors = [key for key in seen[0][1] if key.startswith("factor")]

    def moved(pass_number, names):
        before, after = seen[pass_number][1], seen[pass_number + 1][1]
        return {bool((before[name] != after[name]).any()) for name in names}

    if two_pass:
        assert [key for key, _ in seen[:-1]] == [("train", 4, 2, 0), ("train", 4, 2, 1)]
        assert moved(0, latents) == {True} and moved(0, factors) == {False}
        assert moved(1, latents) == {False} and moved(1, factors) == {True}
    else:
        assert [key for key, _ in seen[:-1]] == [("train", 4, 2, 0)]
        assert moved(0, latents) == {True} and moved(0, factors) == {True}


def test_training_metrics_count_every_image_once_in_two_passes(learner, few_digits):
    one = learner(rescale=FACTORS)
    (row,) = follow(one, changed(epochs=1))
    assert 0.0 <= row["train_accuracy"] <= 100.0
    # 90 images: an accuracy is a multiple of one in ninety, and the loss one of this order.
    assert row["train_accuracy"] * 0.9 == pytest.approx(round(row["train_accuracy"] * 0.9))
    assert 1.5 < row["train_loss"] < 4.0


def test_the_factors_keep_their_learning_rate_when_the_latents_have_a_schedule(learner):
    search = changed(schedule="cosine", epochs=4)
    one = learner(search=search, rescale=RescaleTraining(0.05, 0.9, two_pass=False))
    rates = [one.begin_epoch(epoch) for epoch in range(4)]
    assert rates[0] == 20.0 and rates == sorted(rates, reverse=True) and rates[3] < 10.0
    latents, factors = one.optimizers[0].param_groups
    assert latents["lr"] == rates[3]
    assert (factors["lr"], factors["momentum"], factors["weight_decay"]) == (0.05, 0.9, 0.0)


# --- when it stops


def rows(*values):
    return [{} if v is None else {"validation_accuracy": v} for v in values]


@pytest.mark.parametrize(
    ("values", "best"),
    [
        ([], None),
        ([None, None], None),
        ([10.0], 0),
        ([10.0, 12.0, 12.0, 11.0], 1),
        ([12.0, 11.0, 12.0], 0),
        ([None, 11.0, None, 13.0, None], 3),
        ([0.0, 0.0], 0),
    ],
)
def test_the_first_best_epoch_wins(values, best):
    assert best_epoch(rows(*values)) == best


@pytest.mark.parametrize(
    ("values", "finished"),
    [
        ([], False),
        ([50.0, 40.0], False),
        ([50.0, 40.0, 50.0], True),
        ([50.0, 40.0, 50.01], False),
        ([50.0, 40.0, 60.0, 60.0], False),
        ([50.0, 40.0, 60.0, 60.0, 60.0], True),
        ([50.0, None, None], True),
        ([None, None, None], False),
    ],
)
def test_patience_of_two_epochs(learner, values, finished):
    one = learner(search=changed(patience=2))
    assert one.is_finished(rows(*values)) is finished
    assert not learner(search=changed(patience=None)).is_finished(rows(*values, *[1.0] * 500))


def test_a_search_stops_patience_epochs_behind_the_last_strict_improvement(learner):
    search = changed(epochs=50, patience=3)
    one = learner(search=search)
    accuracies(one, [20.0, 30.0, 30.0, 25.0, 30.5, 30.5, 30.0, 30.4, 99.0])
    history = follow(one, search)
    assert [row["epoch"] for row in history] == list(range(8))
    assert best_epoch(history) == 4


# --- which epoch it goes back to


@pytest.mark.parametrize("name", ["fc", "small_cnn"])
def test_selection_goes_back_to_the_best_epoch(learner, name):
    """Latents, factors and norm statistics are those of a search of exactly that many epochs."""
    search = changed(epochs=4)
    one = learner(name, search, FACTORS)
    accuracies(one, [20.0, 40.0, 40.0, 30.0])
    follow(one, search)
    last = learned(one)
    one.select()
    short = changed(epochs=2, select="last")
    other = learner(name, short, FACTORS)
    follow(other, short)
    other.select()
    assert same(learned(one), learned(other))
    assert not same(learned(one), last)


def test_the_last_epoch_stays_where_that_is_selected(learner):
    search = changed(select="last")
    one = learner(search=search)
    accuracies(one, [90.0, 20.0, 10.0])
    follow(one, search)
    last = learned(one)
    one.select()
    assert same(learned(one), last)


def test_the_best_network_is_a_copy(learner):
    one = learner()
    accuracies(one, [50.0, 40.0, 40.0])
    follow(one, changed(epochs=1))
    first = learned(one)
    for mask in one.masks.values():
        mask.latent.data.add_(1.0)
    one.select()
    assert same(learned(one), first)


def test_the_found_network_can_be_what_is_validated(learner, few_digits):
    losses = {}
    for kind in ("searched", "final"):
        one = learner(search=changed(validate_as=kind))
        history = follow(one, changed(epochs=1, validate_as=kind))
        losses[kind] = history[-1]["validation_loss"]
        final, _ = one.measure(few_digits.validation, "validation", 0, view="found")
        assert (losses[kind] == final) is (kind == "final")
    assert losses["final"] != losses["searched"]


def test_augmented_validation_images_change_with_the_epoch_and_the_seed(learner, digits):
    def batches(split, augment=None):
        return Batches(split.select(torch.arange(80)), 40, digits.normalization(), augment=augment)

    change = Augment(crop_padding=3, horizontal_flip=False)
    data = TrainData(
        batches(digits.train), batches(digits.test), batches(digits.validation, change)
    )

    def loss(epoch, seed=0, augment=True):
        search = changed(validation_augment=augment, validate_as="final")
        return learner(search=search, data=data, seed=seed).evaluate(epoch)["validation_loss"]

    values = [loss(0), loss(1), loss(0, seed=1), loss(0, augment=False)]
    assert len(set(values)) == 4
    assert loss(0) == values[0]
    assert loss(1, augment=False) == values[3]


def test_without_validation_images_nothing_is_validated(learner, few_digits):
    data = TrainData(few_digits.train, few_digits.test)
    search = changed(select="last")
    one = learner(search=search, data=data)
    history = follow(one, search)
    assert not any("validation_accuracy" in row for row in history)
    one.select()


# --- and when it breaks


def test_a_latent_that_is_not_finite_ends_the_search(learner):
    one = learner()

    def spoil(_):
        next(iter(one.masks.values())).latent.data[0, 0] = float("inf")

    with pytest.raises(RunFailedError, match="the latents are not finite after epoch 1"):
        follow(one, on_step=spoil)


def test_edge_popup_learns_scores_and_keeps_its_counts(learner):
    draw = torch.Generator().manual_seed(1)

    def kind(weight):
        scores = torch.randn(weight.shape, generator=draw) * 0.05
        return EdgePopupMask(weight, scores, sparsity=0.7)

    search = changed(lr=0.5)
    one = learner(search=search, kind=kind)
    first = {name: mask.selected() for name, mask in one.masks.items()}
    history = follow(one, search)
    for name, mask in one.masks.items():
        size = mask.latent.numel()
        assert int(mask.selected().sum()) == size - round(0.7 * (size - 1))
        assert not torch.equal(mask.selected(), first[name])
    assert "selection_probability" not in history[-1]
    assert history[-1]["sparsity"] == pytest.approx(0.7, abs=1e-3)
