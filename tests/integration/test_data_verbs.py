"""``auxseg data check`` and ``auxseg data prepare`` on fabricated folders."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from . import photos
from .command import auxseg


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ten photos with masks, classes, boxes and parts."""
    folder = photos.folder(tmp_path / "photos", count=10)
    photos.table(folder, (photos.row(n, part=photos.part_of(n, 10)) for n in range(10)))
    return folder


def test_check_counts_a_sound_folder(root: Path) -> None:
    outcome = auxseg("data", "check", root).succeeded()
    lines = outcome.out.splitlines()
    assert {"images: 10", "readable: 10", "with mask: 10", "with class: 10", "with box: 10"} <= set(
        lines
    )
    assert {"images in train: 6", "images in val: 2", "images in test: 2"} <= set(lines)
    assert {"images of cat: 5", "images of dog: 5"} <= set(lines)
    assert lines[-2] == "no problems"
    assert lines[-1].startswith("next: auxseg fit ")
    assert outcome.err == ""


def test_check_names_every_problem(root: Path) -> None:
    photos.truncate(root / "images" / "01.jpg")
    photos.write(root / "masks" / "02.png", photos.mask(2, 20, 20))
    photos.write(root / "masks" / "stranger.png", photos.mask(3))
    rows = [photos.row(n, part=photos.part_of(n, 10)) for n in range(10)]
    rows[4] = "04.jpg,cat,30,10,6,30,train"
    rows[5] = "05.jpg,dog,6,10,260,30,train"
    photos.table(root, rows)
    outcome = auxseg("data", "check", root)
    assert outcome.status == 1
    problems = [line for line in outcome.out.splitlines() if line.startswith("problem: ")]
    for words in (
        ("01.jpg", "truncated"),
        ("02.png", "20 × 20", "48 × 40"),
        ("stranger.png", "no image"),
        ("labels.csv line 6", "xmin < xmax"),
        ("labels.csv line 7", "outside"),
    ):
        assert any(all(word in problem for word in words) for problem in problems), words
    assert outcome.out.splitlines()[-1] == f"{len(problems)} problems"


def test_check_writes_a_page(root: Path, tmp_path: Path) -> None:
    """Beside what it prints, problems or not; a folder that is in the way is one line."""
    page = tmp_path / "new" / "page.html"
    outcome = auxseg("data", "check", root, "--html", page).succeeded()
    assert f"written: {page}" in outcome.out
    assert "<h2" in page.read_text(encoding="utf-8")
    auxseg("data", "check", root, "--html", tmp_path).failed(1, str(tmp_path))


def test_check_says_that_masks_are_missing(root: Path) -> None:
    (root / "masks" / "03.png").unlink()
    out = auxseg("data", "check", root).succeeded().out
    assert "with mask: 9" in out
    assert "note: 1 of 10 images have no mask (first: 03.jpg)" in out


def test_check_takes_an_ignored_value(root: Path) -> None:
    (root / "classes.txt").write_text("background\ndisc\n")
    mask = photos.mask(0)
    mask[0, 0] = 9
    photos.write(root / "masks" / "00.png", mask)
    outcome = auxseg("data", "check", root)
    assert outcome.status == 1
    assert "mask value 9" in outcome.out
    out = auxseg("data", "check", root, "--ignore-index", "9").succeeded().out
    assert "pixels not labelled" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--data", "mnist"), ("'mnist'", "folder")),
        (("--ignore-index", "300"), ("ignore_index", "300", "255")),
        (("--verbose",), ("'verbose'",)),
    ],
)
def test_check_refuses_options(
    options: tuple[str, ...], words: tuple[str, ...], root: Path
) -> None:
    auxseg("data", "check", root, *options).failed(2, *words)


def test_check_refuses_an_unknown_data_option(root: Path) -> None:
    line = ("data", "check", root, "--data.options", "{border: pet}")
    auxseg(*line).failed(2, "border", "palette")


def test_check_without_a_folder(tmp_path: Path) -> None:
    auxseg("data", "check", tmp_path / "nowhere").failed(1, str(tmp_path / "nowhere"))


def test_check_of_an_unknown_layout(tmp_path: Path) -> None:
    auxseg("data", "check", tmp_path).failed(1, str(tmp_path), "oxford-pet", "folder")


def test_prepare_fills_the_cache_once(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    line = ("data", "prepare", "--data", "folder", "--root", root, "--image-size", "24")
    outcome = auxseg(*line).succeeded()
    assert "10 images at 24×24 (train 6, val 2, test 2)" in outcome.out
    arrays = sorted((tmp_path / "cache").rglob("*.npy"))
    assert {"images.npy", "masks.npy"} <= {path.name for path in arrays}
    written = [path.stat().st_mtime_ns for path in arrays]
    auxseg(*line).succeeded()
    assert [path.stat().st_mtime_ns for path in arrays] == written


def test_prepare_names_an_unreadable_image(root: Path) -> None:
    photos.truncate(root / "images" / "01.jpg")
    line = ("data", "prepare", "--data", "folder", "--root", root, "--image-size", "24")
    outcome = auxseg(*line).succeeded()
    assert "(train 5, val 2, test 2)" in outcome.out
    assert str(root / "images" / "01.jpg") in outcome.out


@pytest.mark.parametrize(
    ("line", "status", "words"),
    [
        (("data", "prepare", "--data", "folder"), 2, ("folder", "--root")),
        (("data", "prepare", "--data", "folder", "--root", "nowhere"), 1, ("nowhere",)),
        (("data", "prepare", "--data", "mnist"), 2, ("'mnist'", "oxford-pet")),
        (("data", "prepare", "--epochs", "3"), 2, ("'epochs'", "data prepare --help")),
        (("data", "prepare", "--training.lr", "1e-3"), 2, ("'training.lr'",)),
        (("data", "prepare", "--weights", "none"), 2, ("'weights'",)),
        (("data", "prepare", "--labels", "3"), 2, ("'labels'",)),
        (("data", "prepare", "--ignore-index", "256"), 2, ("data.ignore_index", "255")),
        (("data", "tidy"), 2, ("'tidy'", "check", "prepare")),
        (("data",), 2, ("check", "prepare")),
    ],
)
def test_wrong_usage(line: tuple[str, ...], status: int, words: tuple[str, ...]) -> None:
    auxseg(*line).failed(status, *words)


def test_caches_are_listed_and_pruned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    auxseg("data", "prepare", "--data", "shapes", "--image-size", "32").succeeded()
    assert "shapes: " in auxseg("data", "cache").succeeded().out
    assert "0 caches" in auxseg("data", "cache", "--prune").succeeded().out
    outcome = auxseg("data", "cache", "--prune", "--older-than", "0").succeeded()
    assert "removed" in outcome.out
    assert auxseg("data", "cache").succeeded().out.startswith("0 caches")
    written = tmp_path / "cache" / "torch" / "0123" / "images" / "a.png"
    written.parent.mkdir(parents=True)
    written.write_bytes(bytes(3_000_000))
    for line in ((), ("--prune", "--older-than", "0")):
        said = auxseg("data", "cache", *line).succeeded().out.splitlines()[-1]
        assert said.startswith(
            f"datasets of PyTorch as folders: 1, 3 MB in {tmp_path / 'cache' / 'torch'}"
        )
    assert written.is_file()
    auxseg("data", "cache", "--older-than", "0").failed(2, "--prune")


def test_the_next_command_has_what_the_check_was_told(tmp_path: Path) -> None:
    root = photos.folder(tmp_path / "my photos", count=12)
    line = ("--split", "grouped", "--data.split_seed", "3", "--ignore-index", "9")
    said = auxseg("data", "check", root, "--data", "folder", *line).succeeded().out
    words = shlex.split(said.splitlines()[-1])
    assert words[:4] == ["next:", "auxseg", "fit", str(root)]
    assert words[4:12] == [
        *("--data", "folder", "--split", "grouped", "--data.split_seed", "3", "--ignore-index", "9")
    ]
