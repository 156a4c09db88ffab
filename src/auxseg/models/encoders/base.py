"""What every encoder has in common: an image in, a level of features per stage out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

from torch import Tensor, nn

#: Mean and standard deviation of ImageNet's RGB in [0, 1], which most weights expect.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

#: What becomes of a pre-trained first convolution where the input has one channel: ``skip`` leaves
#: it as drawn, as the paper does; ``sum`` adds its weights over RGB.
GREY = ("skip", "sum")


class Level(NamedTuple):
    """What one stage of an encoder leaves behind.

    Attributes:
        first: u_j, the features after the stage's first block, (N, F_j, H_j, W_j). It is ``last``
            where a stage cannot be split.
        last: p_j, those after its last block, (N, C_j, H_j, W_j).
        next: what the next stage reads; of the last level, the encoder's output. It is ``last``
            where stages are not joined by a pooling, and the image where the level stands beside
            the backbone (``Encoder.beside``).
        indices: where each maximum of that pooling stood, int64 of next's shape; None without one.
    """

    first: Tensor
    last: Tensor
    next: Tensor
    indices: Tensor | None = None


@dataclass(frozen=True)
class Published:
    """A file of ImageNet weights that can be downloaded.

    Attributes:
        url: where it is.
        sha256: its SHA-256 in hexadecimal, or the first digits of it, as the file's name has them.
        size: for messages, in MB.
        licence: of the weights.
    """

    url: str
    sha256: str
    size: int
    licence: str


class Encoder(nn.Module, ABC):
    """A backbone that runs in stages, from fine to coarse.

    A subclass is one file and one line in :data:`auxseg.models.encoders.ENCODERS`. Which modules
    make up a stage is its own knowledge: decoders and architectures ask for the attributes below
    and for :class:`Level`. Sides of the input are multiples of :attr:`out_stride`.

    Attributes:
        channels: C_j, channels of each level's ``last``, and of its ``next`` but for the first
            ``beside`` ones.
        first_channels: F_j, channels of each level's ``first``.
        strides: pixels of the image per feature of each level, ascending.
        out_stride: that of the last level's ``next``, the encoder's output.
        mean, std: of RGB in [0, 1], which the weights expect.
        hidden: units of the hidden layer of global heads.
        staged: whether it can run stage by stage (:meth:`stage`).
        beside: 1 where the first level stands beside the backbone, so that the second stage reads
            the image as well; else 0.
        unpools: whether its levels have pooling indices.
        frozen: whether :meth:`freeze` was called.
        norms_frozen: whether :meth:`freeze_norms` was called.
        checkpointing: see :data:`auxseg.models.checkpointing.MODES`.
        PUBLISHED: the file of its ImageNet weights; None where :meth:`load_published` knows more.
        NAMED: whether it stands for many models, of which a name is chosen: ``timm:NAME``.
        SCALES: whether it has a width.
    """

    PUBLISHED: ClassVar[Published | None] = None
    NAMED: ClassVar[bool] = False
    SCALES: ClassVar[bool] = True

    channels: tuple[int, ...]
    first_channels: tuple[int, ...]
    strides: tuple[int, ...]
    out_stride: int
    mean: tuple[float, ...] = IMAGENET_MEAN
    std: tuple[float, ...] = IMAGENET_STD
    staged: bool = True
    beside: int = 0
    unpools: bool = False

    def __init__(self) -> None:
        super().__init__()
        self.frozen = False
        self.norms_frozen = False
        self.checkpointing = "none"

    @property
    def hidden(self) -> int:
        return max(32, min(512, self.channels[-1]))

    @property
    def licence(self) -> str | None:
        """Of its ImageNet weights; None where that is not known."""
        return None if self.PUBLISHED is None else self.PUBLISHED.licence

    @abstractmethod
    def stage(self, number: int, features: Tensor) -> Level:
        """Runs one stage (from 0) on the image, or on the ``next`` of the stage before."""

    def forward(self, image: Tensor) -> list[Level]:
        """(N, in_channels, H, W), sides multiples of :attr:`out_stride` → the levels."""
        levels: list[Level] = []
        features = image
        for number in range(len(self.channels)):
            levels.append(self.stage(number, features))
            features = levels[-1].next
        return levels

    def draw(self, seed: int) -> nn.Module | None:
        """Draws starting weights by a rule of its own.

        Returns:
            the part that it drew; None where :func:`auxseg.models.initialise.initialise` draws
            everything, as it does for all other modules.
        """
        return None

    @abstractmethod
    def load(self, state: Mapping[str, Tensor], source: Path, grey: str = "skip") -> bool:
        """Copies published weights into the network.

        Args:
            state: published key name → tensor, float32.
            source: the file they come from, for messages.
            grey: one of :data:`GREY`.

        Returns:
            whether its batch norms must still be calibrated on images (:meth:`calibrate`).

        Raises:
            DataError: a key is missing or of another shape; names the file and the key.
        """

    def published(self) -> dict[str, Tensor]:
        """Its weights under the names that :meth:`load` reads."""
        return dict(self.state_dict())

    def load_published(self, grey: str = "skip") -> None:
        """Loads ImageNet weights that do not lie in one file (:attr:`PUBLISHED`).

        Args:
            grey: one of :data:`GREY`.

        Raises:
            DataError: they cannot be had.
        """
        raise NotImplementedError(f"{type(self).__name__} has a file of them")

    def calibrate(self, batches: list[Tensor]) -> None:
        """Sets batch norms by what loaded weights compute on prepared images; see :meth:`load`."""
        raise NotImplementedError(f"{type(self).__name__} loads its batch norms' statistics")

    def pretrained(self) -> Iterator[nn.Module]:
        """The modules that published weights go into, and that :meth:`freeze` holds still."""
        yield from self.children()

    def prune(self) -> None:
        """Removes, in place, what only decoders read: a global output needs the last level."""
        return

    def freeze(self) -> None:
        """Stops training of what pre-trained weights go into, batch statistics included."""
        self.frozen = True
        for module in self.pretrained():
            module.requires_grad_(False)
        self.train(self.training)

    def freeze_norms(self) -> None:
        """Normalises by the statistics of the pre-trained weights, in training as well.

        Scales and shifts of the norms go on learning.
        """
        self.norms_frozen = True
        self.train(self.training)

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        for module in self.pretrained():
            if self.frozen:
                module.eval()
            elif self.norms_frozen:
                for part in module.modules():
                    if isinstance(part, nn.BatchNorm2d):
                        part.eval()
        return self


def run_parts(
    first: Sequence[nn.Module], others: Sequence[nn.Module], features: Tensor
) -> tuple[Tensor, Tensor]:
    """u and p of a stage whose modules run in order: after the first ones, and after all."""
    for module in first:
        features = module(features)
    u = features
    for module in others:
        features = module(features)
    return u, features
