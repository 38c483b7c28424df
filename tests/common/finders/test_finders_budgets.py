"""Layer budgets: the published counts of the smart ratio, ERK and uniform densities."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from common.errors import UserError
from common.finders import BUDGETS, layer_budget
from common.finders.budgets import erk, smart_ratio, uniform
from common.models import build_model, prunable_parameters
from common.tickets import kept_count

TOY = {"a": (100,), "b": (200,), "c": (400,), "classifier": (50,)}


def network(name, num_classes=10, **options):
    with torch.device("meta"):
        return build_model(name, num_classes=num_classes, **options)


def smart(name, sparsity, num_classes=10, model_options=None, **options):
    model = network(name, num_classes, **(model_options or {}))
    return list(layer_budget("smart_ratio", model, sparsity=sparsity, **options).values())


VGG = {"family": "vgg"}
VGG_REP = {"family": "vgg", "allocation": "rep", "length": 19}
RESNET_REP = {"allocation": "rep", "length": 33}


# A toy network of 100, 200 and 400 weights and a classifier of 50.


@pytest.mark.parametrize(
    ("sparsity", "family", "su", "rep_4", "rep_3"),
    [
        (0.75, "resnet", [50, 60, 60, 15], [50, 60, 60, 15], [64, 64, 43, 15]),
        (0.75, "vgg", [100, 56, 16, 15], [100, 56, 16, 15], [100, 62, 9, 15]),
        (0.25, "resnet", [100, 200, 247, 15], [100, 200, 239, 15], [100, 200, 247, 15]),
        (0.25, "vgg", [100, 200, 246, 15], [100, 200, 246, 15], [100, 200, 247, 15]),
    ],
)
def test_smart_ratio_of_the_toy_network(sparsity, family, su, rep_4, rep_3):
    def kept(**options):
        return list(smart_ratio(TOY, sparsity, family=family, **options).values())

    assert kept(allocation="su") == su
    assert kept(allocation="su", length=4) == su
    assert kept(allocation="rep") == rep_4
    assert kept(allocation="rep", length=3) == rep_3


def test_smart_ratio_of_three_layers_by_hand():
    # n = 10, 20, 10; density 0.25, classifier 0.3: 7 weights for w = 12, 6 give 0.35 and 0.175.
    budget = smart_ratio({"a": (10,), "b": (4, 5), "c": (10,)}, 0.75)
    assert budget == {"a": 3, "b": 3, "c": 3}


@pytest.mark.parametrize("allocation", ["su", "rep"])
def test_the_classifier_s_count_is_rounded_down(allocation):
    layers = {"a": (10,), "b": (20,), "c": (9,)}
    assert smart_ratio(layers, 0.5, allocation=allocation)["c"] == 2  # 0.3 * 9 = 2.7


# The real networks on CIFAR-10, layer by layer. The original codes work in floating point, so that
# a count may differ by one.

VGG19_SU = {
    0.90: "1728 36864 73728 147456 294912 589824 187413 102069 131969 171032 109937 69283 42167"
    " 24239 12669 5567 1536",
    0.95: "1728 36864 73728 147456 197175 128571 79928 50995 65933 85450 54926 34615 21067 12110"
    " 6329 2781 1536",
    0.98: "1728 36864 61815 38852 43100 51309 31897 20351 26312 34101 21920 13814 8407 4832 2526"
    " 1110 1536",
}
VGG19_REP = {
    0.90: "1728 36864 73728 147456 294912 525417 156770 102880 137565 185713 125576 84415 55943"
    " 36177 22510 13189 1536",
    0.95: "1728 36864 73728 147456 156851 123010 78325 51400 68729 92785 62739 42175 27950 18075"
    " 11246 6589 1536",
    0.98: "1728 36864 51513 35766 40394 49090 31257 20512 27428 37028 25038 16831 11154 7213 4488"
    " 2629 1536",
}
RESNET32_SU = {
    0.90: "689 6937 6529 6134 5750 5379 5021 4674 4340 4019 3710 6826 12515 634 10388 9399 8459"
    " 7568 6727 5936 5194 4501 7717 13059 604 8904 7123 5540 4155 2968 1978 1187 593 384",
    0.98: "136 1376 1295 1216 1140 1067 995 927 860 797 735 1353 2482 125 2060 1864 1677 1501 1334"
    " 1177 1030 892 1530 2590 119 1766 1412 1098 824 588 392 235 117 384",
}
RESNET32_REP = {
    0.90: "747 7501 7047 6606 6180 5768 5370 4986 4617 4262 3921 7189 13128 663 10797 9718 8695"
    " 7729 6819 5967 5171 4432 7501 12502 568 8183 6365 4773 3409 2273 1363 681 227 384",
    0.98: "148 1487 1397 1310 1225 1144 1065 989 915 845 777 1425 2603 131 2141 1927 1724 1532 1352"
    " 1183 1025 879 1487 2479 112 1623 1262 946 676 450 270 135 45 384",
}
VGG19_PROFILES = {
    "uniform": "34 734 1469 2938 5877 11754 11754 11754 23508 47016 47016 47016 47016 47016 47016"
    " 47016 1536",
    "ascend": "63 1009 1794 3365 6461 12564 12308 12116 23933 47387 46995 46669 46393 46156 45951"
    " 45772 1536",
    "linear": "1728 36864 30694 29827 35451 45451 30609 21305 30300 43633 31552 22725 16136 11130"
    " 7272 4261 1536",
    "cubic": "1728 36864 73728 72187 48216 52671 29806 17145 19751 22473 12442 6583 3246 1433 526"
    " 137 1536",
}
LAYER_BY_LAYER = [
    *(("vgg19", sparsity, VGG, text) for sparsity, text in VGG19_SU.items()),
    *(("vgg19", sparsity, VGG_REP, text) for sparsity, text in VGG19_REP.items()),
    *(("resnet32_w32", sparsity, {}, text) for sparsity, text in RESNET32_SU.items()),
    *(("resnet32_w32", sparsity, RESNET_REP, text) for sparsity, text in RESNET32_REP.items()),
    *(("vgg19", 0.98, {**VGG, "profile": name}, text) for name, text in VGG19_PROFILES.items()),
]


@pytest.mark.parametrize(("name", "sparsity", "options", "expected"), LAYER_BY_LAYER)
def test_smart_ratio_of_the_real_networks(name, sparsity, options, expected):
    found, published = smart(name, sparsity, **options), [int(text) for text in expected.split()]
    assert len(found) == len(published)
    assert max(abs(a - b) for a, b in zip(found, published)) <= 1
    assert found[-1] == published[-1]


@pytest.mark.parametrize(
    ("name", "num_classes", "options", "totals"),
    [
        ("vgg19", 10, VGG, (2_002_393, 1_001_192, 400_474)),
        ("vgg19", 10, VGG_REP, (2_002_379, 1_001_186, 400_469)),
        ("resnet32_w32", 10, {}, (185_541, 92_761, 37_094)),
        ("resnet32_w32", 10, RESNET_REP, (185_542, 92_762, 37_093)),
        ("vgg19", 100, VGG, (2_007_002, 1_003_497, 401_393)),
        ("vgg19", 100, VGG_REP, (2_006_853, 1_003_424, 401_363)),
        ("resnet32_w32", 100, {}, (186_693, 93_336, 37_324)),
        ("resnet32_w32", 100, RESNET_REP, (186_692, 93_338, 37_326)),
    ],
)
def test_smart_ratio_totals(name, num_classes, options, totals):
    for sparsity, total in zip((0.9, 0.95, 0.98), totals):
        assert abs(sum(smart(name, sparsity, num_classes, **options)) - total) <= 1


RESNET20 = {
    0.9856: "43 210 189 169 150 132 116 201 345 291 243 199 159 247 371 265 176 106 53 192",
    0.9941: "16 79 71 64 56 50 43 76 130 110 92 75 60 93 140 100 67 40 20 192",
    0.9628: "116 560 504 451 400 353 309 536 919 778 648 530 424 660 990 707 471 283 141 192",
    0.9: "315 1524 1372 1227 1091 962 842 1460 2503 2118 1765 1444 1155 1797 2695 1925 1283 770 385"
    " 192",
    0.5: "432 2304 2304 2304 2304 2304 2304 4608 9216 9216 9216 9216 9216 18432 28645 9683 6455"
    " 3873 1936 192",
}


@pytest.mark.parametrize("sparsity", RESNET20)
def test_smart_ratio_of_resnet20_without_shortcut_weights(sparsity):
    found = smart("resnet20", sparsity, model_options={"shortcut": "A"})
    assert found == [int(text) for text in RESNET20[sparsity].split()]


@pytest.mark.parametrize(
    ("sparsity", "expected"),
    [
        (
            0.95,
            "1728 36864 73728 147456 102910 91697 53895 64188 76074 44014 24250 12226 5208 1536",
        ),
        (0.9941, "1728 13008 9230 8787 9372 10651 6260 7455 8836 5112 2816 1420 605 1536"),
    ],
)
def test_smart_ratio_of_vgg16(sparsity, expected):
    found = smart("vgg16", sparsity, **VGG)
    assert max(abs(a - int(b)) for a, b in zip(found, expected.split(), strict=True)) <= 1


@pytest.mark.parametrize(
    ("name", "sparsity", "total"),
    [
        ("mobilenet_v2", 0.95, 113_065),
        ("mobilenet_v2", 0.9856, 32_541),
        ("wide_resnet28_2", 0.95, 73_186),
        ("wide_resnet28_2", 0.9856, 21_067),
    ],
)
def test_smart_ratio_totals_of_other_families(name, sparsity, total):
    assert abs(sum(smart(name, sparsity)) - total) <= 1


def test_the_ascending_profile_empties_the_first_convolution_of_resnet32():
    found = smart("resnet32_w32", 0.98, profile="ascend")
    assert found[:6] == [0, 1, 3, 5, 7, 10]


@pytest.mark.parametrize(("sparsity", "num_classes"), [(0.9, 10), (0.98, 10), (0.98, 100)])
def test_the_classifier_has_its_own_density_whatever_the_sparsity(sparsity, num_classes):
    for options in ({}, RESNET_REP):
        kept = smart("resnet32_w32", sparsity, num_classes, **options)[-1]
        assert kept == int(0.3 * 128 * num_classes)
        halved = smart("resnet32_w32", sparsity, num_classes, classifier_density=0.5, **options)
        assert halved[-1] == 64 * num_classes


def test_the_two_codes_differ_most_in_the_last_convolutions():
    su, rep = smart("vgg19", 0.9, **VGG), smart("vgg19", 0.9, **VGG_REP)
    assert rep[15] / su[15] == pytest.approx(2.369, abs=0.01)
    su, rep = smart("resnet32_w32", 0.9), smart("resnet32_w32", 0.9, **RESNET_REP)
    assert su[32] / rep[32] == pytest.approx(2.612, abs=0.01)


def test_dividing_by_the_square_of_the_layer_is_a_switch_for_the_ablation_only():
    plain = smart("vgg19", 0.98, family="vgg", profile="ascend", vgg_division=False)
    assert plain == smart("vgg19", 0.98, family="resnet", profile="ascend")
    assert plain[0] == 0
    with_switch = smart("vgg19", 0.98, family="vgg", vgg_division=False)
    assert with_switch == smart("vgg19", 0.98, family="vgg")


@pytest.mark.parametrize("allocation", ["su", "rep"])
def test_a_sparsity_that_cannot_pay_for_the_classifier_is_refused(allocation):
    # The classifier takes 384 of 1,855,584 weights: density 0.000207.
    with pytest.raises(UserError, match=r"find\.sparsity: 0\.9999 .* possible here is 0\.999793"):
        smart("resnet32_w32", 0.9999, allocation=allocation)
    assert sum(smart("resnet32_w32", 0.9997, allocation=allocation)) <= 556


def test_a_network_without_layers_before_its_classifier_is_refused():
    with pytest.raises(UserError, match="needs a classifier and at least one layer before it"):
        layer_budget("smart_ratio", nn.Linear(4, 2), sparsity=0.5)


# Uniform and ERK: exact totals.


def test_uniform_keeps_the_same_fraction_everywhere():
    model = network("resnet8_w32")
    found = layer_budget("uniform", model, sparsity=0.9)
    sizes = {name: weight.numel() for name, weight in prunable_parameters(model).items()}
    assert sum(sizes.values()) == 307_296
    assert sum(found.values()) == 30_729
    assert all(abs(found[name] - sizes[name] / 10) < 1 for name in sizes)


def test_what_rounding_leaves_goes_to_the_largest_remainders_the_earlier_first():
    assert uniform({"a": (5,), "b": (5,), "c": (5,)}, 0.5) == {"a": 3, "b": 2, "c": 2}
    assert uniform({"a": (4,), "b": (7,), "c": (9,)}, 0.75) == {"a": 1, "b": 2, "c": 2}


def test_erk_by_hand():
    # Raw densities 4/4 = 1, 6/8 = 0.75 and 12/32 = 0.375, times sizes: 4 + 6 + 12 = 22.
    # At density 0.25, 11 of 44: factor 0.5, densities 0.5, 0.375, 0.1875.
    shapes = {"a": (2, 2), "b": (4, 2), "c": (4, 8)}
    assert erk(shapes, 0.75) == {"a": 2, "b": 3, "c": 6}
    # At density 0.75, 33 of 44: factor 1.5 overfills a and b (12), c takes the other 21.
    assert erk(shapes, 0.25) == {"a": 4, "b": 8, "c": 21}


def test_erk_counts_the_kernel():
    # (4 + 2 + 3 + 3) / 72 = 1/6 and (4 + 4 + 1 + 1) / 16 = 5/8: 12 f + 10 f = 22 at density 0.25.
    assert erk({"a": (4, 2, 3, 3), "b": (4, 4, 1, 1)}, 0.75) == {"a": 12, "b": 10}


def test_erk_makes_small_layers_denser_than_large_ones():
    model = network("resnet20")
    found = layer_budget("erk", model, sparsity=0.9)
    sizes = {name: weight.numel() for name, weight in prunable_parameters(model).items()}
    density = {name: found[name] / sizes[name] for name in sizes}
    assert density["conv1.weight"] > 0.9
    assert density["layer1.0.conv1.weight"] > density["layer2.1.conv1.weight"]
    assert density["layer2.1.conv1.weight"] > density["layer3.1.conv1.weight"]


@pytest.mark.parametrize("budget", ["uniform", "erk"])
@pytest.mark.parametrize("sparsity", [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0])
@pytest.mark.parametrize("name", ["resnet20", "vgg16", "mobilenet_v2", "lenet5"])
def test_totals_are_exact(budget, sparsity, name):
    model = network(name)
    found = layer_budget(budget, model, sparsity=sparsity)
    sizes = {key: weight.numel() for key, weight in prunable_parameters(model).items()}
    assert list(found) == list(sizes)
    assert sum(found.values()) == kept_count(sum(sizes.values()), sparsity)
    assert all(0 <= found[key] <= sizes[key] for key in sizes)


shapes = st.lists(
    st.lists(st.integers(1, 9), min_size=1, max_size=4).map(tuple), min_size=1, max_size=6
).map(lambda found: {str(number): shape for number, shape in enumerate(found)})


@settings(deadline=None)
@given(shapes, st.integers(0, 1000))
def test_totals_are_exact_for_any_layers(layers, permille):
    sizes = {name: torch.Size(shape).numel() for name, shape in layers.items()}
    for budget in (uniform, erk):
        found = budget(layers, permille / 1000)
        assert sum(found.values()) == sum(sizes.values()) * (1000 - permille) // 1000
        assert all(0 <= found[name] <= size for name, size in sizes.items())


@settings(deadline=None)
@given(
    shapes.filter(lambda layers: len(layers) > 1),
    st.integers(0, 699),
    st.sampled_from(["su", "rep"]),
    st.sampled_from(["vgg", "resnet"]),
    st.sampled_from(["smart", "linear", "cubic", "ascend", "uniform"]),
)
def test_smart_ratio_stays_in_bounds(layers, permille, allocation, family, profile):
    sizes = {name: torch.Size(shape).numel() for name, shape in layers.items()}
    options = {"allocation": allocation, "family": family, "profile": profile}
    found = smart_ratio(layers, permille / 1000, **options)
    assert all(0 <= found[name] <= size for name, size in sizes.items())
    # What overflows moves on, so that a total is too small by rounding only, never too large.
    assert sum(found.values()) <= sum(sizes.values()) * (1000 - permille) / 1000 + len(sizes)


# Calls that cannot work


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("smart_ration", {}, "layer budget: unknown name .* did you mean 'smart_ratio'"),
        ("erk", {"length": 3}, r"layer budget erk: unknown option 'length' \(none\)"),
        ("smart_ratio", {"lenght": 3}, "unknown option 'lenght'; did you mean 'length'"),
        ("smart_ratio", {"family": "vggs"}, "family: unknown name 'vggs'; did you mean 'vgg'"),
        ("smart_ratio", {"profile": "cube"}, "profile: unknown name 'cube'"),
        ("smart_ratio", {"allocation": "sue"}, "allocation: unknown name 'sue'"),
    ],
)
def test_unknown_budgets_and_options_are_refused(name, options, reason):
    with pytest.raises(UserError, match=reason):
        layer_budget(name, network("resnet8"), sparsity=0.5, **options)


@pytest.mark.parametrize("name", sorted(BUDGETS))
def test_a_sparsity_outside_the_unit_interval_is_refused(name):
    with pytest.raises(UserError, match=r"sparsity: must lie in \[0, 1\], found 1\.5"):
        layer_budget(name, network("resnet8"), sparsity=1.5)
