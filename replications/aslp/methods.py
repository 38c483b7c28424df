"""The finders that only this paper has: ASLP and supermask. Edge-popup is the core's."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from torch import Tensor

from common.config.section import Section, refuse
from common.finders import FindInputs, Found, MaskSearch, one_shot, search_masks
from common.finders.learned import left_dense
from common.masks import LearnedMask, LearnedMaskOptions, MakeMask, Rescale, RescaleTraining
from common.pipeline import Methods
from replications.aslp.gumbel import GumbelMask, Parametrization
from replications.aslp.rescale import DynamicRescale, SmartRescale
from replications.aslp.supermask import SupermaskMask


class RescaleConfig(Section):
    """How the masked weights of a layer are scaled, where ``weight_rescale`` is on."""

    kind: Literal["auto", "smart", "dynamic"] = Field(
        "auto", description="auto: smart for aslp, dynamic for supermask"
    )
    lr: float = Field(1e-3, gt=0.0, description="of smart rescale's factors")
    two_pass: bool = Field(
        True, description="smart: step the factors from a pass of their own, as the original does"
    )


class GumbelConfig(Section):
    """The straight-through Gumbel-Softmax."""

    tau: float = Field(1.0, gt=0.0)
    hard: bool = Field(True, description="false: soft masks in the forward pass")
    parametrization: Parametrization = "aslp"


class SampledMaskOptions(LearnedMaskOptions):
    """What ASLP and supermask share: no sparsity is asked for, it is an outcome."""

    sparsity: None = Field(None, description="an outcome of the search, so it cannot be set")
    latent_init: float = Field(0.0, description="a weight is first selected with sigma(this)")
    weight_rescale: bool = False
    rescale: RescaleConfig = RescaleConfig()
    prune_threshold: float = Field(0.0, description="keep a weight iff its latent is not below")
    prune_and_test: bool = Field(
        True, description="the method's number is the pruned network's; false: the samples' mean"
    )
    samples: int = Field(10, ge=1, description="topologies sampled for the stochastic test")

    @model_validator(mode="after")
    def _reads_what_it_is_given(self) -> SampledMaskOptions:
        if not self.weight_rescale and self.rescale != RescaleConfig():
            raise refuse("rescale has no effect where weight_rescale is false")
        given = self.rescale.model_copy(update={"kind": "auto"})
        if self._kind() == "dynamic" and given != RescaleConfig():
            raise refuse("rescale.lr and rescale.two_pass have no effect on dynamic rescale")
        return self

    def make_rescale(self) -> Rescale:
        """Return a layer's rescaling."""
        if not self.weight_rescale:
            return Rescale()
        return SmartRescale() if self._kind() == "smart" else DynamicRescale()

    def training(self) -> RescaleTraining | None:
        """Return how the factors of smart rescale learn; None without it."""
        if not self.weight_rescale or self._kind() != "smart":
            return None
        return RescaleTraining(self.rescale.lr, self.search.momentum, self.rescale.two_pass)

    def _kind(self) -> str:
        if self.rescale.kind != "auto":
            return self.rescale.kind
        return "dynamic" if self.name == "supermask" else "smart"


class AslpOptions(SampledMaskOptions):
    """ASLP: selection probabilities learned with straight-through Gumbel-Softmax (spec 2.2)."""

    name: Literal["aslp"] = "aslp"
    gumbel: GumbelConfig = GumbelConfig()


class SupermaskOptions(SampledMaskOptions):
    """Supermask: selection probabilities learned with Bernoulli masks (spec 2.5)."""

    name: Literal["supermask"] = "supermask"
    prune_and_test: bool = Field(
        False, description="true: the method's number is the pruned network's, not the samples'"
    )


def _plan(inputs: FindInputs, make: MakeMask) -> MaskSearch:
    options: SampledMaskOptions = inputs.options
    return MaskSearch(
        options.search,
        make,
        left_dense(options, inputs.model),
        rescale=options.training(),
        samples=options.samples,
        result="final" if options.prune_and_test else "sampled",
    )


def find_aslp(inputs: FindInputs) -> Found:
    """Learn the probability of every weight to be selected; keep those above one half."""
    options: AslpOptions = inputs.options

    def make(name: str, weight: Tensor) -> LearnedMask:
        return GumbelMask(
            weight,
            first=options.latent_init,
            rescale=options.make_rescale(),
            tau=options.gumbel.tau,
            hard=options.gumbel.hard,
            parametrization=options.gumbel.parametrization,
            threshold=options.prune_threshold,
        )

    return search_masks(inputs, _plan(inputs, make))


def find_supermask(inputs: FindInputs) -> Found:
    """Learn the probability of every weight to be kept, as Zhou et al. do."""
    options: SupermaskOptions = inputs.options

    def make(name: str, weight: Tensor) -> LearnedMask:
        return SupermaskMask(
            weight,
            first=options.latent_init,
            rescale=options.make_rescale(),
            threshold=options.prune_threshold,
        )

    return search_masks(inputs, _plan(inputs, make))


METHODS = Methods().extended(
    finders={
        "aslp": one_shot(AslpOptions, find_aslp),
        "supermask": one_shot(SupermaskOptions, find_supermask),
    }
)
