"""``auxseg bench``: its tables, its JSON, what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .command import auxseg

SIZE = ("--width", "0.05", "--image-size", "32", "--batch-size", "2")
TINY = (*SIZE, "--accelerator", "cpu")
QUICK = (*TINY, "--presets", "segnet-1task,mtan-3task", "--seconds", "0.01")


def test_json_alone_with_everything_measured() -> None:
    outcome = auxseg("bench", *QUICK, "--json").succeeded()
    found = json.loads(outcome.out)
    for part in ("training", "prediction", "loading"):
        assert set(found[part]) == {"segnet-1task", "mtan-3task"}
        for row in found[part].values():
            assert row["rounds"] >= 3
            assert row["images_per_second"] == pytest.approx(2 / row["seconds"])
    limits = {name: row["flops_per_second"] for name, row in found["limits"].items()}
    product = limits.pop("matrix product")
    step = found["training"]["mtan-3task"]
    rate = step["flops"] / step["seconds"]
    assert step["of_product"] == pytest.approx(rate / product)
    assert step["of_convolution"] == pytest.approx(rate / max(limits.values()))
    # Backward is twice the forward pass, but for the image, which needs no gradient.
    assert step["flops"] / found["prediction"]["mtan-3task"]["flops"] == pytest.approx(3, abs=0.2)
    assert step["memory_bytes"] > 4 * 4 * 1000
    assert found["machine"]["image_size"] == 32


@pytest.mark.thorough
def test_tables() -> None:
    line = ("bench", *TINY, "--presets", "segnet-1task", "--seconds", "0.01")
    text = auxseg(*line).succeeded().out
    for title in ("limit of this machine", "training step", "prediction", "loading"):
        assert f"| {title}" in text
    assert "32×32, batch 2" in text
    assert "like for like" not in text


@pytest.mark.thorough
def test_memory_by_a_dry_run() -> None:
    line = ("bench", "--memory", "--presets", "segnet-3task", "--width", "0.25")
    found = json.loads(auxseg(*line, "--json").succeeded().out)["segnet-3task"]
    for sizes in found.values():
        assert sizes["none"] > sizes["selective"] > sizes["full"] > 0
    assert found["bf16-mixed"]["none"] < found["32-true"]["none"]


def test_memory_as_a_table() -> None:
    line = ("bench", "--memory", "--presets", "segnet-1task", *SIZE)
    text = auxseg(*line).succeeded().out
    assert "32×32, batch 2" in text
    assert text.count("| segnet-1task |") == 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--presets", "mtan-2task"), ("mtan-2task", "mtan-3task")),
        (("--presets", ","), ("--presets",)),
        (("--peer", "libmtl=."), ("libmtl", "mtan")),
        (("--seconds", "0"), ("--seconds",)),
        (("--seconds", "inf"), ("--seconds", "finite", "inf")),
        (("--seconds", "long"), ("--seconds", "float", "long")),
        (("--precision", "64-true"), ("64-true", "bf16-mixed")),
        (("--checkpointing", "some"), ("some", "selective")),
        (("--image-size", "4"), ("image_size", "8")),
        (("--batch-size", "0"), ("batch_size", "1")),
        (("--batch-size", "two"), ("--batch-size", "int or null", "two")),
    ],
)
def test_wrong_usage_is_one_line(options: tuple[str, ...], words: tuple[str, ...]) -> None:
    auxseg("bench", *TINY, *options).failed(2, *words)


@pytest.mark.parametrize(
    "options",
    [
        ("--compile",),
        ("--channels-last",),
        ("--precision", "bf16-mixed"),
        ("--checkpointing", "full"),
        ("--accelerator", "cpu"),
        ("--seconds", "5"),
        ("--peer", "mtan=."),
    ],
)
def test_the_dry_run_refuses_what_it_has_no_use_for(options: tuple[str, ...]) -> None:
    auxseg("bench", "--memory", *SIZE, *options).failed(2, f"{options[0]}:", "--memory")


def test_a_peer_that_is_not_there(tmp_path: Path) -> None:
    line = ("bench", *QUICK, "--peer", f"mtan={tmp_path}")
    auxseg(*line).failed(1, "model_segnet_single.py", "github.com/lorenmt/mtan")
