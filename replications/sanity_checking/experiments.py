"""Every run of the paper's and the replication's tables, from a short description of each.

``python -m replications.sanity_checking.experiments`` writes them as JSON configs, one file a run,
so that each can be started by its path. Three presets:

``quick``     reduced runs on the bundled digits, minutes on two CPU cores (spec 7.2)
``paper``     the settings of the reproducibility-challenge replication, whose numbers are verified
``paper_su``  the settings of the paper's own code
``cpu_short`` ResNet32 on CIFAR-10 for the few epochs that a CPU can afford
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Config = dict[str, Any]

VGG, RESNET = "vgg19", "resnet32_w32"
SHORT = {VGG: "vgg19", RESNET: "resnet32", "resnet8": "resnet8"}
CIFARS = ("cifar10", "cifar100")
HIGH = (0.9, 0.95, 0.98)
ALL = (0.4, 0.6, 0.8, 0.9, 0.95, 0.98)
CHECKS = ("original", "corrupted_data", "layerwise_rearrange")


def percent(sparsity: float) -> str:
    """Return a sparsity as it stands in a file name: 0.98 is ``98``, 0.995 is ``99.5``."""
    return f"{sparsity * 100:g}"


def _config(experiment: str, protocol: str, parts: list[str], **fields: Any) -> Config:
    return {
        "$schema": "../schema.json",
        "paper": "sanity_checking",
        "experiment": experiment,
        "protocol": protocol,
        "name": "-".join(parts),
        **fields,
    }


def _family(model: str) -> str:
    return "vgg" if model == VGG else "resnet"


def _transforms(variant: str) -> list[str]:
    return ["layerwise_rearrange"] if variant == "layerwise_rearrange" else []


def _corruption(variant: str, pixels: str, labels: bool | str = True) -> Config:
    if variant != "corrupted_data":
        return {}
    return {"data": {"random_labels": labels, "random_pixels": pixels}}


# The three code bases of the replication differ in batch size, weight decay, normalisation and
# VGG19's BatchNorm (spec 5 and 8); the configs keep those differences.


def _rep_grasp(dataset: str, model: str, sparsity: float, variant: str) -> Config:
    few = dataset == "cifar100" and model == RESNET
    return _config(
        f"sanity_grasp_{dataset}",
        "paper",
        [dataset, SHORT[model], "grasp", percent(sparsity), variant],
        method="grasp",
        variant=variant,
        data={"name": dataset, "normalization": "legacy"},
        model={"name": model},
        find={
            "name": "grasp",
            "sparsity": sparsity,
            "samples_per_class": 5 if few else 10,
            "score_batches": 2 if few else 1,
            "count": "original",
            **_corruption(variant, "rows_cols"),
        },
        transform=_transforms(variant),
        train={"batch_size": 128, "weight_decay": 5e-4 if model == VGG else 1e-4},
    )


def _rep_s(dataset: str, model: str) -> Config:
    """Return what the SNIP and partially-trained-tickets code has in common."""
    affine = {"bn_affine": False} if model == VGG else {}
    return {
        "data": {"name": dataset, "normalization": "pixel"},
        "model": {"name": model, **affine},
    }


def _rep_snip(dataset: str, model: str, sparsity: float, variant: str) -> Config:
    return _config(
        f"sanity_snip_{dataset}",
        "paper",
        [dataset, SHORT[model], "snip", percent(sparsity), variant],
        method="snip",
        variant=variant,
        **_rep_s(dataset, model),
        find={
            "name": "snip",
            "sparsity": sparsity,
            "sampling": "minibatch",
            "batch_size": 64,
            "score_weights": "xavier_redraw",
            **_corruption(variant, "channel_rows"),
        },
        transform=_transforms(variant),
        train={"batch_size": 64},
    )


def _smart_ratio_rep(model: str) -> Config:
    return {
        "family": _family(model),
        "allocation": "rep",
        "length": 19 if model == VGG else 33,
    }


def _rep_random(dataset: str, model: str, sparsity: float) -> Config:
    return _config(
        "random_tickets",
        "paper",
        [dataset, SHORT[model], "random", percent(sparsity)],
        method="random_tickets",
        variant="original",
        data={"name": dataset, "normalization": "legacy"},
        model={"name": model},
        find={"name": "random_ticket", "sparsity": sparsity, **_smart_ratio_rep(model)},
        train={"batch_size": 128, "weight_decay": 5e-4},
    )


def _retrain(*, batch_size: int, epochs: int, rewind: int, **more: Any) -> Config:
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "start_epoch": rewind,
        "schedule_epochs": epochs,
        **more,
    }


def _partially_trained(
    base: Config,
    dataset: str,
    model: str,
    sparsity: float,
    check: str,
    smart: Config,
    pretrain: Config,
    retrain: Config,
    protocol: str,
) -> Config:
    """Return one run that prunes a trained network; ``check`` names the method or sanity check."""
    rewind = retrain["start_epoch"]
    method, variant = "learning_rate_rewinding", "original"
    experiment = "partially_trained_tickets"
    find: Config = {
        "name": "magnitude",
        "sparsity": sparsity,
        "pretrain": dict(pretrain),
        "rewinding": "learning_rate",
    }
    transform: list[str] = []
    if check == "hybrid":
        method = "hybrid_tickets"
        find |= {"name": "hybrid", **smart}
    elif check == "weight_rewinding":
        method = "weight_rewinding"
        find |= {"rewinding": "weights", "rewind_epoch": rewind}
    elif check == "half_dataset":
        variant, experiment = check, "partially_trained_checks"
        find["pretrain"]["subset"] = {"fraction": 0.5, "choose": "random"}
    elif check == "layerwise_weights_shuffling":
        variant, experiment = check, "partially_trained_checks"
        transform = [check]
    return _config(
        experiment,
        protocol,
        [dataset, SHORT[model], check.replace("_", "-"), percent(sparsity)],
        method=method,
        variant=variant,
        **base,
        find=find,
        transform=transform,
        train=retrain,
    )


PARTIAL = (
    "learning_rate_rewinding",
    "hybrid",
    "weight_rewinding",
    "half_dataset",
    "layerwise_weights_shuffling",
)


def _rep_partial(dataset: str, model: str, sparsity: float, check: str) -> Config:
    return _partially_trained(
        _rep_s(dataset, model),
        dataset,
        model,
        sparsity,
        check,
        _smart_ratio_rep(model),
        {"epochs": 160, "batch_size": 64},
        _retrain(batch_size=64, epochs=160, rewind=40),
        "paper",
    )


def _rep_dense(dataset: str, model: str) -> Config:
    return _config(
        "dense_baseline",
        "paper",
        [dataset, SHORT[model], "dense"],
        method="dense",
        variant="original",
        **_rep_s(dataset, model),
        find={"name": "dense"},
        train={"batch_size": 64},
    )


def paper() -> Iterator[Config]:
    """Yield the replication's runs: experiments E1 to E8 of spec section 7.1."""
    for model in (VGG, RESNET):
        for dataset in CIFARS:
            yield _rep_dense(dataset, model)
            for sparsity in HIGH:
                yield _rep_random(dataset, model, sparsity)
                for check in PARTIAL:
                    yield _rep_partial(dataset, model, sparsity, check)
        for sparsity in (*ALL, 0.99):
            for variant in CHECKS:
                yield _rep_grasp("cifar10", model, sparsity, variant)
        for sparsity in HIGH:
            for variant in CHECKS:
                yield _rep_grasp("cifar100", model, sparsity, variant)
            yield _rep_snip("cifar100", model, sparsity, "original")
        for sparsity in ALL:
            for variant in CHECKS:
                yield _rep_snip("cifar10", model, sparsity, variant)


# The paper's own code.


def _su(dataset: str, model: str) -> Config:
    vgg = {"conv_bias": True, "init": "su_vgg"} if model == VGG else {}
    normalization = "default" if dataset == "tiny_imagenet" else "legacy"
    return {
        "data": {"name": dataset, "normalization": normalization},
        "model": {"name": model, **vgg},
    }


def _su_train(dataset: str) -> Config:
    return {"batch_size": 64, "epochs": 300 if dataset == "tiny_imagenet" else 160}


def _su_score(method: str, dataset: str, model: str, sparsity: float, variant: str) -> Config:
    tiny = dataset == "tiny_imagenet"
    count = {"count": "original"} if method == "grasp" else {}
    return _config(
        f"su_sanity_{method}_{dataset}",
        "paper",
        [dataset, SHORT[model], method, percent(sparsity), variant],
        method=method,
        variant=variant,
        **_su(dataset, model),
        find={
            "name": method,
            "sparsity": sparsity,
            "samples_per_class": 1 if tiny else 10,
            "score_batches": 10 if tiny else 1,
            **count,
            **_corruption(variant, "values", labels="su"),
        },
        transform=_transforms(variant),
        train=_su_train(dataset),
    )


def _su_random(dataset: str, model: str, sparsity: float, profile: str) -> Config:
    smart = profile == "smart"
    experiment = "su_random_tickets" if smart else "profile_ablation"
    return _config(
        experiment,
        "paper",
        [dataset, SHORT[model], "random", profile, percent(sparsity)],
        method="random_tickets",
        variant="original" if smart else profile,
        **_su(dataset, model),
        find={
            "name": "random_ticket",
            "sparsity": sparsity,
            "family": _family(model),
            "profile": profile,
        },
        train=_su_train(dataset),
    )


def _su_lt(model: str, sparsity: float, variant: str) -> Config:
    pretrain: Config = {"epochs": 160, "batch_size": 64}
    if variant == "corrupted_data":
        pretrain["corruption"] = {"random_labels": "su", "random_pixels": "values"}
    return _config(
        "lt_checks",
        "paper",
        ["cifar10", SHORT[model], "lt", percent(sparsity), variant],
        method="lt",
        variant=variant,
        **_su("cifar10", model),
        find={"name": "lt", "sparsity": sparsity, "pretrain": pretrain},
        transform=_transforms(variant),
        train=_su_train("cifar10"),
    )


def _su_partial(model: str, sparsity: float, check: str) -> Config:
    config = _partially_trained(
        _su("cifar10", model),
        "cifar10",
        model,
        sparsity,
        check,
        {"family": _family(model)},
        {"epochs": 160, "batch_size": 64},
        _retrain(batch_size=64, epochs=160, rewind=40),
        "paper",
    )
    if check == "half_dataset":
        # The first 390 minibatches of 64 in stored order.
        config["find"]["pretrain"]["subset"] = {"count": 24960, "choose": "first"}
    return config | {"experiment": f"su_{config['experiment']}"}


def paper_su() -> Iterator[Config]:
    """Yield the paper's own runs, random tickets and E9 to E11 of spec section 7.1 among them."""
    for model in (VGG, RESNET):
        for sparsity in ALL:
            for variant in CHECKS:
                for method in ("snip", "grasp"):
                    yield _su_score(method, "cifar10", model, sparsity, variant)
                yield _su_lt(model, sparsity, variant)
        for dataset in (*CIFARS, "tiny_imagenet"):
            for sparsity in HIGH:
                yield _su_random(dataset, model, sparsity, "smart")
        for sparsity in HIGH:
            for check in PARTIAL:
                yield _su_partial(model, sparsity, check)
            for profile in ("linear", "cubic", "ascend", "uniform"):
                yield _su_random("cifar10", model, sparsity, profile)


# Reduced runs.

QUICK_SPARSITY = 0.98
QUICK_EPOCHS = 6
QUICK_REWIND = QUICK_EPOCHS // 4
QUICK: Config = {
    "data": {"name": "digits", "augment": None},
    "model": {"name": "resnet8", "init": "grasp"},
    "seeds": [0, 1, 2],
}
QUICK_TRAIN: Config = {"epochs": QUICK_EPOCHS, "batch_size": 32, "evaluate_every": 3}


def _quick(experiment: str, parts: list[str], **fields: Any) -> Config:
    config = _config(experiment, "quick", ["digits", "resnet8", *parts], **QUICK)
    return config | {"train": QUICK_TRAIN} | fields


def _quick_score(method: str, sparsity: float, variant: str) -> Config:
    return _quick(
        f"sanity_{method}_digits",
        [method, percent(sparsity), variant],
        method=method,
        variant=variant,
        find={"name": method, "sparsity": sparsity, **_corruption(variant, "values")},
        transform=_transforms(variant),
    )


def _quick_random(sparsity: float, profile: str) -> Config:
    smart = profile == "smart"
    return _quick(
        "random_tickets" if smart else "profile_ablation",
        ["random", profile, percent(sparsity)],
        method="random_tickets",
        variant="original" if smart else profile,
        find={"name": "random_ticket", "sparsity": sparsity, "profile": profile},
    )


def _quick_partial(sparsity: float, check: str) -> Config:
    config = _partially_trained(
        {},
        "digits",
        "resnet8",
        sparsity,
        check,
        {},
        QUICK_TRAIN,
        _retrain(epochs=QUICK_EPOCHS, rewind=QUICK_REWIND, **_without_epochs(QUICK_TRAIN)),
        "quick",
    )
    return config | QUICK


def _without_epochs(recipe: Config) -> Config:
    return {key: value for key, value in recipe.items() if key != "epochs"}


def quick() -> Iterator[Config]:
    """Yield the reduced runs that show the directions of the claims (spec 7.2).

    All at sparsity 0.98: up to 0.95 all methods lie within a few points of each other on the
    digits, and there is nothing to see.
    """
    yield _quick(
        "dense_baseline", ["dense"], method="dense", variant="original", find={"name": "dense"}
    )
    for method in ("snip", "grasp"):
        for variant in CHECKS:
            yield _quick_score(method, QUICK_SPARSITY, variant)
    for profile in ("smart", "uniform", "ascend"):
        yield _quick_random(QUICK_SPARSITY, profile)
    for check in PARTIAL:
        yield _quick_partial(QUICK_SPARSITY, check)


CPU_SHORT_EPOCHS = 2


def cpu_short() -> Iterator[Config]:
    """Yield SNIP and random tickets at 98 % on the real network, for a few epochs."""
    base = _rep_s("cifar10", RESNET)
    train = {"epochs": CPU_SHORT_EPOCHS, "batch_size": 64}
    finders: dict[str, Config] = {
        "snip": {"name": "snip", "sparsity": 0.98},
        "random_tickets": {"name": "random_ticket", "sparsity": 0.98},
    }
    for method, find in finders.items():
        yield _config(
            "cpu_short_cifar10",
            f"cpu_{CPU_SHORT_EPOCHS}_epochs",
            ["cifar10", "resnet32", method.replace("_", "-"), "98", "short"],
            method=method,
            variant="original",
            **base,
            find=find,
            train=train,
        )


PRESETS = {"quick": quick, "paper": paper, "paper_su": paper_su, "cpu_short": cpu_short}


if __name__ == "__main__":
    from common.launch.config_files import write_paper_configs

    write_paper_configs("sanity_checking")
