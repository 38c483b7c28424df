"""Gem-Miner and the hypercube search: the rules around their steps, and their finders."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from common.errors import unknown_name
from common.finders import (
    Finder,
    FindInputs,
    Found,
    MaskSearch,
    Stage,
    TrainingNeed,
    one_shot,
    search_masks,
)
from common.masks import LearnedMask, SearchRule
from common.models import shortcut_weights
from common.training import Row
from replications.rare_gems.freezing import (
    freeze_below,
    freeze_lowest,
    freeze_lowest_by_layer,
    threshold_of,
)
from replications.rare_gems.gem_mask import SCORE_INITS, GemMask
from replications.rare_gems.options import GemMinerOptions, HypercubeOptions
from replications.rare_gems.penalties import PENALTIES

Weights = Mapping[str, Tensor]


class HypercubeRule(SearchRule):
    """Keeps the scores in [0, 1] and regularises them.

    Args:
        masks: the masks of the search, all of them ``GemMask``.
        weights: the weights under them.
        options: the finder's options.
    """

    def __init__(
        self, masks: Mapping[str, LearnedMask], weights: Weights, options: HypercubeOptions
    ) -> None:
        super().__init__(masks)
        self.gems = {name: mask for name, mask in masks.items() if isinstance(mask, GemMask)}
        self.counted = {name: mask for name, mask in self.gems.items() if mask.counted}
        self.weights = weights
        self._options = options

    def before_step(self, epoch: int, number: int) -> None:
        """Project the scores, every so many steps."""
        if number % self._options.project_every == 0:
            self.project()

    @torch.no_grad()
    def project(self) -> None:
        """Clamp all scores to [0, 1], in place; the optimiser's memory is left alone."""
        scores: list[Tensor] = [mask.latent for mask in self.gems.values()]
        torch._foreach_clamp_min_(scores, 0.0)
        torch._foreach_clamp_max_(scores, 1.0)

    @torch.no_grad()
    def prepare(self) -> None:
        """Add the gradient of the regulariser; that of L2 is weight decay, so it is there."""
        name = self._options.regularization
        if name is None or name == "L2":
            return
        for key, mask in self._penalised().items():
            slope = PENALTIES[name].slope(mask.latent, self.weights[key], self._exponents)
            assert mask.latent.grad is not None
            mask.latent.grad.add_(slope, alpha=self._options.penalty)

    @torch.no_grad()
    def penalty(self) -> float:
        """Return lambda times the regulariser of all scores, those of frozen weights included."""
        name = self._options.regularization
        if name is None:
            return 0.0
        sums = [
            PENALTIES[name].value(mask.latent.double(), self.weights[key], self._exponents).sum()
            for key, mask in self._penalised().items()
        ]
        return self._options.penalty * float(torch.stack(sums).sum())

    def end_epoch(self, epoch: int) -> Row:
        """Project once more and note the densities."""
        self.project()
        return {
            "frozen_sparsity": 1.0 - self._density(lambda mask: mask.active.bool()),
            "rounded_sparsity": 1.0 - self._density(lambda mask: mask.rounded()),
            "regularizer": self.penalty(),
        }

    def metrics(self) -> dict[str, float | None]:
        """Return the densities of the freeze mask and of the rounded mask, and the penalty."""
        return {
            "frozen_density": self._density(lambda mask: mask.active.bool()),
            "rounded_density": self._density(lambda mask: mask.rounded()),
            "regularizer": self.penalty(),
        }

    @property
    def _exponents(self) -> tuple[float, float]:
        return self._options.alpha, self._options.alpha_prime

    def _penalised(self) -> dict[str, GemMask]:
        name = self._options.regularization
        assert name is not None
        return self.counted if PENALTIES[name].prunable_only else self.gems

    def _density(self, of: Callable[[GemMask], Tensor]) -> float:
        kept = torch.stack([of(mask).sum() for mask in self.counted.values()]).sum()
        return float(kept) / sum(mask.size for mask in self.counted.values())


class FreezingRule(HypercubeRule):
    """Freezes the lowest scores every ``prune_period`` epochs (spec 2.1).

    Args:
        masks: the masks of the search, all of them ``GemMask``.
        weights: the weights under them.
        options: the finder's options.
        generator: maps a purpose and indices to a generator of the run's seed.
        save: keeps the present ticket under a name.
    """

    def __init__(
        self,
        masks: Mapping[str, LearnedMask],
        weights: Weights,
        options: GemMinerOptions,
        generator: Callable[..., torch.Generator],
        save: Callable[[str], None],
    ) -> None:
        super().__init__(masks, weights, options)
        self._gem_options, self._generator, self._save = options, generator, save
        if options.rewind_scores_to is not None:
            for mask in self.gems.values():
                mask.register_buffer("cached", torch.zeros_like(mask.latent))

    @torch.no_grad()
    def before_forward(self) -> None:
        """Move the threshold to where the next event would freeze, if the mask follows it."""
        if self._gem_options.mask_rule == "threshold":
            return
        pool = torch.cat([mask.latent.abs()[mask.active > 0] for mask in self.counted.values()])
        level = threshold_of(pool, self._gem_options.rate) if pool.numel() else torch.zeros(())
        for mask in self.counted.values():
            mask.level.copy_(level)

    def close_epoch(self, epoch: int) -> Row:
        """Freeze where an event is due, and all but the target where nothing is left to round."""
        options = self._gem_options
        if options.warm_start and epoch == 0:
            self._score_by_magnitude()
        if epoch == options.rewind_scores_to:
            self._cache_scores()
        if self._density(lambda mask: mask.rounded()) == 0.0:
            self._freeze(epoch, options.sparsity)
            return {"emptied": True}
        if epoch > 0 and epoch % options.prune_period == 0:
            self._freeze(epoch, options.rate)
            if options.rewind_scores_to is not None and epoch >= options.rewind_scores_to:
                self._rewind_scores()
            if options.save_every_level:
                self._save(f"event_{epoch // options.prune_period:03d}")
        return {}

    def is_finished(self, history: Sequence[Row]) -> bool:
        """Stop where the rounded mask was empty after an epoch."""
        return bool(history) and bool(history[-1].get("emptied", False))

    def _freeze(self, epoch: int, fraction: float) -> None:
        options = self._gem_options
        scores = {name: mask.latent.detach() for name, mask in self.counted.items()}
        active = {name: mask.active.bool() for name, mask in self.counted.items()}
        ties = self._generator("ties", epoch)
        if options.freeze_rule == "threshold":
            stays = freeze_below(scores, active, options.threshold)
        elif options.freeze_rule == "layer_bottom_k":
            stays = freeze_lowest_by_layer(
                scores, active, fraction, largest=options.invert, ties=ties
            )
        else:
            stays = freeze_lowest(
                scores,
                active,
                fraction,
                largest=options.invert,
                ties=ties if options.exact_count else None,
            )
        for name, mask in self.counted.items():
            mask.freeze(stays[name])

    @torch.no_grad()
    def _score_by_magnitude(self) -> None:
        sizes = {name: self.weights[name].abs() for name in self.counted}
        median = torch.cat([size.flatten() for size in sizes.values()]).median()
        for name, mask in self.counted.items():
            mask.latent.copy_(sizes[name] > median)

    @torch.no_grad()
    def _cache_scores(self) -> None:
        for mask in self.gems.values():
            mask.get_buffer("cached").copy_(mask.latent)

    @torch.no_grad()
    def _rewind_scores(self) -> None:
        for mask in self.gems.values():
            mask.latent.copy_(mask.get_buffer("cached"))


MakeRule = Callable[[Mapping[str, LearnedMask], Weights, Callable[[str], None]], SearchRule]


def _search(inputs: FindInputs, make_rule: MakeRule) -> Found:
    """Search over the inputs' weights; shortcuts that do not count get a mask all the same."""
    options: HypercubeOptions = inputs.options
    draw = inputs.generator("scores")
    uncounted = () if options.prune_shortcuts else shortcut_weights(inputs.model)
    weights: dict[str, Tensor] = {}

    ticket = options.ticket_mask if isinstance(options, GemMinerOptions) else "rounded"

    def make(name: str, weight: Tensor) -> LearnedMask:
        mask = GemMask(
            weight,
            SCORE_INITS[options.score_init](weight.shape, draw),
            threshold=options.threshold,
            quantized=options.quantized,
            ticket=ticket,
            probabilistic=options.rounding == "prob" or options.rounding_layer == name,
            noise=options.noise,
            clamp_in_forward=options.clamp_in_forward,
        )
        mask.counted = name not in uncounted
        weights[name] = weight
        return mask

    def rule(masks: Mapping[str, LearnedMask], save: Callable[[str], None]) -> SearchRule:
        if options.rounding_layer is not None and options.rounding_layer not in masks:
            raise unknown_name("find.rounding_layer", options.rounding_layer, masks)
        return make_rule(masks, weights, save)

    plan = MaskSearch(
        options.recipe(),
        make,
        options.exclude,
        rule=rule,
        samples=0 if options.rounding == "naive" else options.samples,
        sampled_view="rounded",
    )
    return search_masks(inputs, plan)


def find_hypercube(inputs: FindInputs) -> Found:
    """Search on the hypercube and round the scores."""
    options: HypercubeOptions = inputs.options
    return _search(inputs, lambda masks, weights, _: HypercubeRule(masks, weights, options))


def find_gem_miner(inputs: FindInputs) -> Found:
    """Search for a gem: a subnetwork of the given density that is accurate untrained."""
    options: GemMinerOptions = inputs.options
    if options.pretrain is not None:
        inputs.model.load_state_dict(inputs.need_trained().final)
    return _search(
        inputs,
        lambda masks, weights, save: FreezingRule(masks, weights, options, inputs.generator, save),
    )


def _stages(options: GemMinerOptions) -> Sequence[Stage]:
    need = None if options.pretrain is None else TrainingNeed(options.pretrain)
    return (Stage(find_gem_miner, need),)


HYPERCUBE: Finder = one_shot(HypercubeOptions, find_hypercube)
GEM_MINER = Finder(GemMinerOptions, _stages)
