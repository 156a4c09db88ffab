"""Configurations, weights, runs, folders and disks: one line each, and nothing half done."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from integration.command import TINY, auxseg
from planted import Planted

LINE = ("train", "segnet-1task", *TINY, "--epochs", "1")

#: What a configuration file may hold → words of the line about it.
CONFIGURATIONS: dict[str, tuple[str | bytes, tuple[str, ...]]] = {
    "tabs": ("training:\n\tepochs: 3\n", ("own.yaml",)),
    "an unknown key": ("training:\n  epoch: 3\n", ("training.epoch", "training.epochs")),
    "an unknown group": ("optimizer:\n  lr: 3\n", ("optimizer",)),
    "a wrong type": ("training:\n  epochs: many\n", ("training.epochs", "many")),
    "out of range": ("training:\n  epochs: -1\n", ("training.epochs", "at least 1")),
    "no number": ("training:\n  lr: .nan\n", ("training.lr", "finite")),
    "yes and no": ("model:\n  architecture: no\n", ("model.architecture",)),
    "a list": ("- training\n- data\n", ("own.yaml",)),
    "a word": ("training\n", ("own.yaml",)),
    "not closed": ("training: {epochs: 3\n", ("own.yaml",)),
    "an object": ("training: !!python/object/apply:os.getcwd []\n", ("own.yaml",)),
    "bytes that are no text": (b"training:\n  epochs: \xff\xfe\n", ("own.yaml",)),
    "a key twice": ("training:\n  epochs: 3\n  epochs: 4\n", ("own.yaml", "epochs", "twice")),
}


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_configurations(name: str, tmp_path: Path) -> None:
    content, words = CONFIGURATIONS[name]
    file = tmp_path / "own.yaml"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    auxseg(*LINE[:-2], "--config", file, "--out", tmp_path / "run").failed(2, *words)
    assert not (tmp_path / "run").exists()


def test_a_configuration_that_grows_without_end(tmp_path: Path) -> None:
    """YAML's billion laughs: names of names of names."""
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    file = tmp_path / "own.yaml"
    file.write_text("\n".join(lines) + "\n")
    auxseg(*LINE[:-2], "--config", file, "--out", tmp_path / "run").failed(2)


def test_a_configuration_with_nothing_in_it(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text("# nothing\n")
    auxseg(*LINE, "--config", tmp_path / "own.yaml", "--out", tmp_path / "run").succeeded()


def _half(path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(64, 3, 3, 3)}, path)
    path.write_bytes(path.read_bytes()[:300])


#: What a file of weights may be → how it is made.
WEIGHTS: dict[str, Callable[[Path], object]] = {
    "gone.pth": lambda path: None,
    "empty.pth": lambda path: path.write_bytes(b""),
    "page.pth": lambda path: path.write_text("<html>404</html>"),
    "half.safetensors": _half,
    "head.safetensors": lambda path: path.write_bytes(b"\xff" * 64),
    "planted.pth": lambda path: torch.save({"w": Planted(path.with_name("hit"))}, path),
    "model.pth": lambda path: torch.save(torch.nn.Linear(2, 2), path),
    "list.pth": lambda path: torch.save([torch.zeros(3)], path),
    "other.safetensors": lambda path: save_file({"layer1.weight": torch.zeros(3)}, path),
    "shape.safetensors": lambda path: save_file({"features.0.weight": torch.zeros(3)}, path),
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights(name: str, tmp_path: Path) -> None:
    WEIGHTS[name](tmp_path / name)
    few = ("--data.options", "{train: 20, val: 8, test: 8}", "--image-size", "32")
    line = ("train", "segnet-1task", *few, "--epochs", "1")
    run = tmp_path / "run"
    auxseg(*line, "--weights", tmp_path / name, "--out", run).failed(1, name)
    assert not run.exists()
    assert not (tmp_path / "hit").exists()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("corpus") / "run"
    auxseg(*LINE, "--out", run).succeeded()
    return run


#: What may have happened to a file of a run → the verb that meets it.
DAMAGE: dict[tuple[str, str], tuple[str, ...]] = {
    ("config.yaml", "gone"): ("evaluate",),
    ("config.yaml", "empty"): ("evaluate",),
    ("config.yaml", "zeros"): ("evaluate",),
    ("checkpoints/best.safetensors", "gone"): ("evaluate",),
    ("checkpoints/best.safetensors", "empty"): ("evaluate",),
    ("checkpoints/best.safetensors", "half"): ("evaluate",),
    ("checkpoints/best.safetensors", "zeros"): ("evaluate",),
    ("split.csv", "zeros"): ("evaluate",),
    ("checkpoints/last.ckpt", "zeros"): ("train", "segnet-1task", "--resume", "--out"),
}


@pytest.mark.parametrize(("file", "harm"), DAMAGE)
def test_runs(file: str, harm: str, trained: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(trained, tmp_path / "run"))
    (run / "metrics-val.json").unlink()
    (run / "checkpoints" / "previous.ckpt").unlink(missing_ok=True)
    path = run / file
    content = path.read_bytes()
    path.unlink()
    if harm != "gone":
        changed = {"empty": b"", "half": content[: len(content) // 2], "zeros": bytes(len(content))}
        path.write_bytes(changed[harm])
    outcome = auxseg(*DAMAGE[file, harm], run)
    assert outcome.status in (1, 2)
    line = outcome.failed(outcome.status)
    assert path.name in line or str(run) in line


# -- places ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "verb",
    [
        LINE,
        ("reproduce", "--presets", "segnet-1task", *TINY),
        ("study", "--auxiliary", "classification", *TINY),
    ],
    ids=lambda line: line[0],
)
def test_a_file_where_a_folder_should_be(verb: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep me")
    auxseg(*verb, "--out", tmp_path / "mine").failed(2, "mine", "is a file")
    auxseg(*verb, "--out", tmp_path / "mine" / "below").failed(2, "mine", "is a file")
    assert (tmp_path / "mine").read_text() == "keep me"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir(mode=0o500)
    auxseg(*LINE, "--out", tmp_path / "mine" / "run").failed(2, "may not be written to")


def test_a_cache_that_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cache").write_text("no folder")
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    auxseg(*LINE, "--out", tmp_path / "run").failed(1, "cannot write the cache", "--prune")
    assert not (tmp_path / "run").exists()


def test_a_photo_with_a_long_name_is_predicted(trained: Path, tmp_path: Path) -> None:
    for name in ("x" * 240, "照" * 80, "short"):
        Image.new("RGB", (9, 9), "red").save(tmp_path / f"{name}.png")
    outcome = auxseg("predict", trained, tmp_path, "--out", tmp_path / "out").succeeded()
    assert "3 of 3" in outcome.out
    assert len(list((tmp_path / "out").glob("*_mask.png"))) == 3
