"""The tricks of ToST, as sections of a training recipe; :mod:`common.tricks` carries them out."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from common.config.section import Section, changed, identified, refuse

SoftName = Literal[
    "swish",
    "pswish",
    "mish",
    "gelu",
    "elu",
    "softplus",
    "lisht",
    "bent_identity",
    "smooth_relu",
    "smooth_gradient_relu",
]
SLOPED = ("swish", "pswish")
"""Activations x * sigmoid(slope * x), which turn into ReLU as the slope grows."""


class AnnealedConfig(Section):
    """A trick that fades out while the network trains.

    ``start`` and ``end`` are fractions of the training. With u = (t - start) / (end - start),
    clipped to [0, 1], a trick is there in full at u = 0 and gone at u = 1.
    """

    start: float = Field(0.0, ge=0.0, lt=1.0, description="fraction of the training")
    end: float = Field(0.25, gt=0.0, le=1.0, description="fraction of the training")
    per_step: bool = Field(True, description="false: it fades at the start of every epoch only")

    @model_validator(mode="after")
    def _in_order(self) -> AnnealedConfig:
        if self.start >= self.end:
            raise refuse(f"start must be below end, found {self.start} and {self.end}")
        return self


class SoftActivationConfig(AnnealedConfig):
    """Soft neurons in place of every ReLU (ToST, spec 2.5).

    Decay ``beta`` lets the slope grow as 1 / (1 - u), ``linear`` mixes with ReLU, ``step`` keeps
    the soft function until ``end``, ``none`` keeps it for good: the accuracy is then that of
    another network.
    """

    name: SoftName = "swish"
    beta: float = Field(2.0, gt=0.0, description="pswish: its slope, constant without decay")
    decay: Literal["beta", "linear", "step", "none"] | None = Field(
        None, description="null: beta where the function has a slope, else linear"
    )

    @model_validator(mode="after")
    def _agree(self) -> SoftActivationConfig:
        if self.name != "pswish" and changed(self, "beta"):
            raise refuse(f"beta belongs to 'pswish', but name is {self.name!r}")
        if self.decay == "beta" and self.name not in SLOPED:
            raise refuse(f"decay 'beta' needs name 'swish' or 'pswish', found {self.name!r}")
        if self.decay == "none" and changed(self, "start", "end", "per_step"):
            raise refuse("start, end and per_step have no effect where decay is 'none'")
        return self

    @property
    def fading(self) -> Literal["beta", "linear", "step", "none"]:
        """Return the decay, the default one filled in."""
        if self.decay is not None:
            return self.decay
        return "beta" if self.name in SLOPED else "linear"


class GhostSkipConfig(AnnealedConfig):
    """Ghost skip connections: a 1x1 convolution and BN beside every 3x3 convolution (spec 2.6).

    Decay ``linear`` scales them by 1 - u, ``step`` drops them at ``end``, ``none`` keeps them: the
    network that is evaluated then has their dense weights, too.
    """

    init: float = Field(1e-4, description="every weight of the 1x1 convolutions at first")
    decay: Literal["linear", "step", "none"] = "linear"
    bottleneck: Literal["conv3x3", "none"] = Field(
        "conv3x3", description="none: bottleneck blocks have no skips, as in the released code"
    )

    @model_validator(mode="after")
    def _agree(self) -> GhostSkipConfig:
        if self.decay == "none" and changed(self, "start", "end", "per_step"):
            raise refuse("start, end and per_step have no effect where decay is 'none'")
        return self


class LrsiConfig(Section):
    """Layer-wise re-scaled initialisation: GradInit on the ticket (spec 2.8).

    One positive factor a tensor is learned so that a step of size ``eta`` lowers the loss most
    while the gradient's norm stays below ``gamma``. Defaults are those of the authors' command.
    """

    alg: Literal["sgd", "adam"] = Field("sgd", description="what the step in question is a step of")
    eta: float = Field(0.1, gt=0.0, description="size of that step")
    gamma: float | None = Field(1.0, gt=0.0, description="bound of the norm; null: none")
    normalize_grad: bool = Field(True, description="sgd: divide the gradient by its norm")
    lr: float = Field(0.01, gt=0.0, description="by which a factor moves at first")
    min_scale: float = Field(0.01, ge=0.0, description="least factor of a weight; 0 for a bias")
    iters: int = Field(180, gt=0)
    grad_clip: float = Field(1.0, ge=0.0, description="of each factor's gradient; 0: none")
    batch_size: int = Field(128, gt=0, description="half of the images that a norm is taken over")
    no_overlap: bool = Field(
        False, description="the loss after the step shares no images with the gradient"
    )
    order: Literal["mask_then_scale", "scale_then_mask"] = Field(
        "mask_then_scale", description="scale_then_mask: factors of the dense network"
    )
    mask_gradients: bool = Field(
        False, description="true: removed weights have no gradient, as in training"
    )
    resume: str | None = Field(None, description="factors of a run: its lrsi.json, not learned")
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="of that file's content")

    @model_validator(mode="before")
    @classmethod
    def _identify(cls, value: Any) -> Any:
        return identified(value, "resume")

    @model_validator(mode="after")
    def _agree(self) -> LrsiConfig:
        if self.alg == "adam" and not self.normalize_grad:
            raise refuse("normalize_grad has no effect where alg is 'adam', whose step is a sign")
        if self.mask_gradients and self.order == "scale_then_mask":
            raise refuse("mask_gradients has no effect where order is 'scale_then_mask'")
        learned = [name for name in type(self).model_fields if name not in ("resume", "sha256")]
        if self.resume is not None and (given := changed(self, *learned)):
            raise refuse(f"{given[0]} has no effect where factors come from a file (resume)")
        return self
