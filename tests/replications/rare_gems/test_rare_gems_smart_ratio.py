"""Smart ratio and its variants: counts of the real networks, random masks, learned densities."""

import math

import pytest
import torch

from common.errors import UserError
from common.finders import find_ticket
from common.finders.budgets import smart_ratio
from common.models import build_model, prunable_parameters, shortcut_weights
from replications.rare_gems.methods import METHODS
from replications.rare_gems.smart_ratio import LayerProbabilityMask, SmartRatioOptions, layer_counts

pytestmark = pytest.mark.usefixtures("one_thread")
NO_BIAS = {"bn_affine": False, "classifier": "conv", "classifier_bias": False}
COUNTS = {
    0.9856: "43 210 189 169 150 132 116 201 345 291 243 199 159 247 371 265 176 106 53 192",
    0.9941: "16 79 71 64 56 50 43 76 130 110 92 75 60 93 140 100 67 40 20 192",
    0.9628: "116 560 504 451 400 353 309 536 919 778 648 530 424 660 990 707 471 283 141 192",
    0.9: "315 1524 1372 1227 1091 962 842 1460 2503 2118 1765 1444 1155 1797 2695 1925 1283 770 385"
    " 192",
    0.5: "432 2304 2304 2304 2304 2304 2304 4608 9216 9216 9216 9216 9216 18432 28645 9683 6455"
    " 3873 1936 192",
}
TOTALS = {0.9856: 3857, 0.9941: 1574, 0.9628: 9972, 0.9: 26825, 0.5: 134160}
VGG = {
    0.95: "1728 36864 73728 147456 102910 91697 53895 64188 76074 44014 24250 12226 5208 1536",
    0.9941: "1728 13008 9230 8787 9372 10651 6260 7455 8836 5112 2816 1420 605 1536",
}
# Kept weights in the original's logs, for the direct replay (spec 2.11).
REPLAYED = {
    "v4": "237 267 250 201 179 182 143 239 300 308 221 186 158 217 208 124 128 116 44 108",
    "v5": "147 217 194 163 152 143 106 186 315 293 220 205 152 244 356 280 315 113 136 163",
    "v6": "237 270 261 191 178 203 130 217 277 312 202 194 149 222 214 136 217 123 141 98",
}
RESNET20 = [432, *[2304] * 6, 4608, *[9216] * 5, 18432, *[36864] * 5, 640]


def numbers(text):
    return [int(word) for word in text.split()]


def counts(name, num_classes=10, model_options=None, **given):
    options = SmartRatioOptions.model_validate(given)
    with torch.device("meta"):
        model = build_model(name, num_classes=num_classes, **NO_BIAS, **(model_options or {}))
    exclude = () if options.prune_shortcuts else shortcut_weights(model)
    weights = prunable_parameters(model, exclude=exclude)
    return list(layer_counts(options, weights, model).values())


def resnet20(**given):
    return counts("resnet20", model_options={"shortcut": "A"}, **given)


@pytest.mark.parametrize("sparsity", COUNTS)
def test_resnet20_layer_by_layer(sparsity):
    found = resnet20(sparsity=sparsity)
    assert found == numbers(COUNTS[sparsity]) and sum(found) == TOTALS[sparsity]


@pytest.mark.parametrize(("sparsity", "total"), [(0.95, 735_774), (0.9941, 86_816)])
def test_vgg16_layer_by_layer(sparsity, total):
    found = counts("vgg16", sparsity=sparsity, family="vgg")
    assert found == numbers(VGG[sparsity]) and sum(found) == total


TINY = {"stem": "imagenet"}


@pytest.mark.parametrize(
    ("name", "classes", "options", "given", "totals"),
    [
        ("mobilenet_v2", 10, {}, {}, (113_065, 32_541)),
        ("wide_resnet28_2", 10, {}, {}, (73_186, 21_067)),
        ("resnet32", 100, {"width": 32, "shortcut": "A"}, {}, (92_829, 26_719)),
        ("resnet18", 200, TINY, {"prune_shortcuts": False}, (554_856, 159_794)),
    ],
)
def test_totals_of_other_networks(name, classes, options, given, totals):
    found = [counts(name, classes, options, sparsity=s, **given) for s in (0.95, 0.9856)]
    assert tuple(sum(layers) for layers in found) == totals


def test_by_hand():
    """n = (10, 20, 10), a = (12, 6): gamma = 7 / 240, p = (0.35, 0.175, 0.3)."""
    shapes = {"a": (10,), "b": (20,), "c": (10,)}
    assert smart_ratio(shapes, 0.75, allocation="rare_gems") == {"a": 3, "b": 3, "c": 3}


def test_what_a_layer_cannot_take_moves_on_until_it_is_spent():
    """n = (4, 10, 10), d = 0.75, c = 0.3: gamma = 15 / 108, p = (1.67, 0.83); 2 of 15 move on."""
    shapes = {"a": (4,), "b": (10,), "c": (10,)}
    assert smart_ratio(shapes, 0.25, allocation="rare_gems") == {"a": 4, "b": 10, "c": 3}


def test_variants_with_other_densities_at_both_ends():
    v2 = resnet20(sparsity=0.9856, first_density=0.3449074, last_density=0.259375)
    v3 = resnet20(sparsity=0.9856, first_density=1.0, last_density=1.0)
    assert (v2[0], v2[-1], sum(v2)) == (149, 166, 3937)
    assert (v3[0], v3[-1], sum(v3)) == (432, 640, 4694)
    assert v2[1:-1] == v3[1:-1] == resnet20(sparsity=0.9856)[1:-1]
    assert sum(v2) / 268_336 == pytest.approx(0.01467, abs=5e-6)
    assert sum(v3) / 268_336 == pytest.approx(0.01749, abs=5e-6)


@pytest.mark.parametrize(("name", "density"), [("v4", 0.01422), ("v5", 0.01528), ("v6", 0.01480)])
def test_recorded_counts_are_replayed(name, density):
    found = resnet20(layer_counts=numbers(REPLAYED[name]))
    assert found == numbers(REPLAYED[name])
    assert sum(found) / 268_336 == pytest.approx(density, abs=5e-6)


def test_counts_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="19 numbers given, the network has 20 prunable layers"):
        resnet20(layer_counts=[1] * 19)
    with pytest.raises(UserError, match=r"layer_counts: conv1\.weight has 432 weights, not 433"):
        resnet20(layer_counts=[433, *[1] * 19])


# --- tickets


def found(network, seed=0, **options):
    return find_ticket("smart_ratio", network, seed=seed, finders=METHODS.finders, **options)


def test_a_ticket_has_exactly_these_counts_at_random_places(network):
    model = network("small_cnn")
    one, same, other = (found(model, seed, sparsity=0.8) for seed in (0, 0, 1))
    options = SmartRatioOptions(sparsity=0.8)
    wanted = layer_counts(options, prunable_parameters(model), model)
    assert one.layer_kept() == other.layer_kept() == wanted
    for name, mask in one.masks.items():
        assert torch.equal(mask, same.masks[name])
    assert any(not torch.equal(mask, other.masks[name]) for name, mask in one.masks.items())
    for name, value in model.state_dict().items():
        assert torch.equal(one.weights[name], value)


def test_places_are_uniform(network):
    """Of 3,072 weights 768 stay in each of 200 draws: every one 50 times, +- 6.1."""
    times = sum(
        found(network("fc"), seed, layer_counts=[768, 12]).masks["features.fc1.weight"].double()
        for seed in range(200)
    )
    assert float(times.mean()) == 50.0
    assert float(times.std()) == pytest.approx(math.sqrt(200 * 0.25 * 0.75), rel=0.06)


def test_bernoulli_keeps_every_weight_with_one_probability(network):
    ticket = found(network("fc"), sparsity=0.7, bernoulli=True)
    for name, mask in ticket.masks.items():
        deviation = math.sqrt(0.21 / mask.numel())
        assert ticket.layer_densities()[name] == pytest.approx(0.3, abs=4 * deviation)
    assert ticket.layer_kept() != found(network("fc"), 1, sparsity=0.7, bernoulli=True).layer_kept()


def test_shortcuts_that_do_not_count_have_no_mask(network):
    model = network("resnet18")
    ticket = found(model, sparsity=0.9, prune_shortcuts=False)
    assert set(ticket.masks) == set(prunable_parameters(model)) - set(shortcut_weights(model))


# --- one learned probability a layer


def mask_of(weight, probability, noise=None):
    mask = LayerProbabilityMask(weight, probability)
    mask.noise = torch.rand(weight.shape, generator=torch.Generator().manual_seed(0))
    if noise is not None:
        mask.noise = torch.tensor(noise)
    return mask


def test_the_gradient_of_the_probability_is_the_sum_of_all_products():
    weight = torch.tensor([2.0, -1.0, 3.0, 5.0])
    mask = mask_of(weight, 0.5, [0.1, 0.7, 0.49, 0.5])
    effective = mask(weight)
    assert effective.tolist() == [2.0, 0.0, 3.0, 0.0]
    effective.backward(torch.tensor([1.0, 10.0, -1.0, 0.1]))
    assert mask.latent.shape == () and mask.latent.grad.item() == pytest.approx(2 - 10 - 3 + 0.5)


def test_samples_have_the_learned_probability():
    mask = mask_of(torch.ones(100_000), 0.02)
    share = float(mask.mask().detach().mean())
    assert share == pytest.approx(0.02, abs=4 * math.sqrt(0.02 * 0.98 / 100_000))
    assert mask.probability().unique().tolist() == pytest.approx([0.02])


@pytest.mark.parametrize(
    ("size", "p", "kept"), [(10, 0.35, 3), (10, 0.399, 3), (7, 1.0, 7), (7, 0.0, 0), (3, 0.34, 1)]
)
def test_a_layer_keeps_the_whole_part_of_p_n(size, p, kept):
    mask = mask_of(torch.ones(size), p)
    assert mask.count() == kept == int(mask.selected().sum())


def test_a_probability_that_did_not_move_keeps_its_count():
    """k / n in single precision, times n, is k: for the paper's layers and for large ones."""
    one = torch.ones(1)
    for name, text in REPLAYED.items():
        for size, kept in zip(RESNET20, numbers(text), strict=True):
            assert LayerProbabilityMask(one.expand(size), kept / size).count() == kept, name
    for size in (432, 36_864, 2_359_296):
        for kept in range(0, size, max(1, size // 200)):
            assert LayerProbabilityMask(one.expand(size), kept / size).count() == kept


def learned(search, model="small_cnn", lr=1e-3, **more):
    recipe = {"epochs": 4, "batch_size": 40, "lr": lr, "schedule_epochs": 150}
    return search("smart_ratio", model, sparsity=0.8, learn=recipe, **more)


def test_learning_starts_from_the_smart_ratio(search, network):
    start = layer_counts(
        SmartRatioOptions(sparsity=0.8),
        prunable_parameters(network("small_cnn")),
        network("small_cnn"),
    )
    still, moved = learned(search, lr=1e-12), learned(search, lr=1e-2)
    assert still.ticket.layer_kept() == start
    assert moved.ticket.layer_kept() != start
    assert all(
        torch.equal(still.ticket.weights[k], v)
        for k, v in moved.ticket.weights.items()
        if "bn" not in k
    )
    rates = [row["lr"] for row in moved.rows]
    assert rates == pytest.approx([0.5e-2 * (1 + math.cos(math.pi * e / 150)) for e in range(4)])


def test_learned_probabilities_stay_in_the_unit_interval(search):
    done = learned(search, lr=50.0)
    densities = done.ticket.layer_densities().values()
    assert {0.0, 1.0} & set(densities), "a rate this high pushes some layer against an end"


def test_its_defaults_are_those_of_the_paper():
    recipe = SmartRatioOptions.model_validate({"sparsity": 0.9856, "learn": {}}).learn
    assert (recipe.lr, recipe.momentum, recipe.batch_size) == (1e-6, 0.9, 128)
    assert (recipe.epochs, recipe.schedule, recipe.schedule_epochs) == (10, "cosine", 150)
    with pytest.raises(UserError, match="needs a data set to learn from"):
        found(build_model("small_cnn", num_classes=4, width=2), sparsity=0.5, learn={})
