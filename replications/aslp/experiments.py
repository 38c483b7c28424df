"""Every run of the paper's tables and of its ablations, from a short description of each.

``python -m replications.aslp.experiments`` writes them as JSON configs, one file a run, so that
each can be started by its path. Four presets:

``quick``         reduced runs on the bundled digits, minutes on two CPU cores (spec 7.2)
``paper``         the full matrix behind the reported numbers (spec 7.1)
``ablations``     what the paper says or leaves open without a number, at the paper's scale
``cifar10_short`` Conv2 on CIFAR-10 for the few epochs that a CPU can afford
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Config = dict[str, Any]

NETS = ("conv2", "conv4", "conv6")
VARIANTS = ("none", "WR", "SC", "WR+SC")
SEEDS = [0, 1, 2]
EP_SPARSITY = 0.5
EP_RATES = (0.1, 0.3, 0.7, 0.9)
SAMPLED = ("aslp", "supermask")

# Sections 2.2 and 2.7: one recipe for all methods of the paper's code. Written out in every config.
SEARCH: Config = {
    "epochs": 1000,
    "batch_size": 256,
    "optimizer": "sgd",
    "lr": 50.0,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "schedule": "constant",
    "select": "best_validation",
    "patience": 100,
}
# Section 2.6: edge-popup's own recipe.
RAMANUJAN: Config = {
    "epochs": 100,
    "batch_size": 128,
    "optimizer": "sgd",
    "lr": 0.1,
    "momentum": 0.9,
    "weight_decay": 1e-4,
    "schedule": "cosine",
    "select": "last",
    "patience": None,
}


def _slug(variant: str) -> str:
    """Return a variant as it stands in a run's name: ``WR+SC`` is ``wr-sc``."""
    return variant.lower().replace("+", "-")


def _config(
    experiment: str, protocol: str, parts: list[str], method: str, variant: str, **fields: Any
) -> Config:
    return {
        "$schema": "../schema.json",
        "paper": "aslp",
        "experiment": experiment,
        "protocol": protocol,
        "name": "-".join(part.replace("_", "-") for part in parts),
        "method": method,
        "variant": variant,
        **fields,
    }


def _data(name: str, augmented: bool) -> Config:
    """Return the images with the original's augmentation and constants, or with neither."""
    seen: Config = {"normalization": "legacy"}
    if not augmented:
        seen = {"normalization": "none", "augment": None}
    return {"name": name, **seen, "validation": 0.1, "validation_choice": "random"}


def _init(method: str, variant: str, sparsity: float = EP_SPARSITY) -> Config:
    """Return the frozen weights: SC makes them constants, edge-popup's WR enlarges them."""
    init: Config = {"init": "kaiming_normal"}
    options: Config = {}
    if "SC" in variant:
        init = {"init": "signed_constant_empirical"}
        options["scope"] = "all"
    if method == "edge_popup" and "WR" in variant:
        options["fan_scale"] = round(1 - sparsity, 6)
    return init | ({"init_options": options} if options else {})


def _find(
    method: str, variant: str, search: Config, sparsity: float = EP_SPARSITY, **options: Any
) -> Config:
    """Return the finder; only edge-popup is told a sparsity."""
    own: Config = {"sparsity": sparsity}
    if method in SAMPLED:
        own = {"weight_rescale": "WR" in variant}
    return {"name": method, **own, **options, "search": search}


def _grid(
    experiment: str,
    dataset: str,
    net: str,
    method: str,
    variant: str,
    *,
    augmented: bool,
    label: str | None = None,
    model: Config | None = None,
    sparsity: float = EP_SPARSITY,
    search: Config | None = None,
    **options: Any,
) -> Config:
    """Return one run of the paper's setting, changed by what the last arguments say.

    ``label`` is the variant's name where the run is more than its ``variant``.
    """
    label = label or variant
    target = [f"{sparsity * 100:g}"] if method == "edge_popup" and sparsity != EP_SPARSITY else []
    recipe = SEARCH | {"validation_augment": augmented} | (search or {})
    return _config(
        experiment,
        "paper",
        [experiment, net, method, *target, _slug(label)],
        method,
        label,
        data=_data(dataset, augmented),
        model={"name": net, **(model or _init(method, variant, sparsity))},
        find=_find(method, variant, recipe, sparsity, **options),
        train=None,
        seeds=SEEDS,
    )


def paper() -> Iterator[Config]:
    """Yield the full matrix of spec section 7.1, 48 runs.

    The two examples of the original's README and its quickstart are among them.
    """
    for net in NETS:
        for variant in VARIANTS:
            for method in SAMPLED:
                yield _grid("cifar10-noda", "cifar10", net, method, variant, augmented=False)
            yield _grid("cifar10-da", "cifar10", net, "aslp", variant, augmented=True)
        for variant in ("SC", "WR+SC"):
            yield _grid("cifar10-da", "cifar10", net, "edge_popup", variant, augmented=True)
        for method in ("aslp", "edge_popup"):
            yield _grid("cifar100", "cifar100", net, method, "WR+SC", augmented=True)


# What is behind no reported number.


def _ramanujan(net: str, variant: str) -> Config:
    model = _init("edge_popup", variant) | {"bias": False}
    if "SC" in variant:
        model["init"] = "signed_constant"  # the theoretical standard deviation, as its code does
    recipe = RAMANUJAN | {"validation_augment": False}
    return _config(
        "edge-popup-ramanujan",
        "paper",
        ["edge-popup-ramanujan", net, _slug(variant)],
        "edge_popup",
        variant,
        data={"name": "cifar10", "normalization": "pixel", "validation": 0},
        model={"name": net, **model},
        find=_find("edge_popup", variant, recipe, rule="floor"),
        train=None,
        seeds=SEEDS,
    )


def _glorot(variant: str) -> Config:
    """Return Zhou et al.'s weights: Glorot normal, or constants of that size; zero biases."""
    if "SC" in variant:
        return {"init": "xavier_constant", "init_options": {"bias": "zero"}}
    return {"init": "xavier_normal"}


def _ablation(experiment: str, net: str, method: str, variant: str, **changed: Any) -> Config:
    return _grid(experiment, "cifar10", net, method, variant, augmented=False, **changed)


def _random(net: str) -> Config:
    """Return a random mask over the same weights, which nothing has learned."""
    return _config(
        *("random-mask", "paper", ["random-mask", net], "random", "none"),
        data=_data("cifar10", augmented=False),
        model={"name": net, **_init("random", "none")},
        find={"name": "random", "sparsity": EP_SPARSITY},
        train=None,
        seeds=SEEDS,
    )


def ablations() -> Iterator[Config]:
    """Yield the runs that answer what the paper's numbers leave open (spec 2.4 to 2.6 and 8)."""
    for net in NETS:
        yield _random(net)
        for variant in ("none", "SC", "WR+SC"):
            yield _ramanujan(net, variant)
        for sparsity in EP_RATES:
            yield _grid(
                *("edge-popup-rates", "cifar10", net, "edge_popup", "SC"),
                augmented=True,
                sparsity=sparsity,
            )
        yield _grid(
            *("edge-popup-lr", "cifar10", net, "edge_popup", "SC"),
            augmented=True,
            search={"lr": 0.1},
        )
        for variant in VARIANTS:
            yield _ablation("supermask-glorot", net, "supermask", variant, model=_glorot(variant))
        for variant in ("SC", "WR+SC"):
            model = {"init": "signed_constant_empirical", "init_options": {"scope": "conv"}}
            yield _ablation(
                *("signed-constant-scope", net, "aslp", variant),
                label=f"{variant}-conv",
                model=model,
            )
        for variant in ("WR", "WR+SC"):
            yield _ablation(
                *("one-pass", net, "aslp", variant),
                label=f"{variant}-one-pass",
                rescale={"two_pass": False},
            )
        for parametrization in ("naive", "logsigmoid"):
            yield _ablation(
                *("parametrization", net, "aslp", "none"),
                label=parametrization,
                gumbel={"parametrization": parametrization},
            )


# Reduced runs.

QUICK_DATA: Config = {"name": "digits", "normalization": "none", "augment": None}
QUICK_MODEL: Config = {"name": "conv2", "width_mult": 0.25, "image_size": 16}
QUICK_EPOCHS = 12
# In so few steps the paper's 50 leaves ASLP half-way (spec 7.2: compare at several rates).
QUICK_LR = 200.0
EP_LR = 0.1
QUICK_SEARCH = SEARCH | {
    "epochs": QUICK_EPOCHS,
    "batch_size": 64,
    "lr": QUICK_LR,
    "patience": None,
    "validation_augment": False,
}


def _quick(
    method: str,
    variant: str,
    *,
    experiment: str = "digits",
    parts: tuple[str, ...] = (),
    label: str | None = None,
    model: Config | None = None,
    sparsity: float = EP_SPARSITY,
    **options: Any,
) -> Config:
    label = label or variant
    search = QUICK_SEARCH | ({"lr": EP_LR} if method == "edge_popup" else {})
    return _config(
        experiment,
        "quick",
        ["digits", method, *parts, _slug(label)],
        method,
        label,
        data=QUICK_DATA,
        model=QUICK_MODEL | (model or _init(method, variant, sparsity)),
        find=_find(method, variant, search, sparsity, **options),
        train=None,
        seeds=SEEDS,
    )


def quick() -> Iterator[Config]:
    """Yield the reduced runs that show the directions of the claims (spec 7.2)."""
    for variant in VARIANTS:
        one_pass: Config = {"rescale": {"two_pass": False}} if "WR" in variant else {}
        yield _quick("aslp", variant, **one_pass)
    for variant in ("none", "SC"):
        yield _quick("supermask", variant)
        yield _quick("edge_popup", variant)
    # Dynamic rescale saturates the latents of networks with Kaiming weights at once (spec 2.4).
    yield _quick("supermask", "WR", model=_glorot("WR"), label="WR-glorot")
    for sparsity in (0.3, 0.9):
        yield _quick(
            *("edge_popup", "none"),
            experiment="digits-rates",
            parts=(f"{sparsity * 100:g}",),
            sparsity=sparsity,
        )
    yield _config(
        *("digits", "quick", ["digits", "random"], "random", "none"),
        data=QUICK_DATA,
        model=QUICK_MODEL | _init("random", "none"),
        find={"name": "random", "sparsity": EP_SPARSITY},
        train=None,
        seeds=SEEDS,
    )


SHORT_EPOCHS = 10


def cifar10_short() -> Iterator[Config]:
    """Yield the paper's setting without augmentation on Conv2, for ten epochs."""
    short = {"epochs": SHORT_EPOCHS, "patience": None}
    for method, variant in (
        ("aslp", "none"),
        ("aslp", "WR"),
        ("supermask", "none"),
        ("edge_popup", "none"),
    ):
        search = short | ({"lr": EP_LR} if method == "edge_popup" else {})
        config = _grid(
            *("cpu-short", "cifar10", "conv2", method, variant), augmented=False, search=search
        )
        yield config | {"protocol": f"cpu_{SHORT_EPOCHS}_epochs", "seeds": [0]}


PRESETS = {
    "quick": quick,
    "paper": paper,
    "ablations": ablations,
    "cifar10_short": cifar10_short,
}


if __name__ == "__main__":
    from common.launch.config_files import write_paper_configs

    write_paper_configs("aslp")
