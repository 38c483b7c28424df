"""The embedded data set: scikit-learn's 1,797 handwritten digits, enlarged to 16x16 pixels."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch.nn.functional import interpolate

from common.data.datasets import Split
from common.data.partition import deal, fixed_order

TRAIN, VALIDATION, TEST = 1000, 197, 600

_SPLIT_SEED = 0


def digits_splits() -> tuple[Split, Split, Split]:
    """Return the training, validation and test split, 1,000 + 197 + 600 images of 1x16x16.

    The values 0 to 16 are scaled to 0 to 255 and the images enlarged bilinearly, then rounded. The
    split keeps every class in proportion. It is drawn with NumPy's legacy generator and seed 0,
    whose numbers never change, and does not depend on the seed of a run.
    """
    table = _stored_digits()
    grey = torch.from_numpy(table[:, :-1].astype(np.float32)).view(-1, 1, 8, 8) * (255 / 16)
    enlarged = interpolate(grey, size=(16, 16), mode="bilinear", align_corners=False)
    images = enlarged.round().to(torch.uint8)
    labels = torch.from_numpy(table[:, -1].astype(np.int64))
    everything = Split(images, labels)

    test, order = deal(fixed_order(len(labels), _SPLIT_SEED), labels, TEST)
    validation, train = deal(order, labels, VALIDATION)
    parts = [everything.select(part.sort().values) for part in (train, validation, test)]
    return parts[0], parts[1], parts[2]


def _stored_digits() -> npt.NDArray[np.float64]:
    """Return scikit-learn's table: 64 pixels of 0 to 16 and the label in each of its rows.

    The file is read directly where it is found, as importing scikit-learn takes longer than a short
    run's whole preparation.
    """
    package = find_spec("sklearn")
    for folder in (package and package.submodule_search_locations) or ():
        stored = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if stored.is_file():
            return np.loadtxt(stored, delimiter=",")
    from sklearn.datasets import load_digits  # noqa: PLC0415

    values, targets = load_digits(return_X_y=True)
    return np.column_stack([values, targets])
