"""Hamming distances, zero kernels and kernel maps: facts of the spec, and whole commands."""

import numpy as np
import pandas as pd
import pytest
import torch

from common.models import build_model
from common.tickets import Ticket
from common.tickets.states import save_state
from replications.tost.analysis.hamming import hamming_distance
from replications.tost.analysis.kernels import (
    FilterCounts,
    filter_counts,
    kernel_map,
    rate_histogram,
    square_grid,
    strengths,
)
from replications.tost.analysis.launch import main
from replications.tost.analysis.levels import Level, convolutions, level_of
from replications.tost.analysis.options import named
from replications.tost.analysis.sources import open_source


def level(label="a", **removed):
    """A level of the given 0/1 lists (1 = kept), each a layer of one filter."""
    patterns = {
        name: ~torch.tensor(kept).bool().view(1, -1, 1, 1) for name, kept in removed.items()
    }
    weights = {name: torch.ones(pattern.shape) for name, pattern in patterns.items()}
    return Level(label, f"{label}.file", patterns, weights, frozenset(patterns))


def small(seed=0, **options):
    draw = torch.Generator().manual_seed(seed)
    return build_model(
        "small_cnn", num_classes=10, in_channels=1, generator=draw, width=4, **options
    )


def ticket(model, keep, seed):
    """A ticket of the convolutions whose masks are random."""
    draw = torch.Generator().manual_seed(seed)
    state = {name: value.clone() for name, value in model.state_dict().items()}
    masks = {
        name: torch.rand(value.shape, generator=draw) < keep
        for name, value in state.items()
        if value.dim() == 4
    }
    return Ticket(masks, state, {})


@pytest.fixture
def files(tmp_path):
    """Three tickets of one network: of density 0.5, of 0.1, and of 0.1 with another draw."""
    paths = []
    for keep, seed in ((0.5, 1), (0.1, 2), (0.1, 3)):
        paths.append(tmp_path / f"level_{keep}_{seed}.safetensors")
        ticket(small(), keep, seed).save(paths[-1])
    return paths


def run(command, tmp_path, *arguments):
    """Run a command into a folder; return its table and check that its plots are there."""
    out = tmp_path / "out"
    assert main(command, [*map(str, arguments), "--out", str(out)]) == 0
    assert (out / f"{command}.png").read_bytes().startswith(b"\x89PNG")
    assert "</svg>" in (out / f"{command}.svg").read_text()
    return pd.read_csv(out / f"{command}.csv")


def refused(capsys, command, *arguments):
    """Return the one line with which a command ends with status 2."""
    assert main(command, list(map(str, arguments))) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.strip().splitlines()
    return line


# Facts


def test_the_distance_of_1100_and_1010_is_2():
    found = hamming_distance(level(c=[1, 1, 0, 0]), level(c=[1, 0, 1, 0]), ["c"])
    assert (found.differing, found.positions, found.fraction) == (2, 4, 0.5)
    assert (found.only_first, found.only_second, found.kept_by_both) == (1, 1, 1)
    assert found.overlap == pytest.approx(1 / 3)


def test_chance_is_the_mean_distance_of_permuted_masks():
    draw = torch.Generator().manual_seed(0)
    first = {"c": [1] * 30 + [0] * 70, "d": [1] * 5 + [0] * 45}
    second = {"c": [1] * 60 + [0] * 40, "d": [1] * 20 + [0] * 30}

    def shuffled(patterns):
        return level(**{n: [k[i] for i in torch.randperm(len(k), generator=draw)]
                        for n, k in patterns.items()})  # fmt: skip

    seen = [
        hamming_distance(shuffled(first), shuffled(second), ["c", "d"]).differing
        for _ in range(300)
    ]
    expected = hamming_distance(level(**first), level(**second), ["c", "d"]).by_chance
    assert expected == pytest.approx(0.3 * 40 + 0.7 * 60 + 0.1 * 30 + 0.9 * 20)
    assert np.mean(seen) == pytest.approx(expected, abs=1.0)


def test_a_filter_with_19_zeros_of_20_counts_above_90_percent_and_not_above_95():
    counts = FilterCounts("c", torch.tensor([19, 18, 20, 0]), 20)
    assert counts.rates[0] == 0.95
    assert counts.zero_kernels(0.9) == 2  # not the one with exactly 90 %
    assert counts.zero_kernels(0.95) == 1


def test_zero_kernels_by_chance_are_those_of_permuted_masks():
    draw = torch.Generator().manual_seed(0)
    removed = torch.zeros(240, dtype=torch.bool)
    removed[:190] = True
    seen, counts = [], FilterCounts("c", torch.tensor([10] * 15 + [8] * 5), 12)
    assert int(counts.removed.sum()) == int(removed.sum())
    for _ in range(2000):
        mixed = removed[torch.randperm(240, generator=draw)].view(20, 12).sum(1)
        seen.append(FilterCounts("c", mixed, 12).zero_kernels(0.75))
    assert counts.by_chance(0.75) == pytest.approx(np.mean(seen), abs=0.15)
    assert FilterCounts("c", torch.tensor([12, 12]), 12).by_chance(0.9) == pytest.approx(2)


@pytest.mark.parametrize(
    ("model", "filters", "shape"),
    [
        ("resnet18", 4800, (80, 60)),
        ("resnet34", 8512, (112, 76)),
        ("resnet50", 26560, (160, 166)),
        ("resnet20", 784, (28, 28)),
        ("resnet8", 336, (18, 19)),
    ],
)
def test_filters_of_a_network_and_the_shape_of_their_map(model, filters, shape):
    with torch.device("meta"):
        network = build_model(model, num_classes=10)
    removed = {
        name: torch.zeros(value.shape, dtype=torch.bool, device="cpu")
        for name, value in network.state_dict().items()
        if value.dim() > 1
    }
    weights = dict(network.state_dict())
    one = Level(model, model, removed, weights, frozenset())
    counts = filter_counts(one, convolutions(one))
    assert sum(len(layer.removed) for layer in counts) == filters
    image = kernel_map(np.ones(filters, dtype=bool))
    assert image.shape == shape
    assert (image == 1).sum() == filters


def test_the_map_of_resnet18_runs_down_and_others_run_along():
    alive = np.ones(4800, dtype=bool)
    alive[:80] = False
    assert (kernel_map(alive)[:, 0] == 0).all()
    assert (kernel_map(alive)[:, 1:] == 1).all()
    image = kernel_map(np.array([True, False, True, True, True]))
    assert image.tolist() == [[1, 0, 1], [1, 1, -1]]


def test_the_most_square_grid_has_room():
    for count in (1, 2, 4, 5, 336, 1000):
        rows, columns = square_grid(count)
        assert rows * columns >= count > (rows - 1) * columns
        assert columns - 1 <= rows <= columns


def test_a_rate_on_an_edge_belongs_to_the_bin_above_it():
    counts = [FilterCounts("c", torch.tensor([0, 18, 19, 20]), 20)]
    histogram = rate_histogram(counts, 20)
    assert np.flatnonzero(histogram).tolist() == [0, 18, 19]
    assert histogram[19] == 2


def test_strengths_are_those_of_kept_weights():
    kept = level(c=[1, 1, 0, 0])
    kept.weights["c"][:] = torch.tensor([3.0, -1.0, 7.0, 7.0]).view(1, 4, 1, 1)
    found = strengths(kept, ["c"])
    assert (found.kept, found.mean_abs, found.std) == (2, 2.0, 2.0)


# Files


def test_of_a_ticket_masks_count_and_of_a_checkpoint_values(tmp_path):
    model = small()
    one = ticket(model, 0.5, 1)
    name = next(iter(one.masks))
    one.weights[name].view(-1)[0] = 0.0
    one.masks[name].view(-1)[:2] = True
    one.weights[name].view(-1)[1] = 5e-6
    one.save(tmp_path / "ticket.safetensors")
    kept = level_of(open_source(named(str(tmp_path / "ticket.safetensors"))), 1e-5)
    assert not kept.removed[name].view(-1)[:2].any()
    state = {n: w * one.masks[n] if n in one.masks else w for n, w in one.weights.items()}
    (tmp_path / "final.safetensors").write_bytes(save_state(state, one.masks))
    torch.save({"state_dict": state}, tmp_path / "final.pt")
    for file in ("final.safetensors", "final.pt"):
        source = open_source(named(str(tmp_path / file)))
        at_zero, near_zero = (level_of(source, zero).removed[name] for zero in (0.0, 1e-5))
        assert at_zero.view(-1)[:2].tolist() == [True, False]
        assert near_zero.view(-1)[:2].tolist() == [True, True]
        assert torch.equal(at_zero.view(-1)[2:], ~one.masks[name].view(-1)[2:])


def test_layers_of_a_file_are_in_the_order_of_the_network(tmp_path):
    model = build_model("resnet50", num_classes=10, width=4)
    state = model.state_dict()
    (tmp_path / "plain.safetensors").write_bytes(save_state(state, {}))
    one = level_of(open_source(named(str(tmp_path / "plain.safetensors"))), 0.0)
    assert one.names("conv") == [n for n, value in state.items() if value.dim() == 4]
    assert one.names("all") == [n for n, value in state.items() if value.dim() > 1]


def test_names_of_the_original_are_read(tmp_path):
    state = build_model("resnet18", num_classes=10, width=4).state_dict()
    theirs = {
        name.replace("shortcut.conv", "shortcut.0")
        .replace("shortcut.bn", "shortcut.1")
        .replace("classifier", "linear"): value
        for name, value in state.items()
    }
    torch.save({"state_dict": theirs}, tmp_path / "theirs.pth.tar")
    source = open_source(named(str(tmp_path / "theirs.pth.tar")))
    assert source.start.weights.keys() == state.keys()
    assert source.label == "theirs"


def test_a_classifier_that_is_a_convolution_is_no_convolution_here(tmp_path):
    ticket(small(classifier="conv"), 0.5, 0).save(tmp_path / "t.safetensors")
    one = level_of(open_source(named(str(tmp_path / "t.safetensors"))), 0.0)
    assert "classifier.weight" in one.names("all")
    assert "classifier.weight" not in one.names("conv")


# Commands


def test_hamming_distance_of_two_searches(tmp_path, files):
    first, second = files[:2], [files[0], files[2]]
    arguments = ("--first", *first, "--second", *second, "--names", "relu", "swish")
    table = run("hamming_distance", tmp_path, *arguments)
    masks = [[Ticket.load(path).masks for path in side] for side in (first, second)]
    assert len(table) == 4
    for row in table.itertuples():
        one, other = masks[0][row.row], masks[1][row.column]
        assert row.differing == sum(int((one[name] != other[name]).sum()) for name in one)
        assert row.positions == sum(mask.numel() for mask in one.values())
        assert row.fraction == pytest.approx(row.differing / row.positions, abs=1e-6)
        assert row.first.startswith("relu ")
    assert table.loc[(table["row"] == 0) & (table["column"] == 0), "differing"].item() == 0


def test_hamming_distance_of_each_with_each(tmp_path, files, capsys):
    table = run("hamming_distance", tmp_path, "--masks", f"a={files[0]}", *files[1:])
    matrix = table.pivot(index="row", columns="column", values="differing").to_numpy()
    assert (matrix == matrix.T).all()
    assert (np.diag(matrix) == 0).all()
    assert set(table["first"]) == {"a", *(path.stem for path in files[1:])}
    assert f"wrote {tmp_path / 'out' / 'hamming_distance.csv'}" in capsys.readouterr().out


def test_scope_all_counts_the_classifier(tmp_path, files):
    conv, both = (
        run("hamming_distance", tmp_path, "--masks", *files, "--scope", scope)
        for scope in ("conv", "all")
    )
    linear = small().state_dict()["classifier.weight"].numel()
    assert (both["positions"] - conv["positions"] == linear).all()
    assert (both["differing"] == conv["differing"]).all()  # it has no mask


def test_zero_kernels_of_levels_and_of_one_network(tmp_path, files):
    labelled = [f"x={path}" for path in files]
    table = run("zero_kernels", tmp_path, "--network", *labelled, "--threshold", "0.8")
    for path, (_, rows) in zip(files, table.groupby("file", sort=False), strict=True):
        masks = Ticket.load(path).masks
        rates = {n: (~m).flatten(1).double().mean(1) for n, m in masks.items()}
        by_layer = rows.set_index("layer")
        for name, found in rates.items():
            row = by_layer.loc[name.removesuffix(".weight")]
            assert row["zero_kernels"] == int((found > 0.8).sum())
            assert row["kept_weights"] == int(masks[name].sum())
        whole = by_layer.loc["all"]
        assert whole["filters"] == sum(map(len, rates.values()))
        assert whole["zero_kernels"] == rows["zero_kernels"][1:].sum()
        assert whole["sparsity"] == pytest.approx(Ticket.load(path).sparsity(), abs=1e-6)
    alone = run("zero_kernels", tmp_path, "--network", files[1])
    assert alone["layer"].tolist()[0] == "all"
    assert len(alone) == 1 + len(Ticket.load(files[1]).masks)


def test_kernel_maps(tmp_path, files):
    table = run("kernel_maps", tmp_path, "--network", *files, "--bins", "10", "--title", "Maps")
    assert len(table) == 3 * 10
    for path, (_, rows) in zip(files, table.groupby("file", sort=False), strict=True):
        masks = Ticket.load(path).masks
        rates = torch.cat([(~mask).flatten(1).double().mean(1) for mask in masks.values()])
        assert rows["filters"].sum() == len(rates)
        assert (rows["dead_filters"] == int((rates >= 0.9).sum())).all()
        assert rows["zero_rate_to"].tolist() == pytest.approx([i / 10 for i in range(1, 11)])


@pytest.mark.parametrize("command", ["zero_kernels", "kernel_maps"])
def test_the_same_files_give_the_same_bytes(tmp_path, files, command):
    contents = []
    for _ in range(2):
        run(command, tmp_path, "--network", *files)
        written = sorted((tmp_path / "out").iterdir())
        contents.append([path.read_bytes() for path in written])
    assert contents[0] == contents[1]


# Bad usage


def test_masks_of_other_networks_are_refused(tmp_path, files, capsys):
    draw = torch.Generator().manual_seed(0)
    wide = build_model("small_cnn", num_classes=10, in_channels=1, generator=draw, width=6)
    ticket(wide, 0.5, 0).save(tmp_path / "wide.safetensors")
    other = build_model("resnet8", num_classes=10, in_channels=1, generator=draw)
    ticket(other, 0.5, 0).save(tmp_path / "other.safetensors")
    line = refused(capsys, "hamming_distance", "--masks", files[0], tmp_path / "wide.safetensors")
    assert "features.conv1.weight has shape [6, 1, 3, 3], but [4, 1, 3, 3]" in line
    line = refused(capsys, "hamming_distance", "--masks", files[0], tmp_path / "other.safetensors")
    assert "other.safetensors: has no 'features.conv1.weight'" in line


def test_bad_usage_is_one_line(tmp_path, files, capsys):
    ham = "hamming_distance"
    assert "give --masks, or --first" in refused(capsys, ham)
    assert "needs two files" in refused(capsys, ham, "--masks", files[0])
    line = refused(capsys, ham, "--first", *files, "--second", files[0])
    assert "as many levels as --first, which has 3; found 1" in line
    line = refused(capsys, ham, "--masks", *files, "--first", files[0])
    assert "--masks: compares its own files" in line
    assert "did you mean --masks?" in refused(capsys, ham, "--mask", files[0])
    missing = tmp_path / "missing.safetensors"
    assert "missing.safetensors" in refused(capsys, "zero_kernels", "--network", missing)
    line = refused(capsys, "zero_kernels", "--network", files[0], "--threshold", "2")
    assert "fraction from 0 to 1, found '2'" in line
    assert "integer above 0" in refused(capsys, "kernel_maps", "--network", files[0], "--bins", "0")
    (tmp_path / "empty").mkdir()
    line = refused(capsys, "kernel_maps", "--network", tmp_path / "empty")
    assert "this folder holds none of checkpoint.safetensors" in line
    (tmp_path / "file").write_text("")
    line = refused(capsys, "kernel_maps", "--network", files[0], "--out", tmp_path / "file" / "x")
    assert "cannot be written" in line
    fc = build_model("fc", num_classes=10, in_channels=1, image_size=16, hidden=[8])
    Ticket({}, dict(fc.state_dict()), {}).save(tmp_path / "fc.safetensors")
    line = refused(capsys, "zero_kernels", "--network", tmp_path / "fc.safetensors")
    assert "has no convolutions" in line
