"""The map from the original's arguments to a config here: complete, and true."""

import re

import pytest

from common.config import RunConfig
from common.finders.iterative import RewindConfig
from common.launch.arguments import build_parser
from common.models import MODELS
from replications.rare_gems.methods import METHODS
from replications.rare_gems.original import ARGUMENTS, flag_map, map_table

# Every argument that the README of the original, its sample config and the table of the
# specification (section 6) name.
NAMED = re.findall(
    r"\w+",
    """
    algo lr fine_tune_lr batch_size optimizer fine_tune_optimizer dataset arch gamma iter_period
    conv_type target_sparsity unflag_before_finetune init score_init hc_quantized regularization
    lmbda gpu workers subfolder name lr_policy fine_tune_lr_policy epochs wd fine_tune_wd momentum
    bn_type freeze_weights prune_type scale_fan round noise noise_ratio quantize_threshold
    checkpoint_at_prune skip_sanity_checks skip_fine_tune invert_sanity_check shuffle reinit
    chg_mask chg_weight only_sanity sanity_folder use_full_data trial_num seed override_prune_rate
    prune_rate project_freq differentiate_clamp rewind_score rewind_to_epoch bottom_k_on_forward
    drop_bottom_half_weights pretrained transfer_learning uv_decomp bias_fc mixed_precision
    weight_training random_subnet smart_ratio sr_version imp_rewind_iter imp_no_rewind imp_rounds
    imp_resume_round imp_resume_epoch imp_resume_iter imp_rewind_model milestones num_test
    weight_decay
    """,
)


@pytest.mark.parametrize("key", NAMED)
def test_every_argument_of_the_specification_is_handled(key):
    argument = ARGUMENTS[key]
    assert argument.ours or argument.note


def test_the_map_has_one_row_for_every_argument():
    rows = list(flag_map())
    assert [key for key, _, _ in rows] == list(ARGUMENTS)
    assert all(ours and (note or ours != "-") for _, ours, note in rows)
    assert map_table().count("\n") == len(rows) + 2


def known_paths():
    """Return the dotted paths of all fields that a config of this replication may have."""

    def fields(section, where):
        for name, field in section.model_fields.items():
            yield f"{where}{field.alias or name}"

    found = set(fields(RunConfig, ""))
    for section in ("data", "train"):
        kind = RunConfig.model_fields[section].annotation
        kinds = [kind, *getattr(kind, "__args__", ())]
        for each in kinds:
            if hasattr(each, "model_fields"):
                found |= set(fields(each, f"{section}."))
    for options in METHODS.catalog().finders.values():
        found |= set(fields(options, "find."))
        for name in ("search", "train"):
            if name in options.model_fields:
                found |= set(fields(options.model_fields[name].annotation, f"find.{name}."))
    found |= set(fields(RewindConfig, "find.rewind."))
    found |= {f"model.{option}" for spec in MODELS.values() for option in spec.options}
    found |= {"model.name", "model.init", "model.init_options.fan_scale"}
    return found | set(build_parser("rare_gems", [])._option_string_actions)


def test_every_path_of_the_map_is_one_of_a_config():
    known = known_paths()
    for key, ours, _ in flag_map():
        for path in [] if ours == "-" else ours.split(", "):
            assert path in known, f"{key} -> {path}"
