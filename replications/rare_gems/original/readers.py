"""How the values of the original's arguments are read: what is allowed, and what it stands for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from common.errors import UserError, nearest
from replications.rare_gems.original.text import Value

Reader = Callable[[str, Value], Value]
"""Checks the value of a key and returns what it stands for; ``UserError`` if it is not allowed."""


def _refuse(key: str, value: Value, allowed: str) -> UserError:
    return UserError(f"{key}: must be {allowed}, found {value!r}")


def _unknown(key: str, value: Value, known: Iterable[str]) -> UserError:
    """Return the error for a name that is not known; the nearest one whatever its capitals."""
    plain = {name.lower(): name for name in known}
    guess = nearest(str(value), plain)
    hint = f"; did you mean {plain[guess]!r}?" if guess else ""
    return UserError(f"{key}: unknown name {value!r}{hint} (known: {', '.join(plain.values())})")


def flag(key: str, value: Value) -> Value:
    """Read true or false."""
    if not isinstance(value, bool):
        raise _refuse(key, value, "true or false")
    return value


def number(
    low: float, high: float = float("inf"), allowed: str = "", *, open_: bool = False
) -> Reader:
    """Return the reader of a number in [low, high], or in (low, high] if ``open_``."""

    def read(key: str, value: Value) -> Value:
        plain = isinstance(value, int | float) and not isinstance(value, bool)
        if not plain or not low <= value <= high or (open_ and value == low):
            words = "a number above" if open_ else "a number of at least"
            raise _refuse(key, value, allowed or f"{words} {low:g}")
        return value

    return read


def whole(low: int) -> Reader:
    """Return the reader of an integer of at least ``low``."""

    def read(key: str, value: Value) -> Value:
        if not isinstance(value, int) or isinstance(value, bool) or value < low:
            raise _refuse(key, value, f"an integer of at least {low}")
        return value

    return read


def choice(names: Mapping[str, Value] | Iterable[str], *, nullable: bool = False) -> Reader:
    """Return the reader of one of several names; null (or false) is None where that is allowed."""
    known = names if isinstance(names, Mapping) else {name: name for name in names}

    def read(key: str, value: Value) -> Value:
        if nullable and (value is None or value is False):
            return None
        if not isinstance(value, str) or value not in known:
            raise _unknown(key, value, [*known, *(["null"] if nullable else [])])
        return known[value]

    return read


def optional(read: Reader) -> Reader:
    """Return a reader that takes null, too."""
    return lambda key, value: None if value is None else read(key, value)


def smart_ratio(key: str, value: Value) -> Value:
    """Read a fraction of removed weights, or -1."""
    if value == -1 and not isinstance(value, bool):
        return -1
    return number(0, 1, "the fraction of weights REMOVED, in (0, 1], or -1", open_=True)(key, value)


def milestones(key: str, value: Value) -> Value:
    """Read a list of epochs."""
    if not isinstance(value, list):
        raise _refuse(key, value, "a list of epochs such as [80, 120]")
    return [whole(1)(key, entry) for entry in value]


def algorithm(key: str, value: Value) -> Value:
    """Read the name of an algorithm."""
    if value == "iter_ep":
        raise UserError(
            "algo: 'iter_ep' is commented out in the original's code; use 'global_ep_iter'"
        )
    if value in ("pt_hack", "pt_reg", "ep+greedy", "greedy+ep", "greedy"):
        raise UserError(f"algo: {value!r} is no method of the paper and not here")
    return choice([*ALGORITHMS, "wt", "training"])(key, value)


ALGORITHMS = ("hc_iter", "hc", "ep", "global_ep", "global_ep_iter", "imp")
SCHEDULES = {"cosine_lr": "cosine", "multistep_lr": "multistep", "constant_lr": "constant"}
INITS = {
    "signed_constant": "signed_constant",
    "unsigned_constant": "unsigned_constant",
    "kaiming_normal": "kaiming_normal",
    "kaiming_uniform": "kaiming_uniform",
    "xavier_normal": "xavier_normal",
    "xavier_constant": "xavier_constant",
    "standard": "torch_default",
}
PENALTIES = ("L2", "L1", "L1_L2", "var_red_1", "var_red_2", "bin_entropy")
FREEZE_RULES = {
    "BottomK": "global_bottom_k",
    "LocalBottomK": "layer_bottom_k",
    "FixThresholding": "threshold",
}
DATASETS = {
    "CIFAR10": "cifar10",
    "CIFAR100": "cifar100",
    "TinyImageNet": "tiny_imagenet_half",
    "ImageNet": "imagenet",
    "Caltech101": "caltech101",
    "MNIST": "mnist",
}
ARCHITECTURES = (
    *("resnet20", "resnet32", "resnet32_double", "MobileNetV2", "vgg16", "WideResNet28"),
    *("cResNet18", "cResNet50", "TinyResNet18", "ResNet18", "ResNet50", "ResNet101"),
    *("Conv2", "Conv4", "Conv6"),
)
