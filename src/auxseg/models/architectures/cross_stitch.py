"""Cross-stitch networks: an encoder per task, mixed after every stage (Misra et al. 2016)."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from auxseg.models.base import MultiTaskModel, Parts
from auxseg.models.encoders.base import Encoder, Level
from auxseg.models.heads import Head

#: Channel groups of a block, each with a mixture of its own.
GROUPS = 8
#: What a task keeps of its own features at the start; the others share the rest equally.
OWN_SHARE = 0.9


class CrossStitch(MultiTaskModel):
    """Every task has an encoder of its own; after each stage all K exchange features.

    In stage j, with n_{j,t} what task t's encoder hands on and g a group of channels:

        f_{j,t}[g] = Σ_s A_j[g]_{t,s} n_{j,s}[g]        (A_j[g]: K×K, learned)

    f_{j,t} enters stage j+1 of task t's encoder; f_{L,t} goes to its head, or through its decoder,
    which reads its own encoder's levels. Levels beside the backbone hand on the image, which is
    everybody's already. A starts near the identity with rows that sum
    to 1, so features keep their size. As every encoder serves every task, all of them count as
    shared, and no output can be computed without all of them.
    """

    NEEDS_STAGES = True

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__(heads, encoder, parts)
        #: Whose encoders there are: all that were trained, also where heads are pruned later.
        self.trained = tuple(heads)
        # The primary task's encoder is the one that every architecture has. The others are keyed by
        # their task, so that it starts with the same weights in every system.
        self.further = nn.ModuleDict({f"of_{name}": parts.encoder() for name in list(heads)[1:]})
        self.beside = encoder.beside
        self.stitches = nn.ModuleList(
            Stitch(len(heads), channels) for channels in encoder.channels[self.beside :]
        )
        self.decoders = nn.ModuleDict({name: parts.decoder(encoder) for name in self.dense})
        self.prune(heads)

    def prune(self, names: Collection[str]) -> None:
        """Every encoder stays; without a decoder nobody reads any of its levels but the last."""
        super().prune(names)
        for name, encoder in zip(self.trained, self.encoders, strict=True):
            if name not in self.decoders:
                encoder.prune()

    @property
    def encoders(self) -> list[Encoder]:
        return [self.encoder, *self.further.values()]  # type: ignore[list-item]

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        levels: dict[str, list[Level]] = {name: [] for name in self.trained}
        mixed = [image] * len(levels)
        for number in range(self.beside + len(self.stitches)):
            for own, encoder, features in zip(levels.values(), self.encoders, mixed, strict=True):
                own.append(encoder.stage(number, features))
            mixed = [own[-1].next for own in levels.values()]
            if number >= self.beside:
                mixed = list(self.stitches[number - self.beside](torch.stack(mixed)))
        found = dict(zip(self.trained, mixed, strict=True))
        return {
            name: self.decoders[name](found[name], levels[name])
            if name in self.decoders
            else found[name]
            for name in names
        }


class Stitch(nn.Module):
    """Mixes the features of K tasks, group of channels by group: (K, N, C, H, W) → the same.

    Args:
        tasks: K.
        channels: C; neighbouring channels form :data:`GROUPS` groups, or one each if C is smaller.
    """

    group: Tensor

    def __init__(self, tasks: int, channels: int) -> None:
        super().__init__()
        groups = min(GROUPS, channels)
        others = (1 - OWN_SHARE) / (tasks - 1) if tasks > 1 else 0.0
        own = OWN_SHARE if tasks > 1 else 1.0
        # By NumPy: arithmetic on the meta device imports torch's compiler, which takes a second.
        eye = np.eye(tasks, dtype=np.float32)
        start = torch.tensor(np.full_like(eye, others) + np.float32(own - others) * eye)
        #: (groups, K, K); row t holds what task t takes of each task's features.
        self.mixture = nn.Parameter(start.repeat(groups, 1, 1))
        group = torch.tensor(np.arange(channels) * groups // channels)
        self.register_buffer("group", group, persistent=False)

    def forward(self, features: Tensor) -> Tensor:
        mixture = self.mixture[self.group]
        return torch.einsum("cts,snchw->tnchw", mixture, features)
