"""The options of finders that score every weight once, or in a few steps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from common.config.schema import CorruptionConfig, FindOptions, Fraction
from common.config.section import LATER, refuse
from common.finders.sampling import Sampling
from common.finders.selection import Scope

Inverted = Annotated[
    bool, LATER, Field(description="sanity check: keep the weights with the lowest scores")
]
PruneLinear = Annotated[
    bool,
    LATER,
    Field(description="false: only convolutions are scored, pruned and counted"),
]
PlainCount = Annotated[
    Literal["exact", "threshold"],
    LATER,
    Field(
        description="exact: floor(density * N) weights stay; threshold: floor(sparsity * N) and "
        "all that ties with the last of them go, as in ToST's code"
    ),
]
ScopeOption = Annotated[
    Scope, LATER, Field(description="local: the same density inside every tensor")
]
SAMPLING = (
    "balanced, minibatch: drawn anew for every batch and augmented as in training; "
    "loader: one shuffled pass over the training images, which are not augmented"
)
BATCH_SIZE = "images of one minibatch, or of one batch of the loader"


class LayerOptions(FindOptions):
    """Which weights compete: those of which layers, and over the network or inside each tensor."""

    scope: ScopeOption = "global"
    prune_linear: PruneLinear = True

    @property
    def layers(self) -> str:
        """The scope of ``prunable_parameters`` that is scored."""
        return "conv_linear" if self.prune_linear else "conv"


class ScoreOptions(LayerOptions):
    """What the data-driven scores share: which images they see, how often they are computed."""

    sparsity: Fraction
    sampling: Annotated[Sampling, LATER] = Field("balanced", description=SAMPLING)
    samples_per_class: int = Field(10, gt=0, description="of a balanced batch")
    batch_size: Annotated[int, LATER] = Field(64, gt=0, description=BATCH_SIZE)
    score_batches: int | None = Field(
        1, gt=0, description="batches whose gradients are summed; null: all of sampling 'loader'"
    )
    data: CorruptionConfig = CorruptionConfig()
    bn_mode: Literal["train", "eval"] = "train"
    invert: Inverted = False
    iterations: Annotated[int, LATER] = Field(
        1,
        gt=0,
        description="how often weights are scored and pruned, with exponentially falling density",
    )

    @model_validator(mode="after")
    def _agree_on_images(self) -> ScoreOptions:
        if self.score_batches is None and self.sampling != "loader":
            raise refuse("score_batches null means a whole pass, so it needs sampling 'loader'")
        return self


class SnipOptions(ScoreOptions):
    """SNIP: keep the weights with the highest connection sensitivity."""

    name: Literal["snip"] = "snip"
    sampling: Sampling = Field("balanced", description=SAMPLING)
    batch_size: int = Field(64, gt=0, description=BATCH_SIZE)
    score_weights: Literal["model", "xavier_redraw"] = "model"
    ties: Annotated[Literal["exact", "kept"], LATER] = Field(
        "exact", description="kept: all weights whose score equals the lowest one kept stay, too"
    )
    count: PlainCount = "exact"

    @model_validator(mode="after")
    def _agree_on_ties(self) -> SnipOptions:
        if self.ties == "kept" and self.count == "threshold":
            raise refuse("ties 'kept' and count 'threshold' exclude each other")
        return self


class GraspOptions(ScoreOptions):
    """GraSP: keep the weights whose removal would most reduce the gradient flow.

    A balanced batch is cut into two halves, each of which is a batch of its own.
    """

    name: Literal["grasp"] = "grasp"
    temperature: float = Field(200.0, gt=0.0)
    reinit_linear: bool = True
    count: Literal["exact", "original", "threshold"] = Field(
        "exact",
        description="original: one weight more than asked, as in the authors' code; threshold: "
        "floor(sparsity * N) and all that ties with the last of them go, as in ToST's code",
    )


class SynflowOptions(LayerOptions):
    """SynFlow: iterative, data-free conservation of synaptic flow."""

    name: Literal["synflow"] = "synflow"
    sparsity: Fraction
    rounds: int = Field(100, gt=0)
    bn_mode: Literal["train", "eval"] = "eval"
    invert: Inverted = False
    count: PlainCount = "exact"
