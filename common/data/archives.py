"""Official archives: downloaded, checked against their checksum, unpacked whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import shutil
import tempfile
import warnings
from dataclasses import dataclass
from pathlib import Path

from common.data.files import one_line
from common.errors import UserError


@dataclass(frozen=True)
class Archive:
    """One file of the official distribution.

    Attributes:
        urls: where it can be had; the first that answers is taken.
        path: where it lies, relative to the data root.
        md5: its checksum.
        packed: whether it has to be unpacked (into its own folder) or is the data itself.
        inner: an archive in the archive that holds the data; what lies beside it is dropped.
    """

    urls: tuple[str, ...]
    path: str
    md5: str
    packed: bool = True
    inner: str | None = None

    def is_present(self, root: Path) -> bool:
        """Tell whether the file is there, whole or not."""
        return (root / self.path).is_file()

    def is_sound(self, root: Path) -> bool:
        """Tell whether the file is there and has the right checksum."""
        return has_md5(root / self.path, self.md5)


def has_md5(path: Path, md5: str) -> bool:
    """Tell whether a file is there and has the checksum."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, _md5).hexdigest() == md5


def _md5() -> hashlib._Hash:
    return hashlib.md5(usedforsecurity=False)


def download(archive: Archive, root: Path) -> None:
    """Download an archive unless a sound one is there.

    Raises:
        UserError: where no address answers, or what comes has another checksum.
    """
    from torchvision.datasets.utils import download_url  # noqa: PLC0415

    if archive.is_sound(root):
        return
    target = root / archive.path
    reason = ""
    for url in archive.urls:
        try:
            download_url(url, str(target.parent), target.name, archive.md5)
            return
        except (OSError, http.client.HTTPException) as error:
            reason = one_line(error)
        except RuntimeError as error:
            reason = one_line(error)
            if target.is_file():
                raise UserError(
                    f"{target}: downloaded from {url}, but its MD5 is not {archive.md5}; the "
                    "download was cut short or the file has changed, try again"
                ) from error
    raise UserError(
        f"{target}: cannot be downloaded from {' or '.join(archive.urls)} ({reason}); without a "
        "network, put the file there by hand"
    )


def unpack(archive: Archive, root: Path) -> None:
    """Unpack an archive that is there; what it replaces is replaced whole.

    Raises:
        UserError: where its checksum is wrong or it cannot be unpacked.
    """
    from torchvision.datasets.utils import extract_archive  # noqa: PLC0415

    path = root / archive.path
    if not archive.is_sound(root):
        raise UserError(
            f"{path}: MD5 is not {archive.md5}, the archive is truncated or damaged; delete it, "
            "and get it again or allow the download (--download)"
        )
    if not archive.packed:
        return
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".unpack-") as temporary:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # of tarfile, Python 3.12
                extract_archive(str(path), temporary)
                unpacked = Path(temporary)
                if archive.inner is not None:
                    unpacked /= ".inner"
                    extract_archive(str(Path(temporary) / archive.inner), str(unpacked))
            for entry in unpacked.iterdir():
                target = path.parent / entry.name
                if target.is_dir():
                    shutil.rmtree(target)
                entry.replace(target)
    except OSError as error:
        raise UserError(f"{path}: cannot be unpacked ({one_line(error)})") from error
