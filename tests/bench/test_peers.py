"""Other people's code is measured beside ours, and none of it runs but the network."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest
import torch
from torch import nn

from auxseg.api import configure
from auxseg.bench.clock import Work
from auxseg.bench.peers import find_pairs, parse_peers
from auxseg.bench.peers.base import works_of
from auxseg.errors import DataError, UsageError

CPU = torch.device("cpu")
CONFIG = configure("mtan-3task", weights="none", image_size=32, batch_size=1)

#: A stand-in for both scripts: a class SegNet, and below it what must never be run.
SCRIPT = """
import argparse
opt = argparse.ArgumentParser().parse_args(["--no-such-option"])

class SegNet(nn.Module):
    def __init__(self):
        super(SegNet, self).__init__()
        self.task = opt.task
        self.conv = nn.Conv2d(3, {channels}, 3, padding=1)
        self.logsigma = nn.Parameter(torch.zeros(3))

    def forward(self, x):
        out = F.relu(self.conv(x))
        return {result}

raise SystemExit("the script itself was run")
"""


def checkout(folder: Path) -> Path:
    scripts = folder / "im2im_pred"
    scripts.mkdir()
    for name, channels, result in (
        ("single", 13, "out"),
        ("mtan", 17, "[out[:, :13], out[:, 13:14], out[:, 14:]], self.logsigma"),
    ):
        text = SCRIPT.format(channels=channels, result=result)
        (scripts / f"model_segnet_{name}.py").write_text(text)
    return folder


def works(place: Path) -> dict[str, dict[str, Work]]:
    pairs = find_pairs({"mtan": place}, {"mtan-3task": CONFIG})
    return {title: works_of(pair, CPU) for title, pair in pairs.items()}


@pytest.mark.thorough
def test_both_pairs_take_a_step(tmp_path: Path) -> None:
    pairs = works(checkout(tmp_path))
    assert len(pairs) == 2
    for pair in pairs.values():
        assert list(pair) == ["ours", "theirs"]
        for work in pair.values():
            assert work.images == 1
            work.run()
    # Theirs: one convolution of 3 → 13 channels, forward and by its weights backward.
    theirs = pairs["SegNet, one dense task"]["theirs"]
    assert theirs.flops == 2 * 2 * 3 * 13 * 9 * 32**2


def test_what_is_no_checkout(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="allowed are mtan"):
        parse_peers(["libmtl=."])
    with pytest.raises(DataError, match=r"model_segnet_single\.py: cannot be read"):
        works(tmp_path)
    (checkout(tmp_path) / "im2im_pred" / "model_segnet_single.py").write_text("x = 1")
    with pytest.raises(DataError, match="no class SegNet"):
        works(tmp_path)


class Smp(ModuleType):
    """Stands for segmentation_models.pytorch: a U-Net that is one convolution."""

    asked: ClassVar[list[tuple[str, int]]] = []

    @staticmethod
    def Unet(name: str, *, encoder_weights: None, classes: int) -> nn.Module:  # noqa: N802
        Smp.asked.append((name, classes))
        return nn.Conv2d(3, classes, 3, padding=1)


def test_smp_is_asked_for_the_same_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", Smp("smp"))
    config = configure("unet-1task", weights="none", image_size=64, batch_size=1, width=0.1)
    (pair,) = find_pairs({"smp": None}, {"unet-1task": config, "mtan-3task": CONFIG}).values()
    assert Smp.asked[-1] == ("tu-tf_efficientnet_lite0", 2)
    for work in works_of(pair, CPU).values():
        work.run()
    with pytest.raises(UsageError, match="unet-1task"):
        find_pairs({"smp": None}, {"mtan-3task": CONFIG})


def test_smp_that_does_not_import_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(UsageError, match="pip install segmentation-models-pytorch"):
        find_pairs({"smp": None}, {})
