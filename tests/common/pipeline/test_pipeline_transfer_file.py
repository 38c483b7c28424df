"""Start weights of a transfer from a file, and transfers that are refused."""

import re

import pytest
import torch
from safetensors.torch import save_file

from common.errors import UserError
from common.pipeline import phase_paths
from tests.common.pipeline.transfers import FIND, FIVE, fresh, names, run, trained

pytestmark = pytest.mark.usefixtures("one_thread", "transfer_datasets")


def same(one, other):
    return sorted(one) == sorted(other) and all(torch.equal(one[name], other[name]) for name in one)


TARGET = {"source": "digits_a", "mask": "target"}


@pytest.mark.parametrize("classes", ["equal", "unequal"])
def test_a_file_with_the_start_weights_is_as_good_as_the_source(
    compute_transfer, context, tmp_path, classes
):
    """A checkpoint, the ticket without masks, and a ticket of a later level: all hold them."""
    whole = compute_transfer(transfer=TARGET | ({} if classes == "equal" else {"source": FIVE}))
    start = trained(whole, context)[0]
    save_file(start, tmp_path / "plain.safetensors")
    torch.save({"state_dict": start}, tmp_path / "epoch_1.pt")
    files = [tmp_path / "plain.safetensors", tmp_path / "epoch_1.pt"]
    finds = [phase for phase in whole.phases if phase.role == "find"]
    files.append(phase_paths(finds[0], context).ticket)
    if classes == "equal":
        files.append(phase_paths(finds[-1], context).ticket)
    wanted = trained(whole, context)[1:]
    for file in files:
        made = compute_transfer(transfer={"init": str(file), "mask": "target"})
        assert names(made)[0] == "transfer digits_b"
        assert all(same(a, b) for a, b in zip(trained(made, context), wanted, strict=True)), file


def test_a_file_of_another_network_is_refused(plan_transfer, context, tmp_path):
    made = plan_transfer(transfer=TARGET)
    state = dict(fresh(made, context))
    extra = {**state, "features.conv9.weight": torch.zeros(1)}
    short = {name: value for name, value in state.items() if "bn1" not in name}
    other = {**extra, "classifier.weight": torch.zeros(5, state["classifier.weight"].shape[1])}
    for number, (wrong, message) in enumerate(
        [
            (extra, "its 'features.conv9.weight' is not in the model"),
            (other, "its 'features.conv9.weight' is not in the model"),
            (short, "the model's 'features.bn1.weight' is not in the ticket"),
        ]
    ):
        path = tmp_path / f"{number}.safetensors"
        save_file({name: value.contiguous() for name, value in wrong.items()}, path)
        made = plan_transfer(transfer={"init": str(path), "mask": "target"})
        with pytest.raises(UserError, match=re.escape(message)):
            run(made, context)


def test_a_file_that_has_changed_since_is_refused(plan_transfer, context, tmp_path):
    path = tmp_path / "start.safetensors"
    state = {n: v.contiguous() for n, v in fresh(plan_transfer(transfer=TARGET), context).items()}
    save_file(state, path)
    made = plan_transfer(transfer={"init": str(path), "mask": "target"})
    save_file({name: value + 1 for name, value in state.items()}, path)
    with pytest.raises(UserError, match=r"transfer\.sha256: .* has another content now"):
        run(made, context)


@pytest.mark.parametrize(
    ("transfer", "fields", "message"),
    [
        ({"mask": "target"}, {}, "transfer: give either source or init"),
        ({"source": "digits_a", "init": "x"}, {}, "init: no such file: x"),
        ({"source": "digitz"}, {}, "did you mean 'digits'"),
        ({"source": "digits_a", "masks": "source"}, {}, "did you mean 'mask'"),
        (
            {"source": "digits_a"},
            {"find": {"name": "dense"}},
            "transfer needs a ticket, but find.name is 'dense'",
        ),
        (TARGET, {"find": {"name": "snip", "sparsity": 0.5}}, "'target' needs a finder"),
        (TARGET, {"find": FIND | {"rewind": {"to": "init"}}}, "rewind.restart true"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(plan_transfer, transfer, fields, message):
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        plan_transfer(transfer=transfer, **fields)
    assert "\n" not in str(caught.value)


def test_a_file_gives_no_masks(plan_transfer, context, tmp_path):
    path = tmp_path / "start.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="mask must be 'target'"):
        plan_transfer(transfer={"init": str(path)})
