"""Going back to the network of the best validation accuracy."""

import pytest
import torch

from common.config import TrainConfig
from common.config.tricks import GhostSkipConfig, LrsiConfig, SoftActivationConfig
from common.errors import UserError
from common.training import Moment, TrainHooks, cpu_state, evaluate, learner, train

pytestmark = pytest.mark.usefixtures("one_thread")

EPOCHS = 4
BEST = TrainConfig(
    epochs=EPOCHS, batch_size=20, lr=0.05, schedule="constant", select="best_validation"
)
TRICKS = {
    "soft_activation": SoftActivationConfig(end=0.5),
    "ghost_skip": GhostSkipConfig(end=0.4),
    "lrsi": LrsiConfig(iters=1, batch_size=10),
}
KEPT = {
    "soft_activation": SoftActivationConfig(decay="none"),
    "ghost_skip": GhostSkipConfig(decay="none"),
}


@pytest.fixture
def run(toy_model, toy_data, random_masks):
    """Return a function that trains and returns the model, the result and the epochs' states."""

    def go(recipe, validation=True):
        model, kept = toy_model("resnet8", width=4), {}
        hooks = TrainHooks(
            keep=kept.__setitem__, keep_at=[Moment("epoch", epoch) for epoch in range(EPOCHS)]
        )
        result = train(
            model,
            toy_data(validation=validation),
            recipe,
            masks=random_masks(model),
            seed=1,
            device=torch.device("cpu"),
            precision="float32",
            hooks=hooks,
        )
        return model, result, [kept[moment] for moment in hooks.keep_at]

    return go


@pytest.fixture
def validated(monkeypatch):
    """Return a function that sets the validation accuracy of every epoch."""

    def set_to(*accuracies):
        told, real = iter(accuracies), evaluate

        def pretended(model, batches, precision):
            loss, accuracy = real(model, batches, precision)
            return (loss, next(told)) if batches.image_count == 30 else (loss, accuracy)

        monkeypatch.setattr(learner, "evaluate", pretended)

    return set_to


def same(one, other):
    return list(one) == list(other) and all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize(
    ("accuracies", "best"),
    [((10.0, 40.0, 30.0, 20.0), 1), ((40.0, 40.0, 30.0, 40.0), 0), ((1.0, 2.0, 3.0, 4.0), 3)],
)
def test_the_network_is_that_of_the_first_best_epoch(run, toy_data, validated, accuracies, best):
    validated(*accuracies)
    model, result, states = run(BEST)
    assert same(cpu_state(model), states[best])
    row, metrics = result.history[best], result.metrics
    assert metrics["selected_epoch"] == best + 1
    for key in ("test_accuracy", "test_loss", "validation_accuracy", "train_loss"):
        assert metrics[key] == row[key], key
    assert metrics["last_test_accuracy"] == result.history[-1]["test_accuracy"]
    assert metrics["test_accuracy_at_best_validation"] == metrics["test_accuracy"]
    assert metrics["best_test_accuracy"] == max(row["test_accuracy"] for row in result.history)
    assert evaluate(model, toy_data().test) == (metrics["test_loss"], metrics["test_accuracy"])


def test_epochs_in_which_a_trick_still_fades_never_win(run, toy_data, validated):
    """Soft to the end of the second epoch: its accuracy is the first one of the plain network."""
    validated(90.0, 70.0, 80.0, 60.0)
    model, result, states = run(BEST.model_copy(update=TRICKS))
    assert [row.get("dressed", False) for row in result.history] == [True, False, False, False]
    assert result.metrics["selected_epoch"] == 3
    assert same(cpu_state(model), states[2])
    found = evaluate(model, toy_data().test)
    assert found == (result.metrics["test_loss"], result.metrics["test_accuracy"])
    assert result.metrics["validation_accuracy"] == 80.0


def test_ghosts_that_stay_are_those_of_the_best_epoch(run, toy_data, toy_model, validated):
    validated(10.0, 40.0, 30.0, 20.0)
    recipe = BEST.model_copy(update=KEPT)
    model, result, states = run(recipe)
    assert same(cpu_state(model), states[1])
    again = learner.WeightLearner(
        model,
        toy_data(),
        recipe,
        masks={},
        seed=1,
        device=torch.device("cpu"),
        precision="float32",
        graphs=False,
    )
    again.dressing.load(result.dressed)
    found = evaluate(model, toy_data().test)
    assert found == (result.history[1]["test_loss"], result.metrics["test_accuracy"])


def test_only_evaluated_epochs_can_be_selected(run, validated):
    validated(50.0, 40.0)
    model, result, states = run(BEST.model_copy(update={"evaluate_every": 2}))
    assert result.metrics["selected_epoch"] == 2
    assert same(cpu_state(model), states[1])


def test_the_training_itself_is_the_one_without_selection(run):
    chosen = run(BEST)
    plain = run(BEST.model_copy(update={"select": "last"}))
    assert all(map(same, chosen[2], plain[2]))
    assert "selected_epoch" not in plain[1].metrics
    assert same(cpu_state(plain[0]), plain[2][-1])


def test_without_validation_images_it_is_refused_in_one_line(run):
    with pytest.raises(UserError, match=r"train\.select: .*set data\.validation") as caught:
        run(BEST, validation=False)
    assert "\n" not in str(caught.value)
