"""Building models: names and options, errors, and what the random numbers depend on."""

import pytest
import torch

from common.errors import UserError
from common.models import (
    MODELS,
    SCHEMES,
    build_model,
    check_options,
    initialise,
    model_names,
    model_options,
)


def weights(name="resnet8", seed=0, **options):
    generator = torch.Generator().manual_seed(seed)
    return build_model(name, num_classes=10, generator=generator, **options).state_dict()


def same(a, b):
    return list(a) == list(b) and all(torch.equal(a[key], b[key]) for key in a)


def test_names_are_sorted_and_have_a_description_and_a_known_scheme():
    assert model_names() == sorted(MODELS)
    assert all(spec.description and spec.init in SCHEMES for spec in MODELS.values())


def test_the_defaults_of_every_model_are_allowed_values():
    for name, spec in MODELS.items():
        for option, declared in spec.options.items():
            declared.check(f"{name}.{option}", declared.default)


@pytest.mark.parametrize("init", sorted(SCHEMES))
def test_same_seed_same_weights_whatever_the_global_state(init):
    torch.manual_seed(1)
    first = weights(init=init)
    torch.manual_seed(2)
    assert same(first, weights(init=init))


def test_other_seed_other_weights():
    assert not same(weights(seed=0), weights(seed=1))


def test_no_generator_means_seed_0():
    assert same(build_model("resnet8", num_classes=10).state_dict(), weights(seed=0))


def test_the_global_random_state_stays():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = build_model("alexnet", num_classes=10, width_mult=0.05)
    initialise(model, "torch_default", torch.Generator().manual_seed(0))
    assert torch.equal(before, torch.get_rng_state())


def test_the_generator_moves_on_so_that_two_models_differ():
    generator = torch.Generator().manual_seed(0)
    first = build_model("resnet8", num_classes=10, generator=generator).state_dict()
    second = build_model("resnet8", num_classes=10, generator=generator).state_dict()
    assert not same(first, second)


def test_class_count_changes_nothing_but_the_classifier():
    ten = weights()
    generator = torch.Generator().manual_seed(0)
    hundred = build_model("resnet8", num_classes=100, generator=generator).state_dict()
    different = [key for key in ten if not torch.equal(ten[key], hundred[key])]
    assert different == ["classifier.weight", "classifier.bias"]


def test_meta_models_have_shapes_only_and_draw_nothing():
    generator = torch.Generator().manual_seed(0)
    state = generator.get_state()
    with torch.device("meta"):
        model = build_model("vgg19", num_classes=10, generator=generator)
    assert all(parameter.is_meta for parameter in model.parameters())
    assert torch.equal(state, generator.get_state())


def test_double_precision_models_get_the_same_numbers():
    single = weights("resnet8")
    model = build_model("resnet8", num_classes=10).double()
    initialise(model, "kaiming_normal_fan_out", torch.Generator().manual_seed(0))
    assert all(
        torch.equal(value, single[key].to(value)) for key, value in model.state_dict().items()
    )


def test_model_options_are_what_build_model_takes():
    options = model_options("resnet8")
    assert options["width"] == 16
    assert options["init"] == "kaiming_normal_fan_out"
    assert same(weights(**options), weights())


def test_a_list_from_json_does_for_hidden_widths():
    model = build_model("fc", num_classes=10, in_channels=1, image_size=8, hidden=[5, 4, 3])
    assert [m.out_features for m in model.modules() if isinstance(m, torch.nn.Linear)] == [
        *(5, 4, 3),
        10,
    ]


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("resnet31", {}, r"model\.name: unknown name 'resnet31'; did you mean 'resnet"),
        (
            "resnet8",
            {"widht": 8},
            r"model\.widht: resnet8 has no such option; did you mean 'width'",
        ),
        (
            "resnet8",
            {"stem": "cifar"},
            r"model\.stem: resnet8 has no such option.*known: bn_affine",
        ),
        ("resnet8", {"width": 0}, r"model\.width: 0 .*positive integer"),
        ("resnet8", {"width": True}, r"model\.width: True .*positive integer"),
        ("resnet8", {"bn_affine": "no"}, r"model\.bn_affine: 'no' .*true or false"),
        ("resnet8", {"bn_affine": 1}, r"model\.bn_affine: 1 .*true or false"),
        ("resnet8", {"shortcut": "C"}, r"model\.shortcut: 'C' .*'B' or 'A'"),
        ("vgg19", {"width_mult": -1.0}, r"model\.width_mult: -1\.0 .*positive number"),
        ("vgg19", {"width_mult": float("nan")}, r"model\.width_mult: nan .*positive number"),
        ("alexnet", {"dropout": 1.0}, r"model\.dropout: 1\.0 .*\[0, 1\)"),
        ("fc", {"hidden": [300, 0]}, r"model\.hidden: \[300, 0\] .*list of positive integers"),
        ("conv6", {"image_size": 7}, r"model\.image_size: 7 is too small.*least is 8"),
        ("lenet5", {"image_size": 15}, r"model\.image_size: 15 is too small.*least is 16"),
        ("alexnet", {"image_size": 14}, r"model\.image_size: 14 is too small.*least is 15"),
        ("resnet8", {"init": "gasp"}, r"model\.init: unknown name 'gasp'; did you mean 'grasp'"),
        ("resnet8", {"init": None}, r"model\.init: None is not the name of a scheme"),
        ("resnet8", {"init_options": 3}, r"model\.init_options: 3 is not a table"),
        (
            "resnet8",
            {"init_options": {"bais": 0}},
            r"model\.init_options of 'kaiming_normal_fan_out': unknown name 'bais'.*'bias'",
        ),
        ("resnet8", {"init_options": {"bias": "one"}}, r"model\.init_options\.bias: 'one'"),
        ("resnet8", {"init_options": {"fan_scale": 0}}, r"model\.init_options\.fan_scale: 0"),
        (
            "resnet8",
            {"init": "signed_constant", "init_options": {"scope": "linear"}},
            r"model\.init_options\.scope: 'linear' .*all or conv",
        ),
        ("resnet8", {"num_classes": 1}, r"model\.num_classes: 1 "),
        ("resnet8", {"in_channels": 0}, r"model\.in_channels: 0 "),
    ],
)
def test_bad_input_ends_in_one_clear_line(name, options, message):
    with pytest.raises(UserError, match=message) as error:
        build_model(name, **{"num_classes": 10, **options})
    assert "\n" not in str(error.value)


def test_options_are_checked_without_building():
    for name in model_names():
        check_options(name, model_options(name))
    with pytest.raises(UserError, match=r"model\.name: unknown name 'vgg99'"):
        check_options("vgg99", {})
    with pytest.raises(UserError, match=r"model\.width: 'wide'"):
        check_options("resnet8", {"width": "wide"})
    with pytest.raises(UserError, match=r"model\.init: unknown name"):
        check_options("resnet8", {"init": "unheard-of"})


@pytest.mark.parametrize(
    ("name", "size"), [("conv6", 8), ("lenet5", 16), ("alexnet", 15), ("conv2", 4)]
)
def test_the_least_image_size_works(name, size):
    model = build_model(name, num_classes=3, image_size=size).eval()
    assert model(torch.zeros(1, 3, size, size)).shape == (1, 3)
