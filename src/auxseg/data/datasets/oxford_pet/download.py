"""The two official archives of Oxford-IIIT Pet → one folder in the official layout."""

from __future__ import annotations

import os
import shutil
import tarfile
import tempfile
from pathlib import Path

from auxseg.data.download import download
from auxseg.data.stored import cache_root
from auxseg.errors import DataError

BASE_URL = "https://thor.robots.ox.ac.uk/pets"

#: The folder that an archive unpacks to → the hash of ``FOLDER.tar.gz``.
ARCHIVES = {
    "images": "md5:5c4f3ee8e5d25df40f4fd59a7f44e54c",
    "annotations": "md5:95a8c909bbe2e81eed6a22bccdf3f68f",
}


def default_root() -> Path:
    """Where a downloaded data set lies: in ``$AUXSEG_CACHE``, else the user's cache folder."""
    return cache_root() / "oxford-iiit-pet"


def download_oxford_pet(
    root: Path, base_url: str = BASE_URL, archives: dict[str, str] | None = None
) -> Path:
    """Downloads and unpacks what ``root`` lacks; does nothing where all is there.

    A folder appears under its name only when its whole archive is unpacked, so an interrupted
    call leaves nothing that looks complete. Archives are removed once unpacked.

    Args:
        archives: folder → hash; None for the official :data:`ARCHIVES`.

    Raises:
        DataError: the download failed, or an archive cannot be unpacked; one line.
    """
    for folder, known_hash in (archives or ARCHIVES).items():
        if not (root / folder).exists():
            archive = root / f"{folder}.tar.gz"
            download(f"{base_url}/{archive.name}", archive, known_hash)
            _unpack(archive, folder)
            archive.unlink(missing_ok=True)
    return root


def _unpack(archive: Path, folder: str) -> None:
    target = archive.parent / folder
    with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=archive.parent) as scratch:
        try:
            with tarfile.open(archive) as tar:
                tar.extractall(scratch, filter="data")
        except (tarfile.TarError, EOFError, OSError) as error:
            raise DataError(f"{archive}: cannot be unpacked ({error})") from error
        unpacked = Path(scratch) / folder
        if not unpacked.is_dir():
            raise DataError(f"{archive}: holds no folder {folder}/")
        try:
            os.replace(unpacked, target)
        except OSError:
            if not target.is_dir():
                raise
            # Another process was quicker: its folder is as whole as ours.
            shutil.rmtree(unpacked)
