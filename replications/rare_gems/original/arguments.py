"""Every argument of the original program: what it may be, where it goes here, and what it does not.

The table is the one place that knows the original's names. ``setting``: it is translated.
``machine``: it concerns files, devices or logs, so it is accepted and a note says so. ``unread``:
the original ignores it, or does something that this replication has not; it is refused, unless it
says no more than the original's default does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from replications.rare_gems.original.readers import (
    ARCHITECTURES,
    DATASETS,
    FREEZE_RULES,
    INITS,
    PENALTIES,
    SCHEDULES,
    Reader,
    algorithm,
    choice,
    flag,
    milestones,
    number,
    optional,
    smart_ratio,
    whole,
)
from replications.rare_gems.original.text import Value

NO_DEFAULT = object()
"""Stands for the default of a key that is no argument of the original: no value is harmless."""


@dataclass(frozen=True)
class Argument:
    """One argument of the original program.

    Attributes:
        role: see above.
        ours: the path in a config here, or what takes its place; empty: nothing.
        note: one line: what to know, or why it is refused.
        default: that of the original's parser.
        read: checks a value and returns what it stands for.
    """

    role: Literal["setting", "machine", "unread"]
    ours: str
    note: str
    default: object
    read: Reader = lambda key, value: value


def _setting(read: Reader, default: Value, ours: str, note: str = "") -> Argument:
    return Argument("setting", ours, note, default, read)


def _machine(note: str, ours: str = "") -> Argument:
    return Argument("machine", ours, note, None)


def _unread(default: object, note: str, ours: str = "") -> Argument:
    return Argument("unread", ours, note, default)


_PERCENT = number(0, 100, "the percentage of weights KEPT, above 0 and at most 100", open_=True)
_ELSEWHERE = "is no method of the paper and not here"
_CHECKPOINT = "a file of the original cannot be read; tickets of this project can"

ARGUMENTS: dict[str, Argument] = {
    # which method
    "algo": _setting(algorithm, "ep", "find.name", "hc_iter is Gem-Miner; wt is dense training"),
    "weight_training": _setting(flag, False, "find.name", "true: dense training"),
    "random_subnet": _setting(flag, False, "find.name", "true: a random ticket, smart_ratio"),
    "smart_ratio": _setting(
        smart_ratio, -1, "find.sparsity", "removed; -1: find.bernoulli, kept with prune_rate"
    ),
    "sr_version": _setting(
        whole(1), 1, "find.first_density, find.layer_counts", "code's number, not the paper's"
    ),
    # the phases' recipes
    "epochs": _setting(
        whole(1), 10, "find.search.epochs, train.epochs", "imp: all rounds together"
    ),
    "batch_size": _setting(whole(1), 64, "find.search.batch_size, train.batch_size"),
    "optimizer": _setting(choice(["sgd", "adam"]), "sgd", "find.search.optimizer"),
    "lr": _setting(
        number(0, open_=True),
        0.001,
        "find.search.lr",
        "dense: train.lr; imp: both train.lr and find.train.lr",
    ),
    "lr_policy": _setting(choice(SCHEDULES, nullable=True), None, "find.search.schedule"),
    "wd": _setting(number(0), 5e-4, "find.search.weight_decay", "of the scores"),
    "momentum": _setting(number(0, 1), 0.9, "find.search.momentum, train.momentum"),
    "nesterov": _setting(flag, False, "find.search.nesterov, train.nesterov"),
    "gamma": _setting(
        number(0, open_=True),
        0.1,
        "find.search.gamma, train.gamma",
        "of multistep schedules; the original parses it and uses 0.1",
    ),
    "milestones": _setting(
        milestones,
        None,
        "find.search.milestones, train.milestones",
        "of multistep schedules; the original parses them and uses its own",
    ),
    "lr_gamma": _setting(
        number(0, open_=True), 0.1, "find.search.gamma", "read in trainings of 6 epochs only"
    ),
    "label_smoothing": _setting(
        optional(number(0, 1)), None, "find.search.label_smoothing, train.label_smoothing"
    ),
    "fine_tune_optimizer": _setting(choice(["sgd", "adam"]), "sgd", "train.optimizer"),
    "fine_tune_lr": _setting(number(0, open_=True), 0.01, "train.lr"),
    "fine_tune_lr_policy": _setting(choice(SCHEDULES, nullable=True), None, "train.schedule"),
    "fine_tune_wd": _setting(number(0), 1e-4, "train.weight_decay"),
    "skip_fine_tune": _setting(flag, False, "train.epochs", "true: 0"),
    "mixed_precision": _setting(whole(0), 0, "precision", "0: float32; else auto; imp: auto"),
    "seed": _setting(whole(0), 42, "seeds", "seed times trial_num"),
    "trial_num": _setting(whole(1), 1, "seeds", "seed times trial_num"),
    # data and network
    "dataset": _setting(choice(DATASETS), None, "data.name"),
    "use_full_data": _setting(flag, False, "data.validation", "false: 5,000 images of CIFAR"),
    "arch": _setting(choice(ARCHITECTURES), None, "model.name", "with shortcuts, stem and head"),
    "width": _setting(number(0, open_=True), 1.0, "model.width_mult", "of Conv4"),
    "bias": _setting(flag, False, "model.bias", "of Conv2, Conv4, Conv6"),
    "bn_type": _setting(
        choice({"NonAffineBatchNorm": False, "AffineBatchNorm": True}, nullable=True),
        None,
        "model.bn_affine",
    ),
    "init": _setting(choice(INITS), "kaiming_normal", "model.init"),
    "mode": _setting(choice(["fan_in"]), "fan_in", "model.init", "other fans are other schemes"),
    "nonlinearity": _setting(choice(["relu"]), "relu", "model.init", "the gain is that of relu"),
    "scale_fan": _setting(flag, False, "model.init_options.fan_scale", "true: 1 - prune_rate"),
    "transfer_learning": _setting(flag, False, "model.pretrained, model.dropout"),
    "uv_decomp": _setting(flag, False, "model.head", "true: two_layer"),
    "bias_fc": _setting(flag, False, "model.classifier_bias"),
    "conv_type": _machine("masks come from outside of the layers, so there is no class to choose"),
    "freeze_weights": _setting(flag, True, "", "weights are frozen in every search"),
    # the search
    "target_sparsity": _setting(
        _PERCENT, 0.5, "find.sparsity", "percentage KEPT: 0.59 is a sparsity of 0.9941"
    ),
    "iter_period": _setting(whole(1), 5, "find.prune_period", "imp: find.train.epochs"),
    "prune_type": _setting(choice(FREEZE_RULES), "FixThresholding", "find.freeze_rule"),
    "prune_rate": _setting(
        number(-1, 1, "a fraction (or -1 in dense training)"),
        0.5,
        "find.fraction_per_event, find.sparsity, find.fraction_per_round",
        "removed (hc_iter, global_ep*, imp) or KEPT (ep, random_subnet)",
    ),
    "override_prune_rate": _setting(flag, False, "find.fraction_per_event", "prune_rate counts"),
    "unflag_before_finetune": _setting(
        flag, False, "find.ticket_mask", "true: frozen; false: rounded"
    ),
    "score_init": _setting(
        choice(["unif", "half", "bern", "skew", "bimodal", "all_one"]), "unif", "find.score_init"
    ),
    "hc_quantized": _setting(flag, False, "find.quantized"),
    "quantize_threshold": _setting(number(0, 1), 0.5, "find.threshold"),
    "round": _setting(choice(["naive", "prob", "naive_prob"]), "naive", "find.rounding"),
    "num_test": _setting(whole(1), 1, "find.samples", "where round is prob"),
    "noise": _setting(flag, False, "find.noise", "whether noise_ratio counts"),
    "noise_ratio": _setting(number(0), 0.0, "find.noise"),
    "regularization": _setting(choice(PENALTIES, nullable=True), None, "find.regularization"),
    "lmbda": _setting(number(0), 0.001, "find.lambda"),
    "alpha": _setting(number(1), 1.0, "find.alpha", "of var_red_1"),
    "alpha_prime": _setting(number(1), 1.0, "find.alpha_prime", "of var_red_1"),
    "bottom_k_on_forward": _setting(flag, False, "find.mask_rule", "true: quantile"),
    "rewind_score": _setting(
        flag, False, "find.rewind_scores_to", "whether rewind_to_epoch counts"
    ),
    "rewind_to_epoch": _setting(whole(-1), -1, "find.rewind_scores_to"),
    "drop_bottom_half_weights": _setting(flag, False, "find.warm_start"),
    "project_freq": _setting(whole(1), 1, "find.project_every"),
    "differentiate_clamp": _setting(flag, False, "find.clamp_in_forward"),
    "checkpoint_at_prune": _setting(flag, False, "find.save_every_level"),
    # iterative magnitude pruning
    "imp_rewind_iter": _setting(whole(0), 1000, "find.rewind.step", "0: find.rewind.to init"),
    "imp_no_rewind": _setting(flag, False, "find.rewind.to", "true: none, learning-rate rewinding"),
    "imp_rounds": _setting(
        whole(-1), -1, "find.rounds", "trainings, so one more than prunings; -1: from epochs"
    ),
    **{
        key: _machine("the same command continues an interrupted run by itself")
        for key in ("imp_resume_round", "imp_resume_epoch", "imp_resume_iter", "resume")
    },
    "imp_rewind_model": _machine("the copy that is rewound to is found by itself"),
    # sanity checks
    "skip_sanity_checks": _setting(
        flag, False, "transform", "false: two more configs, shuffle_mask and reinit"
    ),
    "invert_sanity_check": _setting(flag, False, "find.invert"),
    "shuffle": _setting(flag, False, "transform", "what: chg_mask, chg_weight"),
    "reinit": _setting(flag, False, "transform", "what: chg_weight"),
    "chg_mask": _setting(flag, False, "transform", "shuffle the mask"),
    "chg_weight": _setting(flag, False, "transform", "shuffle or draw again the weights"),
    "only_sanity": _unread(
        False, f"{_CHECKPOINT}: find.name 'ticket_file' and a transform", "find.name, transform"
    ),
    "sanity_folder": _unread(
        None, f"{_CHECKPOINT}: find.name 'ticket_file' and a transform", "find.path"
    ),
    "pretrained": _unread(
        None,
        f"{_CHECKPOINT} (find.name 'ticket_file'); find.pretrain trains the dense network first",
        "find.pretrain",
    ),
    # what a key that is spelled like another one would hide
    "weight_decay": _unread(
        NO_DEFAULT,
        "the original ignores this key: its argument is wd (default 0.0005), and fine_tune_wd "
        "(default 0.0001) for the ticket; delete the line, or write wd",
    ),
    # the machine
    **{
        key: _machine("choose the device with run.py --device", "--device")
        for key in ("gpu", "no_cuda", "multigpu")
    },
    **{
        key: _machine("data live on the device, so nothing loads them in the background")
        for key in ("workers", "num_workers")
    },
    **{
        key: _machine("a run is one process; batch_size is that of all devices together")
        for key in (
            *(
                "world_size",
                "rank",
                "dist_backend",
                "multiprocessing_distributed",
                "port",
                "dist_url",
            ),
        )
    },
    **{
        key: _machine("results are filed under the config's own name and hash")
        for key in ("name", "subfolder", "run_idx", "log_dir", "results_filename", "config")
    },
    **{
        key: _machine("the folder of the data is run.py --data-root", "--data-root")
        for key in ("data", "data_dir")
    },
    **{
        key: _machine("checkpoints, logs and curves are always written")
        for key in (
            *("save_model", "save_plot_data", "save_every", "ckpt_interval", "log_interval"),
            *("print_freq", "plot_hc_convergence", "ckpt_at_fixed_epochs"),
        )
    },
    # read by the original for something that is not here, or not at all
    "lr_adjust": _unread(50, "no schedule of the paper reads it; milestones work here"),
    "iter_start": _unread(0, "the original ignores it: the first event is at iter_period"),
    "warmup_length": _unread(0, "the original ignores it; train.warmup_epochs works here"),
    "start_epoch": _unread(None, "an interrupted run continues by itself"),
    "width_mult": _unread(1.0, "only names a folder in the original; model.width_mult works here"),
    "hidden_size": _unread(500, "no network of the paper reads it"),
    "first_layer_dense": _unread(False, "name the layer in find.exclude", "find.exclude"),
    "last_layer_dense": _unread(False, "name the layer in find.exclude", "find.exclude"),
    "first_layer_type": _unread(None, "name the layer in find.exclude", "find.exclude"),
    "no_bn_decay": _unread(False, "weight decay is that of all parameters here"),
    "trainer": _unread("default", "another trainer is another method; not here"),
    "loss": _unread("cross-entropy-loss", "the loss is cross-entropy"),
    "score_init_constant": _unread(None, "no method of the paper reads it"),
    "fixed_init": _unread(False, "a run has one seed, which draws the weights, too"),
    "seed_fixed_init": _unread(24, "a run has one seed, which draws the weights, too"),
    "evaluate": _unread(False, f"{_CHECKPOINT}: find.name 'ticket_file' and train.epochs 0"),
    "evaluate_only": _unread(False, f"{_CHECKPOINT}: find.name 'ticket_file' and train.epochs 0"),
    "load_ckpt": _unread(None, _CHECKPOINT),
    "pretrained2": _unread(None, "mode connectivity is not here"),
    "mode_connect": _unread(False, "mode connectivity is not here"),
    "mode_connect_filename": _unread(None, "mode connectivity is not here"),
    "how_to_connect": _unread("prob", "mode connectivity is not here"),
    "interpolate": _unread("prob", "mode connectivity is not here"),
    "compare_rounding": _unread(False, "round: prob measures the mean over draws"),
    "num_round": _unread(1, "num_test is the number of draws"),
    "num_trial": _unread(1, "sharpness is not measured here"),
    "shift": _unread(0.0, "sharpness is not measured here"),
    "hc_warmup": _unread(9999, "the original ignores it"),
    "toggle_warmup": _unread(False, "the original ignores it"),
    "hc_period": _unread(1, "the original ignores it"),
    "lam_finetune_loss": _unread(-1, _ELSEWHERE),
    "num_step_finetune": _unread(10, _ELSEWHERE),
    "submask_size": _unread(1, _ELSEWHERE),
    "metric": _unread("loss", _ELSEWHERE),
    "pruning_strategy": _unread(None, _ELSEWHERE),
    "how_to_prune": _unread("random", _ELSEWHERE),
    "start_from_nothing": _unread(False, _ELSEWHERE),
    "flips": _unread(None, _ELSEWHERE),
    "td": _unread(0.99, _ELSEWHERE),
    "temp": _unread(100000, _ELSEWHERE),
    "max_iter": _unread(100000, _ELSEWHERE),
    **{
        f"transformer_{key}": _unread(default, "the transformer is no network of the paper")
        for key, default in {
            **{"emsize": 200, "nhid": 200, "nlayers": 2, "clip": 0.25, "bptt": 35},
            **{"dropout": 0.2, "nhead": 2},
        }.items()
    },
}
"""Argument of the original -> what becomes of it. Hyphens in keys are read as underscores."""
