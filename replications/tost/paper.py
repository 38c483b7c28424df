"""What this replication shows: its tables, plots and claims, and how reported numbers are named."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import Paper, ReportedAs, ReportedTable
from replications.tost.claims import CLAIMS, TABLE_2, TINY, TWEAKS
from replications.tost.plots import PLOTS
from replications.tost.tables import CHAINS, KEPT, KEPT_CHAINS, PLAIN, TABLES

REPORTED_AS = (
    ReportedAs(where={"method": "lth"}, becomes={"method": "imp"}),
    ReportedAs(
        where={"experiment": TABLE_2, "architecture": "resnet32"},
        becomes={"architecture": "resnet32_w32"},
    ),
)

NOTES = (
    "The reported recipe ToST stands beside the one whose ghosts and soft neurons are gone after a "
    "quarter of the training; the paper does not print its schedule, and the released code never "
    "removes them. Runs that keep them end with another network and have tables and plots of their "
    "own, with the number of its weights. Recipes without ghosts have no such numbers: their "
    "networks end with the ticket's. Table 2's ResNet-32 is taken to be the one of twice the "
    "width, for the printed accuracies are out of reach of the narrow one. Some of the printed "
    "baselines are irregular (ResNet-50, random masks, CIFAR-10: 85.11 at 90 %, 88.76 at 95 %). "
    "Gains reported without their accuracies are in a table of their own."
)

FUNCTION_NAMES = {
    "swish": "Swish",
    "mish": "Mish",
    "pswish": "P-Swish",
    "pswish3": "P-Swish (slope 3)",
    "gelu": "GELU",
    "elu": "ELU",
    "softplus": "Softplus",
    "lisht": "LiSHT",
}

LABELS = {
    "method": "mask",
    "variant": "recipe",
    "dataset": "data set",
    "architecture": "network",
    "test_accuracy_gain_pct": "gain in test accuracy (points)",
    "ghost_parameters": "parameters of the ghosts",
    "final_parameters": "parameters of the final network",
    "none": "not pruned",
    "default": "dense recipe",
    "tost": "ToST",
    "tost_noghost": "ToST without ghosts",
    "tost_keep": "ToST, all kept",
    "ghosts": "ghost skips",
    "ghosts_keep": "ghost skips kept",
    "ghosts_ls": "ghost skips, LS",
    "ghosts_ls_keep": "ghost skips kept, LS",
    "ls": "label smoothing (LS)",
    "lrsi": "LRsI",
    "lrsi_dense": "LRsI before masking",
    "lrsi_ls": "LRsI, LS",
    **{name: f"{text} neurons" for name, text in FUNCTION_NAMES.items()},
    **{f"{name}_keep": f"{text} neurons kept" for name, text in FUNCTION_NAMES.items()},
    **{f"{name}_chain": f"{text} neurons, own masks" for name, text in FUNCTION_NAMES.items()},
    **{
        f"{name}_keep_chain": f"{text} neurons kept, own masks"
        for name, text in FUNCTION_NAMES.items()
    },
    "all_tweaks_minus_default": "all tricks",
    "tost_minus_default": "ToST",
    "lt": "initial weights",
    "reinit": "new weights",
    "random": "random",
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    "imp": "LTH (IMP)",
    "magnitude": "one-shot magnitude",
    "taylor": "Taylor",
    "gmp": "gradual magnitude",
    "lth_local": "LTH in each tensor",
    "dense": "not pruned",
    "cifar10": "CIFAR-10",
    "cifar100": "CIFAR-100",
    "tiny_imagenet": "TinyImageNet",
    "mnist": "MNIST",
    "fashion_mnist": "Fashion-MNIST",
    "resnet32_w32": "ResNet-32 (width 32)",
    **{f"resnet{depth}": f"ResNet-{depth}" for depth in (8, 18, 32, 34, 50, 104)},
    "vgg16_bn": "VGG-16",
    "mobilenet_v1": "MobileNet",
    "fc": "fully connected",
    "lenet5": "LeNet-5",
    TINY: "TinyImageNet (Table 3)",
    TWEAKS: "ResNet-18 on CIFAR-100 (earlier version)",
}

PAPER = Paper(
    name="tost",
    title="Training your sparse neural network better with any mask",
    arxiv="2206.12755",
    reported=Path(__file__).with_name("reported.csv"),
    page=Path(__file__).with_name("README.md"),
    tables=TABLES,
    plots=PLOTS,
    claims=CLAIMS,
    notes=NOTES,
    order={
        "method": (
            *("random", "snip", "grasp", "synflow", "imp"),
            *("magnitude", "taylor", "gmp", "lth_local", "dense"),
        ),
        "variant": (*PLAIN, *KEPT, *CHAINS, *KEPT_CHAINS, "lt", "reinit", "none"),
        "dataset": ("cifar10", "cifar100", "tiny_imagenet", "mnist", "fashion_mnist", "digits"),
        "architecture": (
            *("resnet32_w32", "resnet50", "resnet18", "resnet32", "resnet34", "resnet104"),
            *("vgg16_bn", "mobilenet_v1", "fc", "lenet5", "resnet8"),
        ),
    },
    labels=LABELS,
    reported_as=REPORTED_AS,
    reported_tables=(
        ReportedTable(
            "gains",
            "Gains that are reported without their accuracies: bounds over sparsities, or lower "
            "bounds at one",
            (TWEAKS, TINY),
            ("test_accuracy_gain_pct",),
            rows=("experiment", "method", "variant", "sparsity"),
        ),
    ),
)
