"""What this replication shows: its tables, plots and claims, and how reported numbers are named."""

from __future__ import annotations

from pathlib import Path

from common.results.spec import Paper
from replications.rare_gems.claims import CLAIMS
from replications.rare_gems.plots import PLOTS
from replications.rare_gems.tables import REDUCED, REPORTED_TABLES, TABLES
from replications.rare_gems.translations import NOT_OURS, REPORTED_AS, TRADEOFFS

NOTES = (
    "Reported numbers of the figures are digitised. Tables and figures of the paper differ by up "
    "to half a point where they show the same run. Before fine-tuning counts the network of the "
    "last search epoch, rounded. In Table 1 a score at initialisation counts as one epoch, here as "
    "none, and a round of pruning has 150 epochs, here 160. Reported numbers without a run of "
    "ours: " + "; ".join(reason for _, reason in NOT_OURS) + "."
)

PAPER = Paper(
    name="rare_gems",
    title="Rare Gems: Finding Lottery Tickets at Initialization",
    arxiv="2202.12002",
    reported=Path(__file__).with_name("reported.csv"),
    page=Path(__file__).with_name("README.md"),
    tables=TABLES,
    plots=PLOTS,
    claims=CLAIMS,
    notes=NOTES,
    order={
        "method": (
            *("gem_miner", "imp_warm", "imp_cold", "lrr", "edge_popup", "smart_ratio"),
            *("snip", "grasp", "synflow", "hypercube", "imp", "dense"),
        ),
        "variant": (
            *("standard", "shuffle_mask", "reinit_weights", "invert_scores", "long", "short"),
            *("layerwise", "global", "global_gradual", "global_gradual_l2"),
            *("lambda=0", "lambda=3e-6", "lambda=7e-6", "lambda=1.5e-5"),
            *(f"sr_v{number}" for number in range(1, 7)),
            *("sr_v5_learned", "sr_v6_learned"),
            *("s=50%", "s=20%", "s=5%", "s=1.7%"),
            *("search_lr=1e-2", "search_lr=1e-3", "search_lr=1e-4", "search_lr=1e-5"),
        ),
        "dataset": ("cifar10", "cifar100", "tiny_imagenet_half", "caltech101", "digits"),
        "architecture": (
            *("resnet20", "mobilenet_v2", "vgg16", "wide_resnet28_2", "resnet32_w32"),
            *("resnet18", "resnet50", "resnet8"),
        ),
        "experiment": (*TRADEOFFS, *REDUCED),
    },
    labels={
        "standard": "",
        "gem_miner": "Gem-Miner",
        "imp": "IMP",
        "imp_warm": "IMP, warm",
        "imp_cold": "IMP, cold",
        "lrr": "LR rewinding",
        "edge_popup": "edge-popup",
        "snip": "SNIP",
        "grasp": "GraSP",
        "synflow": "SynFlow",
        "shuffle_mask": "mask shuffled",
        "reinit_weights": "new weights",
        "invert_scores": "scores inverted",
        "short": "short rounds",
        "layerwise": "in layers",
        "global_gradual": "global, gradual",
        "global_gradual_l2": "global, gradual, L2",
        **{f"sr_v{number}": f"v{number}" for number in range(1, 7)},
        "sr_v5_learned": "v5, learned here",
        "sr_v6_learned": "v6, learned here",
        "cifar10": "CIFAR-10",
        "cifar100": "CIFAR-100",
        "tiny_imagenet_half": "TinyImageNet",
        "caltech101": "Caltech-101",
        "digits": "digits",
        "resnet20": "ResNet-20",
        "mobilenet_v2": "MobileNet-V2",
        "vgg16": "VGG-16",
        "wide_resnet28_2": "WideResNet-28-2",
        "resnet32_w32": "ResNet-32, width 32",
        "resnet18": "ResNet-18",
        "resnet50": "ResNet-50",
        "resnet8": "ResNet-8",
        "rounded_sparsity": "rounded mask",
        "frozen_sparsity": "not yet frozen",
        "prunes_at_init": "prunes at initialisation",
        "finetunable": "can be fine-tuned",
        "passes_sanity_checks": "passes the sanity checks",
    },
    reported_as=REPORTED_AS,
    reported_tables=REPORTED_TABLES,
    sparsity_tolerance=0.03,
)
