"""The schema of a run: what a JSON config may say, checked when it is read.

Every section is frozen and refuses unknown keys. ``find`` and the entries of ``transform`` are
parsed by the option class that the catalog holds for their ``name``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal, cast

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    model_validator,
)

from common.config.catalog import Catalog
from common.config.recipe import TrainConfig
from common.config.section import LATER, Section, identified, refuse
from common.errors import UserError, unknown_name

SCHEMA_VERSION: Literal[1] = 1

Fraction = Annotated[float, Field(ge=0.0, le=1.0)]
TestSplit = Literal["test", "test_half", "other_half_train"]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]*$")]


class AugmentConfig(Section):
    """Random crop and horizontal flip, drawn anew for every image of every epoch, or once for all.

    Resized crops are those of ImageNet trainings: a box of 8 to 100 % of the image's area and of
    proportions from 3:4 to 4:3, resized to the image's size. They need images that are streamed
    from their files; ``crop_padding`` has no bearing on them.
    """

    crop_padding: int = Field(4, ge=0, description="zero pixels added on every side")
    crop_size: int | None = Field(None, gt=0, description="side of the crop; null: image size")
    horizontal_flip: bool = True
    crop: Annotated[Literal["padded", "resized"], LATER] = "padded"
    min_area: Annotated[float, LATER] = Field(
        0.08, gt=0.0, le=1.0, description="smallest part of the image's area in a resized crop"
    )
    frozen: Annotated[bool, LATER] = Field(
        False, description="every epoch sees the crops and flips of the first one"
    )

    @model_validator(mode="after")
    def _agree(self) -> AugmentConfig:
        if self.frozen and self.crop == "resized":
            raise refuse("frozen keeps crops in memory, so crop must be 'padded', found 'resized'")
        return self


class SubsetConfig(Section):
    """A part of the training images, the same in every epoch."""

    fraction: float | None = Field(None, gt=0.0, le=1.0)
    count: int | None = Field(None, gt=0, description="images, in place of a fraction")
    choose: Literal["random", "first"] = Field("random", description="first: in stored order")

    @model_validator(mode="after")
    def _agree(self) -> SubsetConfig:
        if (self.fraction is None) == (self.count is None):
            raise refuse("give either fraction or count")
        return self


class CorruptionConfig(Section):
    """What a sanity check does to labels and pixels, once and for all, before they are used."""

    random_labels: bool | Literal["su"] = Field(
        False, description="su: the one draw of the paper's code, the same for every seed"
    )
    random_pixels: Literal["values", "pixels", "rows_cols", "channel_rows"] | None = None


class DataConfig(Section):
    """Which images a run sees, and how."""

    name: str
    normalization: str = Field("default", description="name of mean and standard deviation")
    augment: AugmentConfig | None = AugmentConfig()
    validation: int | Fraction = Field(
        0, ge=0, description="images (int) or fraction (float) held out of the training set"
    )
    validation_choice: Literal["random", "first", "stratified"] = "random"
    channels: Literal[1, 3] | None = Field(None, description="3: repeat a grey channel")
    test_padding: int = Field(0, ge=0, description="zero pixels around test images")
    subset: SubsetConfig | None = None
    corruption: CorruptionConfig | None = None
    stream: Annotated[bool, LATER] = Field(
        False, description="decode images for every batch, where they would not fit into memory"
    )
    test_split: Annotated[TestSplit, LATER] = Field(
        "test",
        description="of half a data set, what is evaluated: all test images, this half of them, "
        "or the training images of the other half",
    )

    @model_validator(mode="after")
    def _agree(self) -> DataConfig:
        if self.stream and self.augment is not None and self.augment.frozen:
            raise refuse("augment.frozen keeps all images in memory, so stream must be false")
        return self


class ModelConfig(Section):
    """Which network; the remaining keys are options of that model."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """The model's own options as the config gives them."""
        return dict(self.model_extra or {})


class FindOptions(Section):
    """Base of the options of a finder; every finder has one such class in the catalog."""

    name: str
    sparsity: Fraction | None = Field(None, description="fraction of prunable weights removed")


class TransformOptions(Section):
    """Base of the options of a transform of a ticket."""

    name: str

    @property
    def dense_epochs(self) -> int:
        """For how many epochs the weights it draws are trained densely first."""
        return 0


def _parse_named(
    where: str, value: Any, classes: dict[str, Any], info: ValidationInfo
) -> FindOptions | TransformOptions | Any:
    if not isinstance(value, dict):
        return value
    if "name" not in value:
        raise refuse(f"key 'name' is missing (known names: {', '.join(sorted(classes))})")
    name = value["name"]
    # Papers write "ASLP" and "edge-popup"; a config may, too.
    plain = name.lower().replace("-", "_") if isinstance(name, str) else name
    if name not in classes and plain in classes:
        name, value = plain, {**value, "name": plain}
    if name not in classes:
        raise refuse(str(unknown_name(f"{where}.name", name, classes)))
    return classes[name].model_validate(value, context=info.context)


def _catalog(info: ValidationInfo) -> Catalog:
    context = info.context or {}
    if "catalog" not in context:
        raise TypeError("a run config is parsed with context={'catalog': ...}")
    return cast(Catalog, context["catalog"])


def _parse_find(value: Any, info: ValidationInfo) -> Any:
    return _parse_named("find", value, dict(_catalog(info).finders), info)


def _parse_transform(value: Any, info: ValidationInfo) -> Any:
    if isinstance(value, str):
        value = {"name": value}
    return _parse_named("transform", value, dict(_catalog(info).transforms), info)


class TransferConfig(Section):
    """What of a ticket comes from another data set than the run's, ``data``.

    ``mask: "source"``: masks and start weights are found on the source. ``mask: "target"``: only
    the start weights come from there; masks are found on the target.
    """

    source: DataConfig | None = Field(
        None, description="section data of the source; just a name: otherwise as the target's"
    )
    mask: Literal["source", "target"] = "source"
    classifier: Literal["copy_if_equal", "fresh_each_level"] = Field(
        "copy_if_equal", description="fresh_each_level: drawn anew, dense, also for equal classes"
    )
    mismatch: Literal["carry_over", "fresh_each_level"] = Field(
        "carry_over",
        description="unequal classes, masks of the target: carry_over keeps what the round before "
        "trained; fresh_each_level draws the same fresh classifier for every round",
    )
    init: str | None = Field(
        None, description="in place of a source: a ticket or checkpoint with the start weights"
    )
    sha256: str = Field("", pattern="^([0-9a-f]{64})?$", description="of that file's content")

    @model_validator(mode="before")
    @classmethod
    def _identify(cls, value: Any) -> Any:
        return identified(value, "init")

    @model_validator(mode="after")
    def _agree(self) -> TransferConfig:
        if (self.source is None) == (self.init is None):
            raise refuse("give either source or init")
        if self.init is not None and self.mask != "target":
            raise refuse(
                "init gives start weights only, so mask must be 'target'; a ticket's masks come "
                "with find.name 'ticket_file'"
            )
        return self


def _check_data(catalog: Catalog, data: DataConfig) -> None:
    options = {"normalization": data.normalization, "test_split": data.test_split}
    catalog.check_data(data.name, options)


class RunConfig(Section):
    """One run: find a ticket, transform it, train it.

    ``experiment``, ``method``, ``variant``, ``protocol`` and ``name`` say where the result
    belongs; they and ``seeds`` stay outside the hash because they cannot change the mathematics.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    paper: Name
    experiment: Name
    protocol: Name
    name: Name
    method: str
    variant: str
    data: DataConfig
    model: ModelConfig
    find: Annotated[SerializeAsAny[FindOptions], BeforeValidator(_parse_find)]
    transform: tuple[
        Annotated[SerializeAsAny[TransformOptions], BeforeValidator(_parse_transform)], ...
    ] = Field((), strict=False)
    train: TrainConfig | None
    transfer: Annotated[TransferConfig | None, LATER] = None
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seeds: tuple[int, ...] = Field((0,), strict=False)

    @model_validator(mode="after")
    def _agree(self, info: ValidationInfo) -> RunConfig:
        catalog = _catalog(info)
        catalog.check_model(self.model.name, self.model.options)
        _check_data(catalog, self.data)
        if self.transfer is not None:
            if self.transfer.source is not None:
                try:
                    _check_data(catalog, self.transfer.source)
                except UserError as error:
                    raise UserError(str(error).replace("data.", "transfer.source.", 1)) from None
            if self.find.name == "dense":
                raise refuse("transfer needs a ticket, but find.name is 'dense'")
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise refuse(f"seeds must be one or more different integers, found {list(self.seeds)}")
        if self.transform and self.find.name == "dense":
            raise refuse("transform needs a ticket, but find.name is 'dense'")
        return self

    def selections(self) -> Iterator[tuple[str, DataConfig]]:
        """Yield the path of every recipe that selects by validation images, and its data."""
        away = None if self.transfer is None else self.transfer.source
        recipes: list[tuple[str, Any, DataConfig]] = [("train", self.train, self.data)]
        for name in ("train", "pretrain", "dense"):
            recipes.append((f"find.{name}", getattr(self.find, name, None), away or self.data))
        for where, recipe, data in recipes:
            if isinstance(recipe, TrainConfig) and recipe.select == "best_validation":
                yield where, data
