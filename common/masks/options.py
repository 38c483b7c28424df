"""What a config may say about a mask that is learned by training."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config.recipe import Schedule, TrainConfig
from common.config.schema import FindOptions
from common.config.section import LATER, changed, refuse

WEIGHT_TRICKS = ("soft_activation", "ghost_skip", "lrsi", "decay_norm", "freeze_negative")
"""Fields of a recipe that change how weights learn."""


class SearchConfig(TrainConfig):
    """The recipe with which a mask is learned: that of a training, and when it may stop.

    ``lr``, ``momentum``, ``weight_decay`` and the schedule are those of the latents; the weights
    stay as they were drawn.
    """

    epochs: int = Field(1000, ge=0)
    batch_size: int = Field(256, gt=0)
    lr: float = Field(50.0, gt=0.0)
    weight_decay: float = Field(0.0, ge=0.0)
    schedule: Schedule = "constant"
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

    watch_test: Annotated[bool, LATER] = Field(
        False, description="log the test accuracy of every epoch; nothing is chosen by it"
    )

    @model_validator(mode="after")
    def _stops_or_selects(self) -> SearchConfig:
        if self.patience is not None and self.select == "last":
            raise refuse("patience must be null where select is 'last': nothing is compared")
        if self.early_stopping is not None:
            raise refuse("early_stopping belongs to trainings; a search stops by its patience")
        for name in changed(self, *WEIGHT_TRICKS):
            raise refuse(f"{name} belongs to trainings of weights, which a search leaves alone")
        return self


class LearnedMaskOptions(FindOptions):
    """What all finders that learn a mask by training have in common."""

    search: SearchConfig = SearchConfig()
    exclude: tuple[str, ...] = Field(
        (), strict=False, description="weights that get no mask and stay dense"
    )
    prune_shortcuts: Annotated[bool, LATER] = Field(
        True, description="false: convolutions on shortcuts stay dense and are not counted"
    )

    @model_validator(mode="before")
    @classmethod
    def _search_may_be_flat(cls, value: Any) -> Any:
        """Move keys of the recipe that stand beside the finder's own into ``search``."""
        if not isinstance(value, dict):
            return value
        flat = [key for key in value if key in SearchConfig.model_fields and not _owns(cls, key)]
        search = value.get("search", {})
        if not flat or not isinstance(search, dict):
            return value
        for key in flat:
            if key in search:
                raise refuse(f"{key} is given twice: in search, too")
        own = {key: entry for key, entry in value.items() if key not in flat}
        return own | {"search": search | {key: value[key] for key in flat}}


def _owns(options: type[FindOptions], key: str) -> bool:
    return key in options.model_fields
