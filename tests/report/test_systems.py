"""Which runs are one system, what it is called, and what the caption says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from auxseg.api import configure
from auxseg.errors import DataError
from auxseg.report.systems import caption, comparable, find_systems
from auxseg.runs.directory import RunDirectory
from auxseg.types import ClassNames

COUNTS = {"train": 20, "masks": 20, "unlabelled": 0, "val": 8, "test": 9}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    """Makes the folder of a finished run, without weights."""

    def make(
        preset: str, *, classes: tuple[str, ...] = ("a", "b"), counts: Any = COUNTS, **options: Any
    ) -> Path:
        path = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        config = configure(preset, **{"weights": "none", "epochs": 1, **options})
        config = replace(config, data=replace(config.data, image_size=32))
        directory = RunDirectory(path)
        directory.write_config(config, ClassNames(classes, ("cat", "dog")), "0", counts)
        directory.append_history({"epoch": 1, "seconds": 2.0})
        directory.write_metrics("val", {})
        return path

    return make


def names(*runs: Path) -> list[str]:
    return [system.name for system in find_systems(runs)]


def test_runs_of_other_seeds_are_one_system(run: Any) -> None:
    (system,) = find_systems([run("mtan-3task", seed=1), run("mtan-3task", seed=0)])
    assert system.seeds == [0, 1]


def test_systems_stand_in_the_order_of_the_presets_variants_last(run: Any) -> None:
    equal = run("mtan-3task", balancer="equal")
    found = names(run("mtan-color"), equal, run("mtan-3task"), run("segnet-1task"))
    assert found == ["segnet-1task", "mtan-3task", "mtan-color", "mtan-3task (balancer equal)"]


def test_another_balancer_is_named_even_where_it_stands_alone(run: Any) -> None:
    assert names(run("mtan-3task", balancer="equal")) == ["mtan-3task (balancer equal)"]


def test_another_encoder_is_named_even_where_it_stands_alone(run: Any) -> None:
    other = run("segnet-1task", encoder="efficientnet-lite0")
    assert names(other) == ["segnet-1task (encoder efficientnet-lite0)"]
    assert names(run("unet-1task")) == ["unet-1task"]


def test_options_of_the_same_last_name_are_told_apart(run: Any) -> None:
    first = run("mtan-all")
    scales = {"denoising": {"scale": 5.0}, "colorization": {"scale": 5.0}}
    other = run("mtan-all", **{"tasks.options": scales})
    assert names(first, other) == [
        "mtan-all",
        "mtan-all (tasks.options.denoising.scale 5.0, tasks.options.colorization.scale 5.0)",
    ]


def test_unlabelled_images_are_named_by_their_folder(run: Any) -> None:
    plain, more = run("mtan-all"), run("mtan-all", unlabelled="/photos/more")
    assert names(plain, more) == ["mtan-all", "mtan-all (unlabelled more)"]


def test_other_data_are_other_systems(run: Any) -> None:
    """Two folders, and two sets of classes, are never averaged."""
    folders = [run("segnet-1task", data="folder", root=f"photos{n}") for n in range(2)]
    assert len(names(*folders)) == 2
    classes = [run("segnet-1task", classes=given) for given in (("a", "b"), ("a", "c"))]
    assert len(names(*classes)) == 2
    assert not comparable(find_systems(folders), "test")
    assert comparable(find_systems([classes[0], run("mtan-3task")]), "test")


def test_a_run_twice_is_no_further_seed(run: Any) -> None:
    path = run("segnet-1task")
    (system,) = find_systems([path, path, str(path) + "/"])
    assert system.seeds == [0]
    with pytest.raises(DataError, match="name one of them"):
        find_systems([path, run("segnet-1task")])


def test_the_caption_names_every_value_where_systems_differ(run: Any) -> None:
    few = {**COUNTS, "masks": 5, "unlabelled": 70}
    systems = find_systems(
        [run("segnet-1task", epochs=1), run("mtan-all", epochs=1, seed=3, counts=few)]
    )
    text = caption(systems, "test")
    for words in (
        "20 training (20 or 5 with a mask)", "0 or 70 unlabelled", "9 test images at 32×32",
        "seeds 0, 3.", "Metrics of the test images",
    ):  # fmt: skip
        assert words in text
    assert "standard deviation" not in text
    assert "Not all were measured" not in text
    seeds = find_systems([run("segnet-1task", seed=seed) for seed in (1, 2)])
    assert "standard deviation over seeds" in caption(seeds, "val")
    assert "validation images (not every run" in caption(seeds, "val")
    untestable = find_systems([run("segnet-1task", counts={**COUNTS, "test": 0})])
    assert "validation images (there are no test images)" in caption(untestable, "val")
