"""What a config may say about a hypercube search and about Gem-Miner (spec 2.1, 2.4 and 6)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from common.config.recipe import Schedule
from common.config.schema import Fraction
from common.config.section import LATER, changed, refuse
from common.finders import PretrainConfig
from common.masks import LearnedMaskOptions, SearchConfig
from replications.rare_gems.freezing import event_count, fraction_per_event
from replications.rare_gems.gem_mask import ScoreInit, TicketMask
from replications.rare_gems.penalties import PenaltyName


class GemSearch(SearchConfig):
    """The recipe of a search: by default that of the paper's ResNet-20."""

    epochs: int = Field(150, ge=0)
    batch_size: int = Field(128, gt=0)
    lr: float = Field(0.1, gt=0.0)
    schedule: Schedule = "cosine"
    select: Literal["best_validation", "last"] = "last"
    patience: int | None = Field(None, gt=0, description="null: never stop early")
    watch_test: Annotated[bool, LATER] = Field(
        True, description="log the test accuracy of every epoch; nothing is chosen by it"
    )


class HypercubeOptions(LearnedMaskOptions):
    """Search on the hypercube: scores in [0, 1], rounded; no sparsity is asked for (spec 2.4)."""

    name: Literal["hypercube"] = "hypercube"
    sparsity: Fraction | None = Field(None, description="an outcome of the search")
    search: GemSearch = GemSearch()
    score_init: ScoreInit = "unif"
    quantized: bool = Field(False, description="round in the forward pass of the search")
    threshold: float = Field(0.5, ge=0.0, lt=1.0, description="a score above it is rounded to 1")
    regularization: PenaltyName | None = "L2"
    penalty: float = Field(1e-4, ge=0.0, alias="lambda", description="its weight; on the sum")
    alpha: float = Field(1.0, ge=1.0, description="exponent of p in var_red_1")
    alpha_prime: float = Field(1.0, ge=1.0, description="exponent of 1 - p in var_red_1")
    rounding: Literal["naive", "prob", "naive_prob"] = Field(
        "naive", description="outside of the search: at the threshold, or to 1 with probability p"
    )
    rounding_layer: str | None = Field(
        None, description="naive_prob: the one weight that is rounded at random"
    )
    samples: int = Field(10, ge=1, description="draws that a random rounding is averaged over")
    noise: float = Field(0.0, ge=0.0, description="standard deviation of noise on the scores")
    project_every: int = Field(1, gt=0, description="steps between two projections to [0, 1]")
    clamp_in_forward: bool = Field(False, description="no gradient for scores outside of [0, 1]")

    @model_validator(mode="after")
    def _reads_what_it_is_given(self) -> HypercubeOptions:
        if self.name == "hypercube" and self.sparsity is not None:
            raise refuse("sparsity cannot be asked for: it is an outcome of this search")
        if self.regularization is None and self.penalty != 0 and changed(self, "penalty"):
            raise refuse("lambda has no effect where regularization is null")
        if self.regularization != "var_red_1" and changed(self, "alpha", "alpha_prime"):
            raise refuse("alpha and alpha_prime have no effect without regularization 'var_red_1'")
        if (self.rounding == "naive_prob") != (self.rounding_layer is not None):
            raise refuse("rounding 'naive_prob' and rounding_layer belong together")
        if self.rounding == "naive" and changed(self, "samples"):
            raise refuse("samples has no effect where rounding is 'naive'")
        if self.noise and (self.rounding != "naive" or not self.quantized):
            raise refuse("noise needs quantized true and rounding 'naive'")
        if self.clamp_in_forward and self.project_every == 1:
            raise refuse(
                "clamp_in_forward has no effect where project_every is 1: no score is outside"
            )
        return self

    def recipe(self) -> GemSearch:
        """Return the recipe with the L2 penalty as what it is: weight decay on the scores."""
        if self.regularization != "L2":
            return self.search
        decay = self.search.weight_decay + 2 * self.penalty
        return self.search.model_copy(update={"weight_decay": decay})


class GemMinerOptions(HypercubeOptions):
    """Gem-Miner (spec 2.1): the hypercube search with a quantised forward pass and freezing."""

    name: Literal["gem_miner"] = "gem_miner"  # type: ignore[assignment]
    sparsity: Fraction = Field(description="fraction of prunable weights that is frozen in the end")
    quantized: bool = True
    prune_period: int = Field(5, gt=0, description="epochs between two freezing events")
    freeze_rule: Literal["global_bottom_k", "layer_bottom_k", "threshold"] = Field(
        "global_bottom_k", description="threshold: freeze every score that is not above it"
    )
    fraction_per_event: float | None = Field(
        None, gt=0.0, lt=1.0, description="null: so that the last event reaches the sparsity"
    )
    exact_count: bool = Field(
        False, description="break ties at random; false: tied scores are frozen at once"
    )
    ticket_mask: TicketMask = Field(
        "frozen", description="frozen: restore what is rounded to 0 but was never frozen"
    )
    invert: bool = Field(False, description="sanity check: freeze the highest scores")
    mask_rule: Literal["threshold", "quantile"] = Field(
        "threshold",
        description="quantile: leave out in every forward pass what the next event would freeze",
    )
    rewind_scores_to: int | None = Field(
        None, ge=0, description="epoch whose scores come back after every freezing event"
    )
    pretrain: PretrainConfig | None = Field(
        None, description="train the dense network first and search among its weights"
    )
    warm_start: bool = Field(
        False,
        description="after the first epoch: score 1 for the larger half of the weights, 0 "
        "for the others",
    )
    save_every_level: bool = Field(False, description="keep the ticket of every freezing event")

    @model_validator(mode="before")
    @classmethod
    def _unflag(cls, value: Any) -> Any:
        """Take the original's name for ``ticket_mask``."""
        if not isinstance(value, dict) or "unflag_before_finetune" not in value:
            return value
        own = dict(value)
        unflag = own.pop("unflag_before_finetune")
        if not isinstance(unflag, bool):
            raise refuse(f"unflag_before_finetune must be true or false, found {unflag!r}")
        if "ticket_mask" in own:
            raise refuse("ticket_mask and unflag_before_finetune are one option; give one")
        return own | {"ticket_mask": "frozen" if unflag else "rounded"}

    @model_validator(mode="after")
    def _freezes(self) -> GemMinerOptions:
        if self.search.epochs and not self.events:
            raise refuse(
                f"prune_period: {self.prune_period} leaves no freezing event in "
                f"{self.search.epochs} epochs; it must be below {self.search.epochs}"
            )
        if self.search.select != "last":
            raise refuse("search.select must be 'last': the sparsity is reached by the last event")
        if self.freeze_rule == "threshold":
            for name in ("invert", "exact_count", "fraction_per_event"):
                if getattr(self, name):
                    raise refuse(f"{name} has no effect where freeze_rule is 'threshold'")
        if self.freeze_rule == "layer_bottom_k" and self.exact_count:
            raise refuse("exact_count has no effect on 'layer_bottom_k', which is always exact")
        if self.mask_rule == "quantile" and not self.quantized:
            raise refuse("mask_rule 'quantile' needs quantized true")
        if self.rewind_scores_to is not None and self.rewind_scores_to >= self.search.epochs:
            raise refuse(
                f"rewind_scores_to must be below search.epochs ({self.search.epochs}), found "
                f"{self.rewind_scores_to}"
            )
        return self

    @property
    def events(self) -> int:
        """The number of freezing events."""
        return event_count(self.search.epochs, self.prune_period)

    @property
    def rate(self) -> float:
        """The fraction of the active weights that an event freezes."""
        if self.fraction_per_event is not None:
            return self.fraction_per_event
        return fraction_per_event(1 - self.sparsity, self.events) if self.events else 0.0
