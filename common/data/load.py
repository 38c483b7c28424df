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
from common.data.folder import FileList, entries, is_folder, list_folder
from common.data.official import FileFormat, OfficialFormat
from common.data.partition import SEED, halves
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
    stream: bool = False,
) -> Dataset:
    """Load a data set as uint8 tensors on the CPU, or as files that batches are decoded from.

    Args:
        name: a name of :data:`common.data.registry.DATASETS`. ``cifar10_a`` and ``cifar10_b`` are
            alternate halves of the training images of every class, with the whole test set;
            ``tiny_imagenet_half`` validates on 25 of the 50 official validation images of every
            class and tests on the others, the same in every run. ``imagenet`` stays in its files.
        root: the folder of all data sets. It may hold the official files as torchvision keeps
            them, or ``<name>/{train,test}/<class>/<id>.png`` (or jpg); official archives are
            unpacked. Decoded images are kept in ``<root>/.cache`` where that can be written.
        download: fetch what is missing or damaged.
        layout: read only the ``official`` files or only the ``folder``; ``auto`` prefers the
            former. The fingerprint says which was read.
        stream: leave the images in their files; only for data sets whose storage is ``either``.
            The pixels are those of the same data set in memory.

    Returns:
        The data set. Fewer images than the complete set has are no error:
        ``fingerprint["complete"]`` is then False, and ``fingerprint["note"]`` says what is missing.

    Raises:
        UserError: for an unknown name, files that are missing, damaged or of the wrong shape,
            downloads that fail, and data sets that cannot be streamed; the message says what to
            put where.
    """
    if name not in DATASETS:
        raise unknown_name("data.name", name, DATASETS)
    if layout not in ("auto", "official", "folder"):
        raise unknown_name("data.layout", layout, ("auto", "official", "folder"))
    spec = DATASETS[name]
    if stream and spec.storage == "memory":
        able = [known for known, one in DATASETS.items() if one.storage != "memory"]
        raise UserError(
            f"data.stream: {name} is kept in memory (streamed can be: {', '.join(sorted(able))})"
        )
    if spec.half is not None:
        whole, which = spec.half
        return _half(name, load_dataset(whole, root, download=download, layout=layout), which)
    if spec.halved_test is not None:
        whole = spec.halved_test
        return _halved_test(name, load_dataset(whole, root, download=download, layout=layout))
    if spec.embedded is not None:
        train, validation, test = spec.embedded()
        sha256 = content_hash(train, validation, test)
        return _dataset(name, spec, Decoded(train, test, "embedded"), sha256, validation)
    folder = Path(root).expanduser().resolve()
    if stream or spec.storage == "files":
        decoded, sha256 = _streamed(name, spec, folder, download, layout)
    else:
        decoded, sha256 = _from_files(name, spec, folder, download, layout)
    return _dataset(name, spec, decoded, sha256, decoded.validation)


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
    return _renamed(name, whole.with_splits(train=train), whole.fingerprint["source"])


def _halved_test(name: str, whole: Dataset) -> Dataset:
    """Return a data set whose test images are half of the whole one's, the others held out."""
    validation, test = (whole.test.select(indices) for indices in halves(whole.test.labels))
    source = f"{whole.fingerprint['source']}, test images halved with seed {SEED}"
    return _renamed(name, whole.with_splits(validation=validation, test=test), source)


def _renamed(name: str, part: Dataset, source: str) -> Dataset:
    """Return a part of a data set as one in its own right."""
    sha256 = content_hash(part.train, part.validation, part.test)
    fingerprint = part.fingerprint | {"name": name, "sha256": sha256, "source": source}
    return replace(part, name=name, fingerprint=fingerprint)


@dataclass(frozen=True)
class _Source:
    """Files that a data set can be read from; ``listing`` is None where they hold many images."""

    key: Callable[[], str]
    damage: Callable[[], str | None]
    read: Callable[[], Decoded]
    listing: Callable[[], FileList] | None


def _streamed(name: str, spec: DatasetSpec, root: Path, download: bool, layout: Layout) -> Cached:
    """Return the splits of images that stay in their files."""
    with _lock(root, name, download):
        source = _available(name, spec, root, download, layout)
    if source.listing is None:
        raise UserError(f"data.stream: {name} has no image files to stream")
    decoded, sha256 = source.listing().stream(spec.frame)
    check_decoded(decoded, name, spec.num_classes, spec.shape)
    return decoded, sha256


def _from_files(name: str, spec: DatasetSpec, root: Path, download: bool, layout: Layout) -> Cached:
    """Return the decoded files, from the cache where it has them."""
    source = _locate(name, spec, root, layout)
    cached = source and load_cached(cache_path(root, name, source.key()))
    if cached:
        return cached
    with _lock(root, name, download):
        source = _available(name, spec, root, download, layout)
        path = cache_path(root, name, source.key())
        cached = load_cached(path)
        if cached:
            return cached
        decoded = source.read()
        check_decoded(decoded, name, spec.num_classes, spec.shape)
        return store(path, decoded)


def _available(name: str, spec: DatasetSpec, root: Path, download: bool, layout: Layout) -> _Source:
    """Return sound files to read, unpacked or fetched if need be."""
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
    return source


def _locate(name: str, spec: DatasetSpec, root: Path, layout: Layout) -> _Source | None:
    """Return the files to read: the official ones if they are all there, else the folder."""
    official, frame = spec.official, spec.frame
    # Where images are resized, another size is another content of the cache.
    resized = "" if frame.fit == "exact" else f" {frame}"
    if layout != "folder" and official is not None and not official.missing(root):
        return _Source(
            # Files that cannot be listed are damaged: `damage` is asked before the key is used.
            key=lambda: _key(root, official, f"official{resized}"),
            damage=lambda: official.damage(root),
            read=lambda: official.read(root),
            listing=(lambda: official.listing(root)) if isinstance(official, FileFormat) else None,
        )
    folder = root / name
    if layout != "official" and spec.storage != "files" and is_folder(folder):

        def listing() -> FileList:
            return list_folder(folder, spec.num_classes, spec.class_names, spec.ignored)

        return _Source(
            key=lambda: source_key(root, f"folder{resized}", entries(folder)),
            damage=lambda: None,
            read=lambda: listing().read(frame),
            listing=listing,
        )
    return None


def _key(root: Path, official: OfficialFormat, source: str) -> str:
    """Return the cache key of the official files; a name that no cache has if they are damaged."""
    try:
        return source_key(root, source, official.files(root))
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
    if not archives:
        raise _missing(name, official, root)
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
    archives = official.archives()
    if not archives:
        return UserError(f"{name}: not found; put {official.wanted(root)}")
    return UserError(
        f"{name}: not found; put {official.wanted(root)}, or {folder}, or "
        f"allow the download with --download (from {archives[0].urls[0]})"
    )
