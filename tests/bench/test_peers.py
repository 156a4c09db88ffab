"""Other people's code is measured beside ours, and none of it runs but the network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from auxseg.api import configure
from auxseg.bench.peers import peer_works
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


def test_both_pairs_take_a_step(tmp_path: Path) -> None:
    pairs = peer_works("mtan", checkout(tmp_path), CONFIG, CPU)
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
        peer_works("libmtl", tmp_path, CONFIG, CPU)
    with pytest.raises(DataError, match=r"model_segnet_single\.py: cannot be read"):
        peer_works("mtan", tmp_path, CONFIG, CPU)
    (checkout(tmp_path) / "im2im_pred" / "model_segnet_single.py").write_text("x = 1")
    with pytest.raises(DataError, match="no class SegNet"):
        peer_works("mtan", tmp_path, CONFIG, CPU)
