"""The benchmark of loading: the pipeline it compares with does equal work, and it runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from auxseg import assembly
from auxseg.api import configure
from auxseg.data.loaders import StepSampler
from auxseg.types import IGNORE_INDEX, Batch

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

SIZE = 64
STILL = {"flip": 0.0, "scale": (1.0, 1.0), "rotation": 0.0, "translation": 0.0}
PALE = dict.fromkeys(("brightness", "contrast", "saturation", "hue"), 0.0)


@pytest.fixture(scope="module")
def pets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty smooth pictures in the official layout; every fourth has no box."""
    root = tmp_path_factory.mktemp("pets")
    for folder in ("images", "annotations/trimaps", "annotations/xmls"):
        (root / folder).mkdir(parents=True)
    names = [f"{breed}_{n}" for breed in ("Bengal", "pug") for n in range(10)]
    for number, name in enumerate(names):
        draw = np.random.default_rng(number)
        coarse = draw.integers(0, 256, (5, 6, 3), dtype=np.uint8)
        photo = cv2.resize(coarse, (160, 120), interpolation=cv2.INTER_CUBIC)
        Image.fromarray(photo).save(root / "images" / f"{name}.jpg", quality=95)
        trimap = np.full((120, 160), 2, np.uint8)
        cv2.circle(trimap, (80, 60), 30 + number, 3, -1)
        cv2.circle(trimap, (80, 60), 25 + number, 1, -1)
        Image.fromarray(trimap).save(root / "annotations" / "trimaps" / f"{name}.png")
        if number % 4:
            corners = zip(("xmin", "ymin", "xmax", "ymax"), (50, 30, 110, 90), strict=True)
            inner = "".join(f"<{tag}>{value}</{tag}>" for tag, value in corners)
            text = f"<annotation><object><bndbox>{inner}</bndbox></object></annotation>"
            (root / "annotations" / "xmls" / f"{name}.xml").write_text(text)
    rows = [f"{name} {1 + (name < 'a')} {2 - (name < 'a')} 1\n" for name in names]
    for part, lines in {"list": rows, "trainval": rows[::2], "test": rows[1::2]}.items():
        (root / "annotations" / f"{part}.txt").write_text("".join(lines))
    return root


def both(root: Path, monkeypatch: pytest.MonkeyPatch, **augmentation: Any) -> tuple[Batch, Batch]:
    """The first batch of mtan-all from the usual pipeline and from auxseg's loader."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from usual_pipeline import UsualPipeline

    settings = {"image_size": SIZE, "weights": "none", "batch_size": 10, "accelerator": "cpu"}
    changes = {f"augmentation.{name}": value for name, value in augmentation.items()}
    config = configure(
        "mtan-all", data="oxford-pet", root=str(root), **{"data.split": "stratified"},
        **settings, **changes,
    )  # fmt: skip
    dataset = assembly.open_dataset(config.data)
    config = assembly.resolve(config, dataset)
    tasks = assembly.make_tasks(config, dataset.classes)
    data = assembly.open_data(config, dataset)
    views, augment = assembly.make_views(config, tasks), assembly.make_augment(config.augmentation)
    seed = config.training.seed
    usual = UsualPipeline(data, SIZE, tasks, views, augment, seed)
    ours = assembly.make_train_loader(config, data, tasks)
    assert isinstance(ours.batch_sampler, StepSampler)
    keys = ours.batch_sampler.keys(0)
    loader: DataLoader[Any] = DataLoader(usual, batch_sampler=[keys], collate_fn=usual.collate)
    return next(iter(loader)), next(iter(ours))


def test_without_augmentation_both_give_the_same(
    pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual, ours = both(pets, monkeypatch, **STILL, **PALE)
    assert torch.equal(usual.index, ours.index)
    assert list(usual.views) == list(ours.views) == ["image", "noisy", "lightness"]
    assert list(usual.targets) == list(ours.targets)
    for name, view in ours.views.items():
        torch.testing.assert_close(usual.views[name], view, atol=0.04, rtol=0)
    for name, target in ours.targets.items():
        found = usual.targets[name]
        assert torch.equal(found.present, target.present), name
        assert found.value.shape == target.value.shape, name
    assert not ours.targets["bbox"].present.all()
    for name in ("classification", "bbox"):
        torch.testing.assert_close(usual.targets[name].value, ours.targets[name].value)
    for name in ("denoising", "colorization"):
        torch.testing.assert_close(
            usual.targets[name].value, ours.targets[name].value, atol=0.04, rtol=0
        )
    for name, share in (("segmentation", 0.02), ("edges", 0.03)):
        differ = usual.targets[name].value != ours.targets[name].value
        assert differ.float().mean() < share, name
    # The noise is the same, drawn for the same keys.
    noise = [batch.views["noisy"] - batch.views["image"] for batch in (usual, ours)]
    inside = (ours.views["image"] > 0.05) & (ours.views["image"] < 0.95)
    correlation = torch.corrcoef(torch.stack([one[inside] for one in noise]))[0, 1]
    assert correlation > 0.99


def test_both_move_image_mask_and_box_alike(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual, ours = both(pets, monkeypatch, **PALE)
    masks = [batch.targets["segmentation"].value for batch in (usual, ours)]
    assert (masks[0] != masks[1]).float().mean() < 0.02
    boxes = [batch.targets["bbox"] for batch in (usual, ours)]
    assert torch.equal(boxes[0].present, boxes[1].present)
    torch.testing.assert_close(boxes[0].value, boxes[1].value, atol=1e-5, rtol=0)
    # Outside of the picture one is black and the other shows a reflection.
    inside = (masks[0] != IGNORE_INDEX) & (masks[1] != IGNORE_INDEX)
    assert 0.6 < inside.float().mean() < 1
    differences = (usual.views["image"] - ours.views["image"]).abs().mean(dim=1)[inside]
    assert differences.mean() < 0.01
    assert differences.quantile(0.98) < 0.06


def test_both_tint_alike(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for the hue, which Pillow turns on another circle, and for clipping to eight bits."""
    usual, ours = both(pets, monkeypatch, **{**STILL, **PALE, "brightness": 0.2, "contrast": 0.2,
                                             "saturation": 0.2})  # fmt: skip
    grey, _ = both(pets, monkeypatch, **STILL, **PALE)
    apart = (usual.views["image"] - ours.views["image"]).abs().mean()
    assert apart < 0.01
    assert (usual.views["image"] - grey.views["image"]).abs().mean() > 5 * apart


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(BENCHMARKS / "loading.py"), *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        timeout=120,
    )


@pytest.mark.thorough
def test_the_benchmark_prints_its_tables(pets: Path) -> None:
    done = run(
        *("--root", pets, "--image-size", 32, "--repeats", 1, "--step-ms", 5),
        *("--presets", "mtan-all", "--batch-size", 4),
    )
    assert done.returncode == 0, done.stderr
    titles = [line for line in done.stdout.splitlines() if line.startswith("## ")]
    assert titles == [
        "## Reading",
        "## Equal work: `mtan-all`",
        "## Where the loader's time goes: `mtan-all`",
        "## Waiting for the batch (simulated steps that sleep)",
    ]
    assert "| `mtan-all`" in done.stdout


@pytest.mark.thorough
def test_real_steps_are_timed_too(pets: Path) -> None:
    done = run(
        *("--root", pets, "--image-size", 32, "--repeats", 1, "--width", 0.05, "--workers", 0),
        *("--device", "cpu", "--presets", "mtan-3task"),
    )
    assert done.returncode == 0, done.stderr
    assert "## Waiting for the batch (cpu)" in done.stdout


def test_a_wrong_folder_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    monkeypatch.setattr(sys, "argv", ["loading.py", "--root", str(tmp_path / "nowhere")])
    import loading

    with pytest.raises(SystemExit) as stopped:
        loading.main()
    assert stopped.value.code == 1
    assert capsys.readouterr().err.splitlines() == [
        f"loading.py: {tmp_path / 'nowhere'}: no such folder (root of data set oxford-pet)"
    ]
