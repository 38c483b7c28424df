"""Activations near zero: where they are measured, what counts, and the whole command."""

import json
from argparse import Namespace

import pandas as pd
import pytest
import torch
from torch import nn

from common.data import Batches
from common.models import build_model
from common.pipeline.phase import EVALUATE_ONLY
from common.tickets import Ticket
from common.tickets.states import save_state
from common.training import evaluate
from common.tricks import GhostSkips, ghost_paths, swap_relus
from replications.tost.analysis.launch import main
from replications.tost.analysis.points import (
    activation_points,
    choose_points,
    hooked,
    measure,
    near_zero,
    original_indices,
)

MODEL = {"name": "resnet8", "width": 4}
DATA = {"name": "digits", "augment": None}
SECTIONS = {"data": DATA, "model": MODEL}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A function that calls the command; the table that it wrote; a folder for its files."""
    root = tmp_path_factory.mktemp("activations")

    def call(*arguments):
        where = ("--data-root", root / "data", "--device", "cpu", "--threads", "1")
        given = (*where, "--out", root / "out", *arguments)
        return main("activation_sparsity", [str(one) for one in given])

    def table(*arguments):
        assert call(*arguments) == 0
        for ending in ("png", "svg"):
            assert (root / "out" / f"activation_sparsity.{ending}").stat().st_size > 1000
        return pd.read_csv(root / "out" / "activation_sparsity.csv")

    return Namespace(call=call, table=table, root=root)


def network(**options):
    """A small network whose statistics are not those of the beginning."""
    draw = torch.Generator().manual_seed(0)
    model = build_model(
        "resnet8", num_classes=10, in_channels=1, generator=draw, width=4, **options
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=draw)
            module.running_var.uniform_(0.5, 2.0, generator=draw)
    return model


def write_run(folder, trained, **more):
    """Write a trained network as a run leaves it."""
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(SECTIONS | more))
    path = folder / "checkpoint.safetensors"
    path.write_bytes(save_state(trained.state_dict(), {}))
    return path


def images_of(digits):
    return Batches(digits.test, 200, digits.normalization("default"))


def by_hand(model, digits):
    """The share near zero of every activation on all test images at once, by module."""
    seen = {}
    handles = [
        module.register_forward_hook(lambda m, i, out, name=name: seen.update({name: out}))
        for name, module in model.named_modules()
        if not list(module.children()) and "relu" in name
    ]
    images, labels = next(images_of(digits).sequential(600))
    with torch.no_grad():
        accuracy = float((model.eval()(images).argmax(1) == labels).float().mean())
    for handle in handles:
        handle.remove()
    shares = {name: 100 * float((out.abs() <= 0.01).float().mean()) for name, out in seen.items()}
    return shares, 100 * accuracy


# What is counted


def test_half_of_the_spec_s_four_activations_are_near_zero():
    values = torch.tensor([0, 0.005, -0.02, 1])
    assert int(near_zero(values, 0.01)) / 4 == 0.5
    assert int(near_zero(torch.tensor([0.01, -0.01, 0.0101]), 0.01)) == 2


def test_indices_of_the_original():
    eighteen, thirty_four = original_indices("resnet18"), original_indices("resnet34")
    assert eighteen[16] == "layer1.1"
    assert eighteen[24] == "layer2.0"
    assert eighteen[67] == "layer4.1"
    assert eighteen[70] == thirty_four[126] == "stem"
    assert thirty_four[40] == "layer2.1"
    assert thirty_four[123] == "layer4.2"
    for name, known in (("resnet18", eighteen), ("resnet34", thirty_four)):
        with torch.device("meta"):
            points = activation_points(build_model(name, num_classes=10))
        outputs = [point.name for point in choose_points(points, ["outputs"])]
        assert sorted(known.values()) == sorted(outputs)


def test_the_original_s_network_has_its_activations_at_these_indices():
    """A block has one activation, before its shortcut; the stem's comes last of all."""

    def block(shrinks):
        parts = [nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)]
        shortcut = [nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)] if shrinks else []
        return nn.Sequential(*parts, nn.ReLU(), nn.Sequential(*shortcut))

    for name, blocks in (("resnet18", (2, 2, 2, 2)), ("resnet34", (3, 4, 6, 3))):
        stages = [
            nn.Sequential(*(block(stage > 0 and number == 0) for number in range(count)))
            for stage, count in enumerate(blocks)
        ]
        whole = nn.Sequential(
            nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1), *stages, nn.Linear(1, 1), nn.ReLU()
        )
        found = [i for i, module in enumerate(whole.modules()) if isinstance(module, nn.ReLU)]
        assert found == list(original_indices(name))


def test_a_block_s_output_has_the_block_s_name():
    points = {point.name: point for point in activation_points(network())}
    assert next(iter(points)) == "stem"
    assert points["layer2.0"].module == "layer2.0.relu2"
    assert points["layer2.0"].kind == "output"
    assert points["layer2.0.relu1"].kind == "inside"
    outputs = choose_points(points.values(), ["outputs"])
    assert [point.name for point in outputs] == ["stem", "layer1.0", "layer2.0", "layer3.0"]
    (same,) = choose_points(points.values(), ["layer2.0.relu2"])
    assert same.name == "layer2.0"


@pytest.mark.parametrize("name", ["vgg11", "mobilenet_v1", "wide_resnet28_2", "conv2", "lenet5"])
def test_every_family_has_activations_with_names_of_their_own(name):
    with torch.device("meta"):
        model = build_model(name, num_classes=10)
    points = activation_points(model)
    relus = [name for name, module in model.named_modules() if isinstance(module, nn.ReLU)]
    assert [point.module for point in points] == relus
    assert len({point.name for point in points}) == len(relus)
    assert choose_points(points, ["outputs"])


def test_measuring_leaves_the_network_as_it_was(digits):
    model = network().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    points = activation_points(model)
    measure(model, points, images_of(digits), 0.01, 200)
    assert model.training
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())
    with pytest.raises(RuntimeError, match="stopped"), hooked(model, points, 0.01):
        raise RuntimeError("stopped")
    assert not any(module._forward_hooks for module in model.modules())


def test_all_images_count_whatever_the_batch(digits):
    model = network()
    shares, accuracy = by_hand(model, digits)
    for size in (600, 70):
        counts, found = measure(model, activation_points(model), images_of(digits), 0.01, size)
        assert found == pytest.approx(accuracy, abs=1e-4)
        assert counts["stem"].near_zero_percent == pytest.approx(shares["relu1"], abs=1e-3)
        name = "layer3.0.relu2"
        assert counts["layer3.0"].near_zero_percent == pytest.approx(shares[name], abs=1e-3)
        assert counts["stem"].values == 600 * 4 * 16 * 16


# The command


def test_a_run_a_ticket_and_a_pytorch_file(place, digits, capsys):
    model = network()
    run = write_run(place.root / "r" / "toy-0123abcd" / "seed_3", model)
    masks = {"layer2.0.conv1.weight": torch.rand(8, 4, 3, 3) < 0.3}
    Ticket(masks, dict(model.state_dict()), SECTIONS).save(place.root / "t.safetensors")
    torch.save({"state_dict": model.state_dict()}, place.root / "plain.pth")
    config = place.root / "some.json"
    config.write_text(json.dumps(SECTIONS))
    files = (run.parent, f"pruned={place.root / 't.safetensors'}", place.root / "plain.pth")
    table = place.table("--network", *files, "--config", f"plain={config}")
    captured = capsys.readouterr()
    assert "note: pruned is a ticket" in captured.err
    assert "toy seed 3: relu, test accuracy" in captured.out
    dense, pruned = network(), network()
    with torch.no_grad():
        pruned.layer2[0].conv1.weight.mul_(masks["layer2.0.conv1.weight"])
    for label, same in (("toy seed 3", dense), ("plain", dense), ("pruned", pruned)):
        shares, accuracy = by_hand(same, digits)
        rows = table[table["network"] == label]
        assert rows["layer"].tolist() == [point.name for point in activation_points(same)]
        assert rows["near_zero_percent"].tolist() == pytest.approx(
            [shares[module] for module in rows["module"]], abs=1e-3
        )
        assert rows["test_accuracy"].tolist() == pytest.approx([accuracy] * len(rows), abs=1e-3)
        assert (rows["images"] == 600).all()


def test_networks_with_other_activations(place, digits):
    run = write_run(place.root / "soft", network())
    files = [f"{label}={run}" for label in ("a", "b", "c", "d")]
    table = place.table(
        *("--network", *files, "--activation", "mish", "a=relu", "b=swish", "d=pswish:3"),
        *("--layers", "layer1.0", "stem", "--threshold", "0.01"),
    )
    assert dict(zip(table["network"], table["activation"])) == {
        "a": "relu",
        "b": "swish",
        "c": "mish",
        "d": "pswish:3",
    }
    assert table["layer"].unique().tolist() == ["stem", "layer1.0"]
    for label, name in (("b", "swish"), ("c", "mish")):
        model = network()
        swap_relus(model, name)
        shares, _ = by_hand(model, digits)
        rows = table[table["network"] == label].set_index("layer")
        assert rows.loc["stem", "near_zero_percent"] == pytest.approx(shares["relu1"], abs=1e-3)
    zero = table.set_index(["network", "layer"])["zero_percent"]
    assert zero["a", "stem"] > 20
    assert zero["b", "stem"] < 1


def test_what_the_training_kept_is_measured_and_what_faded_is_not(place, capsys):
    kept = {"soft_activation": {"name": "swish", "decay": "none"}}
    faded = {"soft_activation": {"name": "swish"}, "ghost_skip": {}}
    recipe = EVALUATE_ONLY.model_dump(mode="json")
    files = [
        write_run(place.root / name, network(), train=recipe | tricks)
        for name, tricks in (("kept", kept), ("faded", faded))
    ]
    named = [f"{path.parent.name}={path}" for path in files]
    table = place.table("--network", *named, "--layers", "stem")
    assert dict(zip(table["network"], table["activation"])) == {"kept": "swish", "faded": "relu"}
    assert "note" not in capsys.readouterr().err
    place.table("--network", *named, "--layers", "stem", "--activation", "kept=relu")
    assert "note: kept was trained to its end with swish" in capsys.readouterr().err


def test_ghosts_that_stay_are_there(place, digits, capsys):
    model = network()
    ghosts = GhostSkips(model, ghost_paths(model), 1e-4, torch.ones(()))
    draw = torch.Generator().manual_seed(1)
    for parameter in ghosts.parameters():
        parameter.data.normal_(generator=draw)
    recipe = EVALUATE_ONLY.model_dump(mode="json") | {"ghost_skip": {"decay": "none"}}
    run = write_run(place.root / "ghosts", model, train=recipe)
    assert place.call("--network", run) == 2
    assert "ghosts.safetensors) is not beside it" in capsys.readouterr().err
    (run.parent / "ghosts.safetensors").write_bytes(save_state(ghosts.state_dict(), {}))
    table = place.table("--network", run)
    assert set(table["activation"]) == {"relu, ghosts"}
    ghosts.attach(model)
    _, accuracy = evaluate(model, images_of(digits))
    shares, _ = by_hand(model, digits)
    assert table["test_accuracy"][0] == pytest.approx(accuracy, abs=1e-3)
    assert table["near_zero_percent"].tolist() == pytest.approx(
        [shares[module] for module in table["module"]], abs=1e-3
    )
    plain, _ = by_hand(network(), digits)
    assert shares["layer3.0.relu2"] != pytest.approx(plain["layer3.0.relu2"], abs=0.1)


def test_the_original_s_index_chooses_a_block(place, capsys):
    draw = torch.Generator().manual_seed(0)
    model = build_model("resnet18", num_classes=10, in_channels=1, generator=draw, width=2)
    folder = place.root / "eighteen"
    run = write_run(folder, model, model={"name": "resnet18", "width": 2})
    table = place.table("--network", run, "--layer", "16", "70")
    assert dict(zip(table["original_index"], table["layer"])) == {16: "layer1.1", 70: "stem"}
    capsys.readouterr()
    assert place.call("--network", run, "--layer", "17") == 2
    error = capsys.readouterr().err
    assert error.startswith("error: --layer 17: is no activation of the original's resnet18;")
    assert "did you mean 16?" in error


def test_bad_usage_is_one_line(place, capsys):
    run = write_run(place.root / "bad", network())
    bare = place.root / "bare.pt"
    torch.save(network().state_dict(), bare)
    wrong = place.root / "wrong.json"
    wrong.write_text(json.dumps(SECTIONS | {"model": {"name": "resnet8", "width": 8}}))
    half = place.root / "half.json"
    half.write_text(json.dumps({"data": DATA}))
    cases = {
        ("--network", run, "--layers", "layer2.00"): "did you mean 'layer2.0'?",
        (
            "--network",
            run,
            "--layer",
            "16",
        ): "known of resnet18 and resnet34, but this is a resnet8",
        ("--network", run, "--layer", "16", "--layers", "stem"): "not allowed with argument",
        ("--network", run, "--activation", "swisch"): "did you mean 'swish'?",
        ("--network", run, "--activation", "swish:3"): "pswish alone has a slope",
        ("--network", run, "--activation", "x=mish"): "--activation x=mish: network: unknown",
        ("--network", run, "--activation", "mish", "relu"): "are for the same",
        ("--network", run, run): "'bad' is there twice",
        ("--network", bare): "name its config with --config",
        ("--network", bare, "--config", half): "has no section 'model'",
        ("--network", bare, "--config", wrong): "is no resnet8 for the 10 classes of digits",
        ("--network", bare, "--config", place.root / "no.json"): "no such file",
        ("--network", run, "--threshold", "-1"): "must be a number, 0 or more, found '-1'",
        ("--network", run, "--device", "tpu"): "--device: must be auto",
        (): "--network",
    }
    for arguments, message in cases.items():
        assert place.call(*arguments) == 2, arguments
        captured = capsys.readouterr()
        assert captured.out == ""
        (line,) = captured.err.strip().splitlines()
        assert message in line, line
