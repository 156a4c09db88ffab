"""Oxford-IIIT Pet: labels as the files have them, the splits as the paper and the authors cut."""

from __future__ import annotations

import hashlib
import http.server
import tarfile
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from auxseg.data.datasets.oxford_pet.dataset import OxfordPet
from auxseg.data.datasets.oxford_pet.download import default_root, download_oxford_pet
from auxseg.data.problems import DataProblemsError
from auxseg.errors import DataError, UnreadableImageError, UsageError
from auxseg.types import IGNORE_INDEX

#: Name, class id, species on disk.
ANIMALS = [
    *((f"Bengal_{n}", 6, 1) for n in range(1, 11)),
    *((f"Abyssinian_{n}", 1, 1) for n in range(1, 11)),
    *((f"pug_{n}", 2, 2) for n in range(1, 11)),
]


def write_xml(path: Path, box: tuple[float, ...]) -> None:
    tags = zip(("xmin", "ymin", "xmax", "ymax"), box, strict=True)
    inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in tags)
    path.write_text(f"<annotation><object><bndbox>{inner}</bndbox></object></annotation>")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """30 animals in the official layout; those with an even number have a box."""
    root = tmp_path / "pets"
    for folder in ("images", "annotations/trimaps", "annotations/xmls"):
        (root / folder).mkdir(parents=True)
    trimap = np.array([[1, 2, 3, 2]] * 2, dtype=np.uint8)
    for number, (name, _, _) in enumerate(ANIMALS):
        pixels = np.full((2, 4, 3), number, dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{name}.jpg", quality=95)
        Image.fromarray(trimap).save(root / "annotations" / "trimaps" / f"{name}.png")
        if int(name.split("_")[1]) % 2 == 0:
            write_xml(root / "annotations" / "xmls" / f"{name}.xml", (1, 0, 3, 2))
    rows = [f"{name} {breed} {species} 1" for name, breed, species in ANIMALS]
    write_lists(root, ["#a comment", *rows], rows[::2], rows[1::2])
    return root


def write_lists(root: Path, everything: list[str], trainval: list[str], test: list[str]) -> None:
    lists = {"list": everything, "trainval": trainval, "test": test}
    for name, rows in lists.items():
        (root / "annotations" / f"{name}.txt").write_text("\n".join(rows) + "\n")


def index_of(data: OxfordPet, name: str) -> int:
    return [data.name(index) for index in range(len(data))].index(f"{name}.jpg")


def box_of(data: OxfordPet, name: str) -> np.ndarray:
    box = data.read(index_of(data, name)).box
    assert box is not None
    return box


def test_labels_of_one_image(root: Path) -> None:
    data = OxfordPet(root)
    assert len(data) == 30
    assert data.mask_classes == ("background", "pet")
    assert data.label_classes == ("cat", "dog")
    sample = data.read(index_of(data, "pug_2"))
    assert sample.label == 1
    assert sample.mask is not None
    np.testing.assert_array_equal(sample.mask, [[1, 0, 1, 0]] * 2)
    np.testing.assert_allclose(box_of(data, "pug_2"), [0.25, 0, 0.75, 1])
    assert data.read(index_of(data, "pug_1")).box is None
    assert data.read(index_of(data, "Bengal_1")).label == 0


@pytest.mark.parametrize(("border", "value"), [("background", 0), ("ignore", IGNORE_INDEX)])
def test_border_counts_as_asked(root: Path, border: str, value: int) -> None:
    data = OxfordPet(root, border=border)
    mask = data.read(0).mask
    assert mask is not None
    np.testing.assert_array_equal(mask, [[1, 0, value, 0]] * 2)
    assert data.options_key() != OxfordPet(root).options_key()


def test_breeds_are_numbered_by_class_id(root: Path) -> None:
    data = OxfordPet(root, classes="breed")
    assert data.label_classes == ("Abyssinian", "pug", "Bengal")
    labels = {data.name(i).split("_")[0]: data.read(i).label for i in range(len(data))}
    assert labels == {"Abyssinian": 0, "pug": 1, "Bengal": 2}


def test_size_stretches(root: Path) -> None:
    sample = OxfordPet(root).read(0, size=8)
    assert sample.image.shape == (8, 8, 3)
    assert sample.mask is not None
    assert sample.mask.shape == (8, 8)


def test_sources_are_the_files_that_are_there(root: Path) -> None:
    data = OxfordPet(root)
    names = [path.name for path in data.sources(index_of(data, "pug_1"))]
    assert names == ["pug_1.jpg", "pug_1.png", "list.txt"]


def test_paper_split_is_by_file_name_in_byte_order(root: Path) -> None:
    data = OxfordPet(root, "paper")
    parts = data.split()
    names = [[data.name(index) for index in part] for part in (parts.train, parts.val, parts.test)]
    assert [name for part in names for name in part] == [
        *(f"Abyssinian_{n}.jpg" for n in (10, 2, 4, 6, 8)),
        *(f"Bengal_{n}.jpg" for n in (10, 2, 4, 6, 8)),
        *(f"pug_{n}.jpg" for n in (10, 2, 4, 6, 8)),
    ]
    assert [len(part) for part in names] == [9, 3, 3]


def test_official_split_carves_validation_out_of_trainval(root: Path) -> None:
    data = OxfordPet(root)
    parts = data.split()
    official_test = {f"{name}.jpg" for name, _, _ in ANIMALS[1::2]}
    assert {data.name(index) for index in parts.test} == official_test
    assert (len(parts.train), len(parts.val)) == (12, 3)
    assert sorted(parts.train + parts.val + parts.test) == list(range(30))
    assert Counter(data.name(index).split("_")[0] for index in parts.val) == {
        "Abyssinian": 1,
        "Bengal": 1,
        "pug": 1,
    }
    assert OxfordPet(root, split_seed=1).split().test == parts.test
    assert OxfordPet(root, split_seed=1).split().val != parts.val


def test_stratified_split_has_every_breed_in_every_part(root: Path) -> None:
    data = OxfordPet(root, "stratified")
    parts = data.split()
    for part, count in ((parts.train, 6), (parts.val, 2), (parts.test, 2)):
        breeds = Counter(data.name(index).split("_")[0] for index in part)
        assert set(breeds.values()) == {count}
        assert len(breeds) == 3


def test_image_of_the_list_that_is_missing_is_left_out_with_a_note(root: Path) -> None:
    (root / "images" / "pug_3.jpg").unlink()
    data = OxfordPet(root)
    assert len(data) == 29
    assert data.notes == (
        "1 of 30 images of list.txt are not there and left out (first: pug_3.jpg)",
    )
    parts = data.split()
    assert sorted(parts.train + parts.val + parts.test) == list(range(29))


def test_no_image_of_the_list_is_an_error(root: Path) -> None:
    for path in (root / "images").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="images: holds none of the images"):
        OxfordPet(root)


@pytest.mark.parametrize(
    "part", ["annotations/list.txt", "annotations/test.txt", "annotations/trimaps"]
)
def test_missing_part_of_the_layout_is_named(root: Path, part: str) -> None:
    (root / part).rename(root / "elsewhere")
    with pytest.raises(DataError, match=rf"official layout .*, {part} missing$"):
        OxfordPet(root)


def test_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: no such folder"):
        OxfordPet(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "options",
    [{"split": "random"}, {"classes": "genus"}, {"border": "fence"}, {"split_seed": -1}],
)
def test_wrong_option_is_a_usage_error_that_names_it(root: Path, options: dict) -> None:
    ((option, value),) = options.items()
    with pytest.raises(UsageError, match=rf"{option}: .*{value}"):
        OxfordPet(root, **options)


@pytest.mark.parametrize("row", ["pug_1", "pug_1 x 2 1", "pug_1 38 2 1", "pug_1 2 3 1"])
def test_broken_rows_of_the_list_are_named_by_line(root: Path, row: str) -> None:
    file = root / "annotations" / "list.txt"
    file.write_text(file.read_text() + row + "\n" + "pug_2 2 2 1\n")
    with pytest.raises(DataProblemsError, match=r"list\.txt line 32: .*CLASS-ID") as caught:
        OxfordPet(root)
    assert len(caught.value.problems) == 2
    assert "line 33: pug_2 is listed a second time" in caught.value.problems[1]
    assert len(caught.value.partial) == 30


def test_train_image_in_the_test_list_is_refused(root: Path) -> None:
    file = root / "annotations" / "test.txt"
    file.write_text(file.read_text() + ANIMALS[0][0] + " 6 1 1\nnobody 1 1 1\n")
    with pytest.raises(DataProblemsError) as caught:
        OxfordPet(root)
    assert "test.txt line 17: 'nobody' is not in list.txt" in caught.value.problems[0]
    assert "Bengal_1 is in trainval.txt too" in caught.value.problems[1]


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ((3, 0, 1, 2), "xmin < xmax"),
        ((1, 0, 9, 2), r"outside of its image \(4 × 2"),
        ((-2, 0, 3, 2), "outside"),
        ((1, "nan", 3, 2), "finite"),
        ((1, "", 3, 2), "numbers xmin, ymin"),
    ],
)
def test_wrong_box_is_an_error_that_names_the_xml(root: Path, box: tuple, message: str) -> None:
    write_xml(root / "annotations" / "xmls" / "pug_2.xml", box)
    data = OxfordPet(root)
    with pytest.raises(DataError, match=rf"pug_2\.xml: .*{message}"):
        data.read(index_of(data, "pug_2"))


@pytest.mark.parametrize("text", ["", "<annotation>", "<annotation/>"])
def test_broken_xml_is_named(root: Path, text: str) -> None:
    (root / "annotations" / "xmls" / "pug_2.xml").write_text(text)
    data = OxfordPet(root)
    with pytest.raises(DataError, match=r"pug_2\.xml: "):
        data.read(index_of(data, "pug_2"))


@pytest.mark.parametrize(
    "inner",
    ['<!ENTITY a "0"><!ENTITY b "&a;&a;">', '<!ENTITY a SYSTEM "file:///etc/hostname">', ""],
)
def test_xml_with_definitions_is_refused(inner: str, root: Path) -> None:
    path = root / "annotations" / "xmls" / "pug_2.xml"
    path.write_text(f"<!DOCTYPE annotation [{inner}]>\n{path.read_text()}")
    data = OxfordPet(root)
    with pytest.raises(DataError, match=r"pug_2\.xml: holds XML that no annotation needs"):
        data.read(index_of(data, "pug_2"))


def test_box_one_pixel_outside_is_clipped(root: Path) -> None:
    write_xml(root / "annotations" / "xmls" / "pug_2.xml", (-1, 1, 5, 3))
    data = OxfordPet(root)
    np.testing.assert_allclose(box_of(data, "pug_2"), [0, 0.5, 1, 1])


def test_wrong_trimap_is_an_error_that_names_it(root: Path) -> None:
    path = root / "annotations" / "trimaps" / "pug_2.png"
    data = OxfordPet(root)
    Image.fromarray(np.full((2, 4), 4, dtype=np.uint8)).save(path)
    with pytest.raises(DataError, match=r"pug_2\.png: value 4; a trimap holds 1 pet"):
        data.read(index_of(data, "pug_2"))
    Image.fromarray(np.ones((3, 4), dtype=np.uint8)).save(path)
    with pytest.raises(DataError, match=r"pug_2\.png: 4 × 3 pixels, but its image has 4 × 2"):
        data.read(index_of(data, "pug_2"))


def test_broken_image_is_unreadable(root: Path) -> None:
    (root / "images" / "pug_2.jpg").write_bytes(b"")
    data = OxfordPet(root)
    with pytest.raises(UnreadableImageError, match=r"pug_2\.jpg: the file is empty"):
        data.read(index_of(data, "pug_2"))


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def archives(root: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """A local server with the two archives, and their hashes."""
    served = root.parent / "served"
    served.mkdir()
    hashes = {}
    for folder in ("images", "annotations"):
        archive = served / f"{folder}.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(root / folder, folder)
        hashes[folder] = "md5:" + hashlib.md5(archive.read_bytes()).hexdigest()
    handler = partial(QuietHandler, directory=served)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", hashes
        server.shutdown()
        thread.join()


def test_downloads_and_unpacks(tmp_path: Path, archives: tuple[str, dict[str, str]]) -> None:
    url, hashes = archives
    root = download_oxford_pet(tmp_path / "new", url, hashes)
    assert sorted(path.name for path in root.iterdir()) == ["annotations", "images"]
    assert len(OxfordPet(root)) == 30
    # Nothing is asked of the network again.
    assert download_oxford_pet(root, "http://127.0.0.1:9", hashes) == root


def test_interrupted_unpacking_is_not_taken_as_whole(
    tmp_path: Path, archives: tuple[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, hashes = archives
    extract = tarfile.TarFile.extractall

    def half(tar: tarfile.TarFile, path: str, **options: object) -> None:
        extract(tar, path, members=tar.getmembers()[:5], filter="data")
        raise OSError("No space left on device")

    monkeypatch.setattr(tarfile.TarFile, "extractall", half)
    new = tmp_path / "new"
    with pytest.raises(DataError, match=r"images\.tar\.gz: cannot be unpacked \(No space"):
        download_oxford_pet(new, url, hashes)
    assert [path.name for path in new.iterdir()] == ["images.tar.gz"]
    monkeypatch.setattr(tarfile.TarFile, "extractall", extract)
    assert len(OxfordPet(download_oxford_pet(new, url, hashes))) == 30


def test_wrong_archive_is_refused(tmp_path: Path, archives: tuple[str, dict[str, str]]) -> None:
    with pytest.raises(DataError, match=r"images\.tar\.gz: the file does not have the hash"):
        download_oxford_pet(tmp_path / "new", archives[0])
    assert list((tmp_path / "new").iterdir()) == []


def test_without_root_the_cache_folder_is_used(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    assert default_root() == tmp_path / "cache" / "oxford-iiit-pet"
    (tmp_path / "cache").mkdir()
    root.rename(default_root())
    assert len(OxfordPet()) == 30


def test_real_images(shared: Path) -> None:
    data = OxfordPet(shared / "data" / "oxford-iiit-pet", classes="breed")
    assert len(data) == 399
    assert data.label_classes == ("Abyssinian", "american_bulldog", "Bengal")
    samples = [data.read(index, 32) for index in range(0, 399, 7)]
    assert all(
        sample.mask is not None and set(np.unique(sample.mask)) <= {0, 1} for sample in samples
    )
    assert 0 < sum(sample.box is not None for sample in samples) < len(samples)


@pytest.mark.parametrize(
    ("split", "sizes"),
    [("official", (240, 60, 99)), ("paper", (177, 59, 60)), ("stratified", (239, 80, 80))],
)
def test_real_splits(shared: Path, split: str, sizes: tuple[int, int, int]) -> None:
    parts = OxfordPet(shared / "data" / "oxford-iiit-pet", split).split()
    assert (len(parts.train), len(parts.val), len(parts.test)) == sizes
    assert len({*parts.train, *parts.val, *parts.test}) == sum(sizes)
