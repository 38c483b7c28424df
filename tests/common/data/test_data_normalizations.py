"""The constants of the registry are those that the papers' code used."""

import pytest

from common.data import DATASETS


@pytest.mark.parametrize(
    ("dataset", "name", "mean", "std"),
    [
        ("cifar10", "legacy", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ("cifar10", "pixel", (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
        ("cifar10", "rounded", (0.491, 0.482, 0.447), (0.247, 0.243, 0.262)),
        ("cifar100", "legacy", (0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
        ("cifar100", "pixel", (0.5071, 0.4866, 0.4409), (0.2673, 0.2564, 0.2762)),
        ("cifar100", "cifar10_legacy", (0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        ("tiny_imagenet", "rounded", (0.48025, 0.44807, 0.39755), (0.27699, 0.26906, 0.28208)),
        ("caltech101", "default", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("imagenet", "default", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ("mnist", "default", (0.1307,), (0.3081,)),
        ("fashion_mnist", "default", (0.2860,), (0.3530,)),
    ],
)
def test_published_constants(dataset, name, mean, std):
    constants = DATASETS[dataset].normalizations[name]
    assert (constants.mean, constants.std) == (mean, std)


@pytest.mark.parametrize("dataset", DATASETS)
def test_every_data_set_has_constants_that_fit_it(dataset):
    spec = DATASETS[dataset]
    assert {"default", "half", "none"} <= set(spec.normalizations)
    assert ("pixel" in spec.normalizations) == (dataset != "caltech101")
    for name, constants in spec.normalizations.items():
        assert len(constants.mean) == len(constants.std), name
        assert len(constants.mean) in (1, spec.shape[0]), name


@pytest.mark.parametrize(
    ("dataset", "classes", "train", "test"),
    [
        ("cifar10", 10, 50_000, 10_000),
        ("cifar100", 100, 50_000, 10_000),
        ("svhn", 10, 73_257, 26_032),
        ("fashion_mnist", 10, 60_000, 10_000),
        ("mnist", 10, 60_000, 10_000),
        ("tiny_imagenet", 200, 100_000, 10_000),
        ("tiny_imagenet_half", 200, 100_000, 5_000),
        ("caltech101", 101, 5_205, 1_736),
        ("imagenet", 1000, 1_281_167, 50_000),
    ],
)
def test_counts_of_the_complete_sets(dataset, classes, train, test):
    spec = DATASETS[dataset]
    assert (spec.num_classes, spec.train_count, spec.test_count) == (classes, train, test)
