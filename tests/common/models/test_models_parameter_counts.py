"""The papers' networks have the numbers of parameters that the papers' code has."""

import pytest
import torch
from torch import nn

from common.models import build_model, prunable_parameters, shortcut_weights

BARE = {"bn_affine": False, "classifier_bias": False}


def shapes_only(name, num_classes=10, in_channels=3, **options):
    with torch.device("meta"):
        return build_model(name, num_classes=num_classes, in_channels=in_channels, **options)


def total(model):
    return sum(parameter.numel() for parameter in model.parameters())


def sizes(model, scope="conv_linear"):
    return [parameter.numel() for parameter in prunable_parameters(model, scope).values()]


def norm_channels(model):
    return sum(m.num_features for m in model.modules() if isinstance(m, nn.BatchNorm2d))


VGG16_CONVS = [1728, 36864, 73728, 147456, 294912, *[589824] * 2, 1179648, *[2359296] * 5]
VGG19_CONVS = [1728, 36864, 73728, 147456, 294912, *[589824] * 3, 1179648, *[2359296] * 7]
RESNET32_W32_CONVS = [
    864,
    *[9216] * 10,
    *[18432, 36864, 2048, *[36864] * 8],
    *[73728, 147456, 8192, *[147456] * 8],
]
RESNET18_CONVS = [
    1728,
    *[36864] * 4,
    *[73728, 147456, 8192, 147456, 147456],
    *[294912, 589824, 32768, 589824, 589824],
    *[1179648, 2359296, 131072, 2359296, 2359296],
]


@pytest.mark.parametrize(
    ("options", "totals"),
    [
        ({"conv_bias": True}, (20_040_522, 20_086_692, 20_137_992)),
        ({}, (20_035_018, 20_081_188, 20_132_488)),
        ({"bn_affine": False}, (20_024_010, 20_070_180, 20_121_480)),
    ],
)
def test_vgg19_in_the_three_code_bases(options, totals):
    for num_classes, expected in zip((10, 100, 200), totals):
        model = shapes_only("vgg19", num_classes, **options)
        assert total(model) == expected
        assert sizes(model) == [*VGG19_CONVS, 512 * num_classes]
    assert sum(VGG19_CONVS) == 20_018_880


@pytest.mark.parametrize(
    ("num_classes", "parameters", "prunable"),
    [
        (10, 1_860_522, 1_855_584),
        (100, 1_872_132, 1_867_104),
        (200, 1_885_032, 1_879_904),
    ],
)
def test_resnet32_of_double_width(num_classes, parameters, prunable):
    model = shapes_only("resnet32_w32", num_classes)
    assert total(model) == parameters
    assert sizes(model) == [*RESNET32_W32_CONVS, 128 * num_classes]
    assert sum(sizes(model)) == prunable
    assert sum(sizes(model, "conv")) == 1_854_304


def test_resnet32_shortcut_convolutions_are_layers_14_and_25():
    model = shapes_only("resnet32_w32")
    names = list(prunable_parameters(model))
    assert [names[13], names[24]] == shortcut_weights(model)
    assert names[0] == "conv1.weight"
    assert names[-1] == "classifier.weight"


def test_resnet8_and_resnet56_of_double_width():
    expected = [864, 9216, 9216, 18432, 36864, 2048, 73728, 147456, 8192, 1280]
    assert sizes(shapes_only("resnet8_w32")) == expected
    assert sum(expected) == 307_296
    deep = shapes_only("resnet56_w32")
    assert (len(sizes(deep)), sum(sizes(deep)), total(deep)) == (86, 3_420_000, 3_446_058)


@pytest.mark.parametrize("classifier", ["linear", "conv"])
@pytest.mark.parametrize(
    ("name", "options", "layers", "weights", "uncounted", "channels"),
    [
        ("resnet20", {"num_classes": 10, "shortcut": "A"}, 20, 268_336, 0, 688),
        ("resnet32", {"num_classes": 100, "shortcut": "A"}, 32, 467_632, 0, 1_136),
        ("resnet32_w32", {"num_classes": 100, "shortcut": "A"}, 32, 1_856_864, 0, 2_272),
        ("mobilenet_v2", {"num_classes": 10}, 58, 2_261_824, 0, 17_544),
        ("vgg16", {"num_classes": 10}, 14, 14_715_584, 0, 4_224),
        ("wide_resnet28_2", {"num_classes": 10}, 29, 1_463_984, 0, 1_808),
        ("resnet18", {"num_classes": 10}, 21, 11_164_352, 0, 4_800),
        ("resnet18", {"num_classes": 200, "stem": "imagenet"}, 21, 11_269_312, 172_032, 4_800),
        ("resnet50", {"num_classes": 1000, "stem": "imagenet"}, 54, 25_502_912, 2_768_896, 26_560),
        ("resnet50", {"num_classes": 200, "stem": "imagenet"}, 54, 23_864_512, 2_768_896, 26_560),
        ("resnet50", {"num_classes": 101, "stem": "imagenet"}, 54, 23_661_760, 2_768_896, 26_560),
    ],
)
def test_networks_without_biases_and_norm_parameters(
    name, options, layers, weights, uncounted, channels, classifier
):
    model = shapes_only(name, classifier=classifier, **options, **BARE)
    assert len(sizes(model)) == layers
    assert total(model) == sum(sizes(model)) == weights
    assert norm_channels(model) == channels
    if uncounted:
        counted = prunable_parameters(model, exclude=shortcut_weights(model))
        assert sum(p.numel() for p in counted.values()) == weights - uncounted


def test_affine_norm_and_bias_add_what_they_should():
    assert total(shapes_only("resnet20", shortcut="A")) == 269_722
    assert total(shapes_only("mobilenet_v2")) == 2_296_922


def test_resnet20_and_vgg16_layer_by_layer():
    resnet = [432, *[2304] * 6, 4608, *[9216] * 5, 18432, *[36864] * 5, 640]
    assert sizes(shapes_only("resnet20", shortcut="A", **BARE)) == resnet
    assert sizes(shapes_only("vgg16", **BARE)) == [*VGG16_CONVS, 5120]


def test_mobilenet_v2_shortcut_convolutions():
    model = shapes_only("mobilenet_v2", **BARE)
    weights = prunable_parameters(model)
    found = [tuple(weights[name].shape[1::-1]) for name in shortcut_weights(model)]
    assert found == [(32, 16), (16, 24), (64, 96), (160, 320)]


def test_wide_resnet_shortcut_convolutions():
    model = shapes_only("wide_resnet28_2", **BARE)
    weights = prunable_parameters(model)
    assert [weights[name].numel() for name in shortcut_weights(model)] == [512, 2048, 8192]


CONV_NETS = {
    "conv2": ([1728, 36864], 4_194_304, 650, 740),
    "conv4": ([1728, 36864, 73728, 147456], 2_097_152, 906, 996),
    "conv6": ([1728, 36864, 73728, 147456, 294912, 589824], 1_048_576, 1_418, 1_508),
}


@pytest.mark.parametrize("name", CONV_NETS)
def test_conv_nets_layer_by_layer(name):
    convs, fc1, biases, biases_100 = CONV_NETS[name]
    model = shapes_only(name)
    assert sizes(model) == [*convs, fc1, 65_536, 2_560]
    assert total(model) - sum(sizes(model)) == biases
    model = shapes_only(name, 100)
    assert sizes(model) == [*convs, fc1, 65_536, 25_600]
    assert total(model) - sum(sizes(model)) == biases_100


@pytest.mark.parametrize(
    ("name", "prunable", "parameters", "prunable_100"),
    [
        ("conv2", 4_300_992, 4_301_642, 4_324_032),
        ("conv4", 2_425_024, 2_425_930, 2_448_064),
        ("conv6", 2_261_184, 2_262_602, 2_284_224),
    ],
)
def test_conv_nets_in_total(name, prunable, parameters, prunable_100):
    model = shapes_only(name)
    assert (sum(sizes(model)), total(model)) == (prunable, parameters)
    assert sum(sizes(shapes_only(name, 100))) == prunable_100


def test_narrow_conv2_for_small_images():
    model = shapes_only("conv2", width_mult=0.25, image_size=16)
    assert sum(sizes(model)) == 73_008
    assert prunable_parameters(model)["fc1.weight"].shape == (64, 1024)


def test_conv_nets_without_biases():
    model = shapes_only("conv6", bias=False)
    assert total(model) == sum(sizes(model)) == 2_261_184


@pytest.mark.parametrize(
    ("name", "convs", "layers", "filters", "totals"),
    [
        ("resnet18", 11_159_232, 20, 4_800, (11_173_962, 11_220_132, 11_271_432)),
        ("resnet34", 21_259_968, 36, 8_512, (21_282_122, 21_328_292, 21_379_592)),
        ("resnet50", 23_447_232, 53, 26_560, (23_520_842, 23_705_252, 23_910_152)),
        ("resnet101", 42_387_136, 104, 52_672, (42_512_970, 42_697_380, 42_902_280)),
        ("resnet152", 57_984_704, 155, 75_712, (58_156_618, 58_341_028, 58_545_928)),
        ("resnet8", 76_720, 9, 336, (78_042, 83_892, 90_392)),
        ("resnet14", 173_488, 15, 560, (175_258, 181_108, 187_608)),
        ("resnet20", 270_256, 21, 784, (272_474, 278_324, 284_824)),
        ("resnet32", 463_792, 33, 1_232, (466_906, 472_756, 479_256)),
        ("resnet44", 657_328, 45, 1_680, (661_338, 667_188, 673_688)),
        ("resnet56", 853_936, 85, 6_512, (869_530, 892_660, 918_360)),
        ("resnet104", 1_585_072, 157, 11_888, (1_611_418, 1_634_548, 1_660_248)),
        ("resnet110", 1_676_464, 166, 12_560, (1_704_154, 1_727_284, 1_752_984)),
        ("vgg16_bn", 14_710_464, 13, 4_224, (14_728_266, 14_774_436, 14_825_736)),
        ("mobilenet_v1", 3_185_088, 27, 10_944, (3_217_226, 3_309_476, 3_411_976)),
    ],
)
def test_networks_with_batch_norm(name, convs, layers, filters, totals):
    for num_classes, expected in zip((10, 100, 200), totals):
        model = shapes_only(name, num_classes)
        assert total(model) == expected
        assert (sum(sizes(model, "conv")), len(sizes(model, "conv"))) == (convs, layers)
        assert norm_channels(model) == filters


def test_resnet18_layer_by_layer():
    assert sizes(shapes_only("resnet18")) == [*RESNET18_CONVS, 5_120]
    assert sum(sizes(shapes_only("resnet18", 100))) == 11_210_432
    assert total(shapes_only("resnet18", 100, stem="imagenet")) == 11_227_812
    assert sum(sizes(shapes_only("resnet18"))) + 4_800 == sum(
        sizes(shapes_only("resnet18"), "all_weights")
    )


@pytest.mark.parametrize(
    ("name", "options", "parameters", "weights"),
    [
        ("fc", {"in_channels": 1}, 266_610, 266_200),
        ("fc", {"image_size": 32}, 953_010, 952_600),
        ("fc", {"image_size": 32, "num_classes": 100}, 962_100, 961_600),
        (
            "lenet5",
            {"in_channels": 1, "image_size": 28, "variant": "mnist"},
            3_317_450,
            3_316_800,
        ),
        ("lenet5", {}, 62_006, 61_770),
        ("lenet5", {"num_classes": 100}, 69_656, 69_330),
    ],
)
def test_small_fully_connected_and_lenet(name, options, parameters, weights):
    model = shapes_only(name, **options)
    assert total(model) == parameters
    assert sum(sizes(model, "all_weights")) == weights


GENERALIZING = {
    "vgg19": {"conv_bias": True},
    "resnet50": {"stem": "imagenet"},
    "alexnet": {},
}


@pytest.mark.parametrize(
    ("name", "num_classes", "parameters", "all_weights", "conv", "conv_linear"),
    [
        ("vgg19", 10, 20_040_522, 20_029_504, 20_018_880, 20_024_000),
        ("vgg19", 100, 20_086_692, 20_075_584, 20_018_880, 20_070_080),
        ("resnet50", 10, 23_528_522, 23_501_952, 23_454_912, 23_475_392),
        ("resnet50", 100, 23_712_932, 23_686_272, 23_454_912, 23_659_712),
        ("alexnet", 10, 23_272_266, 23_262_912, 2_250_432, 23_262_912),
        ("alexnet", 100, 23_640_996, 23_631_552, 2_250_432, 23_631_552),
    ],
)
def test_the_three_scopes(name, num_classes, parameters, all_weights, conv, conv_linear):
    model = shapes_only(name, num_classes, **GENERALIZING[name])
    assert total(model) == parameters
    assert sum(sizes(model, "all_weights")) == all_weights
    assert sum(sizes(model, "conv")) == conv
    assert sum(sizes(model, "conv_linear")) == conv_linear


@pytest.mark.parametrize(("name", "tensors"), [("vgg19", 33), ("resnet50", 107), ("alexnet", 8)])
def test_number_of_tensors_called_weight(name, tensors):
    assert len(sizes(shapes_only(name, **GENERALIZING[name]), "all_weights")) == tensors


def test_resnet50_shortcut_weights_and_norm_scales():
    model = shapes_only("resnet50", stem="imagenet")
    weights = prunable_parameters(model)
    found = [weights[name].numel() for name in shortcut_weights(model)]
    assert found == [16_384, 131_072, 524_288, 2_097_152]
    scales = [p.numel() for n, p in model.named_parameters() if n.endswith("shortcut.bn.weight")]
    assert sum(scales) == 3_840


def test_alexnet_layer_by_layer():
    convs = [1_728, 110_592, 663_552, 884_736, 589_824]
    assert sizes(shapes_only("alexnet")) == [*convs, 4_194_304, 16_777_216, 40_960]


@pytest.mark.parametrize(("width", "convs"), [(12, 40_500), (24, 161_352)])
def test_small_cnn(width, convs):
    assert sum(sizes(shapes_only("small_cnn", width=width), "conv")) == convs
