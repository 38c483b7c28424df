"""What a config may say about a mask that is learned by training."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from common.config.schema import FindOptions, TrainConfig, refuse


class SearchConfig(TrainConfig):
    """The recipe with which a mask is learned: that of a training, and when it may stop.

    ``lr``, ``momentum``, ``weight_decay`` and the schedule are those of the latents; the weights
    stay as they were drawn.
    """

    epochs: int = Field(1000, ge=0)
    batch_size: int = Field(256, gt=0)
    lr: float = Field(50.0, gt=0.0)
    weight_decay: float = Field(0.0, ge=0.0)
    schedule: Literal["step", "cosine", "linear", "constant"] = "constant"
    select: Literal["best_validation", "last"] = Field(
        "best_validation", description="which epoch's mask is the result"
    )
    patience: int | None = Field(
        100, gt=0, description="epochs without a better validation accuracy; null: never stop early"
    )
    validate_as: Literal["searched", "final"] = Field(
        "searched", description="searched: the network of the search, sampled where it is random"
    )
    validation_augment: bool = Field(
        False, description="augment the validation images as the training images are"
    )

    @model_validator(mode="after")
    def _stops_by_what_it_selects(self) -> SearchConfig:
        if self.patience is not None and self.select == "last":
            raise refuse("patience must be null where select is 'last': nothing is compared")
        return self


class LearnedMaskOptions(FindOptions):
    """What all finders that learn a mask by training have in common."""

    search: SearchConfig = SearchConfig()
    exclude: tuple[str, ...] = Field(
        (), strict=False, description="weights that get no mask and stay dense"
    )
