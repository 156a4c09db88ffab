"""Splits kept by name: new images train, those that are gone are passed over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from auxseg.data.base import Dataset, Split
from auxseg.data.kept import (
    UNUSED,
    KeptSplit,
    NamedSplit,
    is_split_file,
    named_split,
    read_split,
)
from auxseg.errors import DataError
from auxseg.types import Sample

FILE = Path("runs/a/split.csv")


class Named(Dataset):
    """Images of which there are names only; one of three is in no part."""

    NAME = "named"
    SPLITS = ("own",)
    mask_classes = label_classes = ()

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names

    def __len__(self) -> int:
        return len(self.names)

    def name(self, index: int) -> str:
        return self.names[index]

    def sources(self, index: int) -> tuple[Path, ...]:
        return ()

    def read(self, index: int, size: int | None = None) -> Sample:
        raise NotImplementedError

    def split(self) -> Split:
        """Not in the order of the numbers."""
        return Split(train=(2, 0), val=(1,), test=(4,))


def names_of(data: Dataset, named: NamedSplit) -> dict[str, list[str]]:
    parts = {part: getattr(named.split, part) for part in ("train", "val", "test")}
    return {part: [data.name(index) for index in numbers] for part, numbers in parts.items()}


# -- from a data set to names and back ---------------------------------------------------------


def test_every_image_has_a_part() -> None:
    named = named_split(Named("abcde"))
    assert dict(named.parts) == {"a": "train", "b": "val", "c": "train", "d": UNUSED, "e": "test"}
    assert named.notes == ()


def test_a_kept_split_is_the_one_that_was_drawn() -> None:
    """Also in its order, on which the order of training rests."""
    data = Named("abcde")
    drawn = named_split(data)
    kept = named_split(data, KeptSplit(FILE, dict(reversed(drawn.parts.items()))))
    assert kept.split == drawn.split == Split(train=(0, 2), val=(1,), test=(4,))
    assert kept.parts == drawn.parts
    assert kept.notes == ()


def test_new_images_train_and_move_no_other() -> None:
    before = named_split(Named("bdfhj"))
    data = Named("abcdefghij")
    named = named_split(data, KeptSplit(FILE, before.parts))
    assert names_of(data, named) == {
        "train": ["a", "b", "c", "e", "f", "g", "i"],
        "val": ["d"],
        "test": ["j"],
    }
    (note,) = named.notes
    assert note == f"{FILE}: 5 of 10 images are not in it and put into train (first: a)"


def test_images_that_are_gone_are_passed_over_and_keep_their_part() -> None:
    """The second comes back, and is a validation image again."""
    before = named_split(Named("abcde"))
    data = Named("acde")
    without = named_split(data, KeptSplit(FILE, before.parts))
    assert names_of(data, without) == {"train": ["a", "c"], "val": [], "test": ["e"]}
    assert without.notes == (f"{FILE}: 1 of its 5 images are gone and passed over (first: b)",)
    again = named_split(Named("abcde"), KeptSplit(FILE, without.parts))
    assert again.split == before.split


def test_the_split_of_other_data_is_refused() -> None:
    with pytest.raises(
        DataError, match=r"split\.csv: .* named has none of its 2 images .*first: x"
    ):
        named_split(Named("abc"), KeptSplit(FILE, {"x": "train", "y": "test"}))


def test_two_images_of_one_name_are_refused() -> None:
    for kept in (None, KeptSplit(FILE, {"a": "train"})):
        with pytest.raises(DataError, match="named: two images are called b"):
            named_split(Named("abbc"), kept)


def test_what_is_said_of_a_draw_is_not_said_of_a_kept_split() -> None:
    class Few(Named):
        def split(self) -> Split:
            return Split(train=(0, 2), val=(1,), test=(), notes=("few masks",))

    drawn = named_split(Few("abc"))
    assert drawn.notes == ("few masks",)
    assert named_split(Few("abc"), KeptSplit(FILE, drawn.parts)).notes == ()


# -- files -------------------------------------------------------------------------------------


def write(folder: Path, content: bytes) -> Path:
    path = folder / "split.csv"
    path.write_bytes(content)
    return path


def test_what_a_spreadsheet_or_a_person_writes_is_read(tmp_path: Path) -> None:
    text = '\ufeffimage,part\r\na.jpg,train\r\n\r\n"b, old.jpg", test\r\n c.jpg,unused\r\n'
    kept = read_split(write(tmp_path, text.encode()))
    assert kept.parts == {"a.jpg": "train", "b, old.jpg": "test", " c.jpg": UNUSED}
    assert kept.file == tmp_path / "split.csv"


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    """A file name on Linux may hold any byte."""
    kept = read_split(write(tmp_path, b"image,part\ncaf\xe9.jpg,val\n"))
    assert kept.parts == {b"caf\xe9.jpg".decode("utf-8", "surrogateescape"): "val"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ("line 1", "image,part")),
        (b"image\na.jpg\n", ("line 1", "image,part")),
        (b"a.jpg,train\n", ("line 1", "image,part")),
        (b"image,part\n", ("no image",)),
        (b"image,part\na.jpg,train\nb.jpg\n", ("line 3", "1 cells", "image,part")),
        (b"image,part\na.jpg,train,1\n", ("line 2", "3 cells")),
        (b"image,part\na.jpg,tset\n", ("line 2", "'tset'", "train, val, test, unused")),
        (b"image,part\na.jpg,\n", ("line 2", "''", "train, val, test, unused")),
        (b"image,part\n,train\n", ("line 2", "name")),
        (b"image,part\na.jpg,train\na.jpg,test\n", ("line 3", "a.jpg", "already")),
        (b'image,part\n"a.jpg,train\n', ("line 2", "train, val, test, unused")),
        (None, ("cannot be read", "No such file", "image,part")),
    ],
)
def test_a_malformed_file_is_one_line(
    content: bytes | None, words: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "split.csv" if content is None else write(tmp_path, content)
    with pytest.raises(DataError) as caught:
        read_split(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    assert all(word in message for word in words), message


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_split(tmp_path)


@pytest.mark.parametrize(
    ("split", "expected"),
    [(None, False), ("official", False), ("csv", False), ("runs/a/split.csv", True)],
)
def test_files_are_told_by_their_ending(split: str | None, expected: bool) -> None:
    assert is_split_file(split) == expected
