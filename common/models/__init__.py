"""Networks as plain modules, how they are initialised, and which of their parameters are prunable.

No layer in here knows about masks: they come from outside.
"""

from common.models.initialisation import SCHEMES, Scheme, initialise
from common.models.prunable import SCOPES, prunable_parameters, shortcut_weights
from common.models.registry import (
    MODELS,
    ModelSpec,
    build_model,
    check_options,
    model_names,
    model_options,
)

__all__ = [
    "MODELS",
    "SCHEMES",
    "SCOPES",
    "ModelSpec",
    "Scheme",
    "build_model",
    "check_options",
    "initialise",
    "model_names",
    "model_options",
    "prunable_parameters",
    "shortcut_weights",
]
