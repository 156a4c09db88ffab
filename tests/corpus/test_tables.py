"""labels.csv: encodings, separators, numbers in another unit."""

from __future__ import annotations

from pathlib import Path

import pytest

from .corpus import SOUND, Kind, Kinds, check

kind = Kinds()
HEADER = "image,label,xmin,ymin,xmax,ymax"


def table(root: Path, *lines: str, encoding: str = "utf-8", end: str = "\n") -> None:
    (root / "labels.csv").write_bytes(end.join([*lines, ""]).encode(encoding))


@kind(*SOUND)
def a_spreadsheet_s_file(root: Path) -> None:
    table(root, HEADER, "p0.png,cat,1,1,9,9", "p1,dog,,,,", encoding="utf-8-sig", end="\r\n")


@kind(*SOUND)
def quotes_and_commas(root: Path) -> None:
    table(root, "image,label", '"p0.png","cat, small"', 'p1.png,"the ""dog"""')


@kind(*SOUND)
def a_header_alone(root: Path) -> None:
    table(root, HEADER)


@kind(*SOUND)
def empty_lines(root: Path) -> None:
    table(root, "image,label", "", "p0.png,cat", "", "")


@kind("labels.csv line 1", "semicolons")
def semicolons(root: Path) -> None:
    table(root, "image;label", "p0.png;cat")


@kind("labels.csv line 1", "tabs")
def tabs(root: Path) -> None:
    table(root, "image\tlabel", "p0.png\tcat")


@kind("labels.csv", "UTF-8")
def utf_16(root: Path) -> None:
    table(root, "image,label", "p0.png,cat", encoding="utf-16")


@kind("labels.csv", "UTF-8")
def latin_1(root: Path) -> None:
    table(root, "image,label", "p0.png,Kätzchen", encoding="latin-1")


@kind("labels.csv", "UTF-8")
def a_workbook(root: Path) -> None:
    (root / "labels.csv").write_bytes(b"PK\x03\x04\x14\x00\x06\x00\x08\x00\xff\xfe")


@kind("labels.csv line 1", "no column image")
def an_empty_table(root: Path) -> None:
    (root / "labels.csv").write_bytes(b"")


@kind("labels.csv line 1", "unknown column 'filename'")
def another_name_of_a_column(root: Path) -> None:
    table(root, "filename,label", "p0.png,cat")


@kind("labels.csv line 1", "no column xmax")
def half_a_box(root: Path) -> None:
    table(root, "image,xmin,ymin", "p0.png,1,1")


@kind("labels.csv line 1", "twice")
def a_column_twice(root: Path) -> None:
    table(root, "image,label,label", "p0.png,cat,dog")


@kind("labels.csv line 2", "no image 'p9.png'")
def an_image_that_is_not_there(root: Path) -> None:
    table(root, "image,label", "p9.png,cat")


@kind("labels.csv line 3", "has a row already, in line 2")
def an_image_twice(root: Path) -> None:
    table(root, "image,label", "p0.png,cat", "p0,dog")


@kind("labels.csv line 2", "1 cells, but the header has 2")
def a_short_row(root: Path) -> None:
    table(root, "image,label", "p0.png")


@kind("labels.csv line 2", "xmin < xmax")
def a_box_of_width_and_height(root: Path) -> None:
    table(root, HEADER, "p0.png,cat,12,10,6,5")


@kind("labels.csv line 2", "outside of its image")
def a_box_of_another_photo(root: Path) -> None:
    table(root, HEADER, "p0.png,cat,10,10,500,400")


@kind("labels.csv", "shares of the photo")
def boxes_in_shares(root: Path) -> None:
    table(root, HEADER, "p0.png,cat,0.1,0.2,0.5,0.75", "p1.png,dog,0,0,1,1")


@kind("labels.csv line 2", "not a finite number")
def a_box_that_is_no_number(root: Path) -> None:
    table(root, HEADER, "p0.png,cat,nan,1,9,9")


@kind("labels.csv line 2", "xmin '1,5' is not a number")
def commas_in_numbers(root: Path) -> None:
    table(root, HEADER, 'p0.png,cat,"1,5",1,9,9')


@kind("labels.csv line 2", "xmax is empty")
def three_numbers(root: Path) -> None:
    table(root, HEADER, "p0.png,cat,1,1,,9")


@kind("labels.csv line 2", "'training'", "train, val, test")
def another_name_of_a_part(root: Path) -> None:
    rows = [f"p{number}.png,{'training' if number == 0 else 'train'}" for number in range(5)]
    table(root, "image,split", *rows)


@kind("no sound row for 1 of 5 images", "p4.png")
def a_photo_without_a_part(root: Path) -> None:
    table(root, "image,split", *(f"p{number}.png,train" for number in range(4)))


@pytest.mark.parametrize("case", kind.all, ids=lambda case: case.name)
def test_tables(case: Kind, tmp_path: Path) -> None:
    check(case, tmp_path / "photos")
