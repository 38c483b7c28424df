"""A config is frozen; a mistake in it ends in one line: where it is, and what is allowed."""

import pytest
from pydantic import ValidationError

from common.config import AugmentConfig, TrainConfig
from common.errors import UserError

REFUSED = {
    # a misspelt key, at every depth
    "experimnt=x": ["unknown key 'experimnt'", "did you mean 'experiment'?"],
    "data.augmnet=null": ["run.json: data: unknown key 'augmnet'", "did you mean 'augment'?"],
    "data.augment.horizontl_flip=true": ["data.augment:", "did you mean 'horizontal_flip'?"],
    "train.learning_rate=1": ["train: unknown key 'learning_rate'", "allowed: epochs, batch_size"],
    "find.sparsty=0.5": ["find: unknown key 'sparsty'", "did you mean 'sparsity'?"],
    "find.pretrain.epoch=1": ["find.pretrain: unknown key 'epoch'", "did you mean 'epochs'?"],
    "find.pretrain.subset.fractoin=0.1": ["find.pretrain.subset:", "did you mean 'fraction'?"],
    "transform.1.scop=all": ["transform.1: unknown key 'scop'", "did you mean 'scope'?"],
    # a name that nobody knows
    "data.name=cifar11": ["data.name: unknown name 'cifar11'", "did you mean 'cifar10'?"],
    "transfer.source=cifar11": ["transfer.source.name: unknown name 'cifar11'"],
    "data.normalization=pixle": ["data.normalization: unknown name", "did you mean 'pixel'?"],
    "model.name=resnet33": ["model.name: unknown name 'resnet33'", "known: alexnet,"],
    "model.widht=8": ["model.widht: resnet8 has no such option", "did you mean 'width'?"],
    "model.init=kaiming_norml": ["model.init", "did you mean 'kaiming_normal'?"],
    "find.name=hybird": ["find.name: unknown name 'hybird'", "did you mean 'hybrid'?"],
    "transform.0=layerwise_rearange": ["transform.0", "did you mean 'layerwise_rearrange'?"],
    "train.schedule=cosin": [
        "train.schedule: input should be 'step', 'multistep'",
        "found 'cosin'",
    ],
    "find.rewinding=weight": ["find.rewinding", "'weights', 'learning_rate' or 'init'", "'weight'"],
    # a value of the wrong type
    'data.augment.horizontal_flip="yes"': ["data.augment.horizontal_flip: ", "boolean", "'yes'"],
    "data.augment.horizontal_flip=1": ["data.augment.horizontal_flip: ", "boolean, found 1"],
    'train.nesterov="false"': ["train.nesterov: ", "boolean, found 'false'"],
    'train.lr="0.1"': ["train.lr: input should be a valid number, found '0.1'"],
    "train.lr=true": ["train.lr: input should be a valid number, found True"],
    "train.lr=NaN": ["train.lr: input should be a finite number, found nan"],
    "train.lr=Infinity": ["train.lr: input should be a finite number, found inf"],
    "train.epochs=2.5": ["train.epochs: ", "integer", "found 2.5"],
    "train.epochs=null": ["train.epochs: ", "integer", "found None"],
    "train.batch_size=true": ["train.batch_size: ", "integer", "found True"],
    'train.milestones=["4"]': ["train.milestones.0: ", "integer", "found '4'"],
    "seeds=[true]": ["seeds.0: ", "integer", "found True"],
    "model=resnet8": ["model: ", "dictionary", "found 'resnet8'"],
    "find=0.5": ["find: ", "dictionary", "found 0.5"],
    "data=null": ["data: ", "found None"],
    'model.width="8"': ["model.width: '8' is not allowed; it must be a positive integer"],
    # a value out of range
    "train.lr=0": ["train.lr: input should be greater than 0, found 0"],
    "train.batch_size=0": ["train.batch_size: input should be greater than 0, found 0"],
    "train.momentum=1": ["train.momentum: input should be less than 1, found 1"],
    "train.label_smoothing=1": ["train.label_smoothing: ", "less than 1"],
    "find.sparsity=1.01": ["find.sparsity: input should be less than or equal to 1, found 1.01"],
    "find.sparsity=-0.1": ["find.sparsity: input should be greater than or equal to 0"],
    "data.validation=-1": ["data.validation: ", "found -1"],
    "data.channels=2": ["data.channels: input should be 1 or 3, found 2"],
    "schema_version=2": ["schema_version: input should be 1, found 2"],
    "name=../escape": ["name: ", "'../escape'"],
    "seeds=[]": ["seeds must be one or more different integers, found []"],
    "seeds=[4,4]": ["seeds must be one or more different integers, found [4, 4]"],
    # fields that contradict each other
    "train.schedule=cosine": [
        "train: milestones belong to the schedules 'step' and 'multistep'",
        "is 'cosine'",
    ],
    "train.milestones=[8,4]": ["train: milestones must be rising epochs from 1 on", "[8, 4]"],
    "train.milestones=[0,4]": ["train: milestones must be rising epochs from 1 on", "[0, 4]"],
    "find.rewind_epoch=12": ["find: rewind_epoch must be below pretrain.epochs (12), found 12"],
    "find.rewind_epoch=null": ["find: rewind_epoch is missing; weight rewinding needs one"],
    'find={"name":"dense"}': ["transform needs a ticket, but find.name is 'dense'"],
    'find={"name":"dense","sparsity":0.5}': ["find.sparsity", "found 0.5"],
    'find={"name":"magnitude","sparsity":0.5,"rewinding":"init"}': ["need a pretrain section"],
    'find={"name":"magnitude","sparsity":0.5,"pretrain":{}}': ["find: rewinding is missing"],
    # a key that is not there
    'find={"name":"snip"}': ["find.sparsity: key is missing"],
    'find={"sparsity":0.5}': [
        "find: key 'name' is missing (known names: dense, edge_popup, gmp, grasp,"
    ],
    'data={"augment":null}': ["data.name: key is missing"],
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_mistake_is_refused_with_its_path_its_value_and_what_is_allowed(parse, override):
    with pytest.raises(UserError) as caught:
        parse(override)
    message = str(caught.value)
    assert message.startswith("run.json: ")
    assert "\n" not in message
    for part in REFUSED[override]:
        assert part in message


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("train.optimizer=adam", "train.nesterov=true", "nesterov needs optimizer 'sgd'"),
        ("train.momentum=0", "train.nesterov=true", "a momentum above 0"),
        ("train.warmup_epochs=2", "train.start_epoch=1", "exclude each other"),
    ],
)
def test_settings_that_clash_are_fine_alone_and_refused_together(parse, first, second, reason):
    parse(first)
    parse(second)
    with pytest.raises(UserError, match=reason):
        parse(first, second)


def test_several_mistakes_are_counted(parse):
    with pytest.raises(UserError, match=r"train\.epochs: .*\(and 2 more mistakes\)$"):
        parse("train.lr=-1", "train.batch_size=-1", "train.epochs=-1")
    with pytest.raises(UserError, match=r"train\.epochs: .*\(and 1 more mistake\)$"):
        parse("train.lr=-1", "train.epochs=-1")


def test_braces_in_a_value_are_shown_as_they_are(parse):
    with pytest.raises(UserError, match=r"unknown name '\{0\}\{x\}'"):
        parse("find.name={0}{x}")


def test_every_field_of_every_section_is_frozen(parse):
    config = parse()
    sections = [config, config.data, config.data.augment, config.data.subset, config.model]
    sections += [config.data.corruption, config.find, config.find.pretrain, config.train]
    sections += config.transform
    for section in sections:
        for field in type(section).model_fields:
            with pytest.raises(ValidationError, match="frozen"):
                setattr(section, field, getattr(section, field))


def test_lists_of_a_config_cannot_be_changed_in_place(parse):
    config = parse()
    assert config.seeds == (0, 1)
    assert config.train.milestones == (4, 8)
    assert isinstance(config.transform, tuple)


def test_an_integer_may_stand_for_a_float_but_not_the_other_way_round(parse):
    assert parse("train.lr=1").train.lr == 1.0
    with pytest.raises(UserError, match=r"train\.epochs: .*found 12\.0"):
        parse("train.epochs=12.0")


def test_validation_tells_a_number_of_images_from_a_fraction(parse):
    assert parse("data.validation=1").data.validation == 1
    assert isinstance(parse("data.validation=1").data.validation, int)
    assert parse("data.validation=0.25").data.validation == 0.25


def test_a_transform_may_be_its_name_alone(parse):
    short = parse('transform=["layerwise_weights_shuffling"]')
    long = parse('transform=[{"name":"layerwise_weights_shuffling","scope":"kept"}]')
    assert short.transform == long.transform


def test_the_protocol_of_a_bare_recipe_is_the_field_s_usual_one():
    recipe = TrainConfig()
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (160, 128, 0.1)
    assert (recipe.optimizer, recipe.momentum, recipe.nesterov) == ("sgd", 0.9, False)
    assert (recipe.weight_decay, recipe.gamma, recipe.label_smoothing) == (1e-4, 0.1, 0.0)
    assert (recipe.schedule, recipe.milestones, recipe.warmup_epochs) == ("step", None, 0)
    assert AugmentConfig() == AugmentConfig(crop_padding=4, crop_size=None, horizontal_flip=True)


def test_model_options_reach_the_model_as_they_are(parse):
    assert parse("model.shortcut=A").model.options == {"width": 8, "shortcut": "A"}
