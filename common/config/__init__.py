"""A run as one frozen, validated value: its schema, its JSON form and its identity."""

from common.config.catalog import Catalog
from common.config.identity import canonical_json, config_hash, digest
from common.config.load import apply_overrides, load_config, load_configs, parse_config, read_json
from common.config.recipe import TrainConfig
from common.config.schema import (
    AugmentConfig,
    CorruptionConfig,
    DataConfig,
    FindOptions,
    ModelConfig,
    RunConfig,
    SubsetConfig,
    TransferConfig,
    TransformOptions,
)
from common.config.section import Section

__all__ = [
    "AugmentConfig",
    "Catalog",
    "CorruptionConfig",
    "DataConfig",
    "FindOptions",
    "ModelConfig",
    "RunConfig",
    "Section",
    "SubsetConfig",
    "TrainConfig",
    "TransferConfig",
    "TransformOptions",
    "apply_overrides",
    "canonical_json",
    "config_hash",
    "digest",
    "load_config",
    "load_configs",
    "parse_config",
    "read_json",
]
