"""Loading a data set by name, from whichever files of it are there."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock

from common.data.archives import download as download_archive
from common.data.archives import unpack
from common.data.arrays import Decoded, check_decoded
from common.data.cache import Cached, cache_path, load_cached, source_key, store
from common.data.datasets import Dataset, Split, content_hash, split_counts
from common.data.folder import entries, is_folder, list_folder
from common.data.official import OfficialFormat
from common.data.registry import DATASETS, DatasetSpec
from common.data.splits import alternate_halves
from common.errors import UserError, unknown_name

Layout = Literal["auto", "official", "folder"]


def load_dataset(
    name: str,
    root: str | Path = "data",
    *,
    download: bool = False,
    layout: Layout = "auto",
) -> Dataset:
    """Load a data set as uint8 tensors on the CPU.

    Args:
        name: a name of :data:`common.data.registry.DATASETS`. ``cifar10_a`` and ``cifar10_b`` are
            alternate halves of the training images of every class, with the whole test set.
        root: the folder of all data sets. It may hold the official files as torchvision keeps
            them, or ``<name>/{train,test}/<class>/<id>.png`` (or jpg); official archives are
            unpacked. Decoded images are kept in ``<root>/.cache`` where that can be written.
        download: fetch what is missing or damaged.
        layout: read only the ``official`` files or only the ``folder``; ``auto`` prefers the
            former. The fingerprint says which was read.

    Returns:
        The data set. Fewer images than the complete set has are no error:
        ``fingerprint["complete"]`` is then False, and ``fingerprint["note"]`` says what is missing.

    Raises:
        UserError: for an unknown name, files that are missing, damaged or of the wrong shape, and
            downloads that fail; the message says what to put where.
    """
    if name not in DATASETS:
        raise unknown_name("data.name", name, DATASETS)
    if layout not in ("auto", "official", "folder"):
        raise unknown_name("data.layout", layout, ("auto", "official", "folder"))
    spec = DATASETS[name]
    if spec.half is not None:
        whole, which = spec.half
        return _half(name, load_dataset(whole, root, download=download, layout=layout), which)
    if spec.embedded is not None:
        train, validation, test = spec.embedded()
        sha256 = content_hash(train, validation, test)
        return _dataset(name, spec, Decoded(train, test, "embedded"), sha256, validation)
    decoded, sha256 = _from_files(name, spec, Path(root).expanduser().resolve(), download, layout)
    return _dataset(name, spec, decoded, sha256, None)


def _dataset(
    name: str, spec: DatasetSpec, decoded: Decoded, sha256: str, validation: Split | None
) -> Dataset:
    """Join what was read with what is known."""
    short = [
        f"{len(split):,} of {count:,} {part} images"
        for part, split, count in (
            ("training", decoded.train, spec.train_count),
            ("test", decoded.test, spec.test_count),
        )
        if len(split) != count
    ]
    lossy = decoded.source.startswith("jpeg") and not spec.original_is_jpeg
    notes = short + ["pixels from JPEG copies, not the originals"] * lossy
    fingerprint: dict[str, Any] = {
        "name": name,
        "source": decoded.source,
        **split_counts(decoded.train, validation, decoded.test),
        "shape": list(spec.shape),
        "sha256": sha256,
        "complete": not short,
    }
    if notes:
        fingerprint["note"] = "; ".join(notes)
    return Dataset(
        name=name,
        train=decoded.train,
        test=decoded.test,
        validation=validation,
        num_classes=spec.num_classes,
        class_names=decoded.class_names or spec.class_names,
        normalizations=spec.normalizations,
        fingerprint=fingerprint,
    )


def _half(name: str, whole: Dataset, which: int) -> Dataset:
    """Return one alternate half of a data set's training images."""
    train = alternate_halves(whole.train, whole.num_classes)[which]
    half = replace(whole, name=name).with_splits(train=train)
    sha256 = content_hash(half.train, half.validation, half.test)
    return replace(half, fingerprint=half.fingerprint | {"name": name, "sha256": sha256})


@dataclass(frozen=True)
class _Source:
    """Files that a data set can be read from."""

    key: str
    damage: Callable[[], str | None]
    read: Callable[[], Decoded]


def _from_files(name: str, spec: DatasetSpec, root: Path, download: bool, layout: Layout) -> Cached:
    """Return the decoded files, from the cache where it has them."""
    source = _locate(name, spec, root, layout)
    cached = source and load_cached(cache_path(root, name, source.key))
    if cached:
        return cached
    with _lock(root, name, download):
        source = _locate(name, spec, root, layout)
        damage = source and source.damage()
        if source is None or damage:
            if layout == "folder" or spec.official is None:
                raise _missing(name, None, root)
            if damage and not download:
                raise UserError(
                    f"{damage}; delete it, and get it again or allow the download (--download)"
                )
            _provide(name, spec.official, root, download)
            source = _locate(name, spec, root, layout)
            damage = source and source.damage()
            if source is None or damage:
                raise UserError(damage or f"{name}: its archive does not hold the official files")
        path = cache_path(root, name, source.key)
        cached = load_cached(path)
        if cached:
            return cached
        decoded = source.read()
        check_decoded(decoded, name, spec.num_classes, spec.shape)
        return store(path, decoded)


def _locate(name: str, spec: DatasetSpec, root: Path, layout: Layout) -> _Source | None:
    """Return the files to read: the official ones if they are all there, else the folder."""
    official = spec.official
    if layout != "folder" and official is not None and not official.missing(root):
        return _Source(
            # Files that cannot be listed are damaged: `damage` is asked before the key is used.
            key=_key(root, official),
            damage=lambda: official.damage(root),
            read=lambda: official.read(root),
        )
    folder = root / name
    if layout != "official" and is_folder(folder):
        return _Source(
            key=source_key(root, "folder", entries(folder)),
            damage=lambda: None,
            read=lambda: list_folder(folder, spec.num_classes, spec.class_names).read(spec.shape),
        )
    return None


def _key(root: Path, official: OfficialFormat) -> str:
    """Return the cache key of the official files; a name that no cache has if they are damaged."""
    try:
        return source_key(root, "official", official.files(root))
    except UserError:
        return "damaged"


def _lock(root: Path, name: str, download: bool) -> contextlib.AbstractContextManager[object]:
    """Return a lock that keeps two processes from preparing the same files at one time.

    A root that cannot be written to needs none: nothing is prepared in it.
    """
    folder = root / ".cache"
    try:
        if download or root.is_dir():
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f"{name}.lock"
            probe.touch()
            return FileLock(probe)
    except OSError:
        pass
    return contextlib.nullcontext()


def _provide(name: str, official: OfficialFormat, root: Path, download: bool) -> None:
    """Put the official files in place, from archives that are there or from their addresses."""
    archives = official.archives()
    if download:
        for archive in archives:
            download_archive(archive, root)
    elif not all(archive.packed and archive.is_present(root) for archive in archives):
        raise _missing(name, official, root)
    for archive in archives:
        unpack(archive, root)


def _missing(name: str, official: OfficialFormat | None, root: Path) -> UserError:
    """Say what to put where."""
    folder = f"images at {root / name}/{{train,test}}/<class>/<id>.png (or .jpg)"
    if official is None:
        return UserError(f"{name}: not found; put {folder}")
    missing = official.missing(root)
    files = f"{root / missing[0]}" if missing else str(root)
    more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
    archives = [archive.path for archive in official.archives()]
    archive = f" (or the archive {root / archives[0]})" if len(archives) == 1 else ""
    return UserError(
        f"{name}: not found; put the official files at {files}{more}{archive}, or {folder}, or "
        f"allow the download with --download (from {official.archives()[0].urls[0]})"
    )
