"""Progressive networks: a column per task that reads all earlier columns (Rusu et al. 2016)."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from torch import Tensor, nn

from auxseg.models.base import MultiTaskModel, Parts
from auxseg.models.encoders.base import Encoder, Level
from auxseg.models.heads import Head
from auxseg.models.layers import InOrder


class Progressive(MultiTaskModel):
    """Every task has a column: an encoder, and a decoder or a head. Columns have an order.

    After stage j, with n_{j,k} what column k's encoder hands to its next stage:

        h_{j,k} = n_{j,k} + Σ_{i<k} lateral_{j,i→k}(stop(h_{j,i}))

    lateral is a 1×1 convolution, batch norm and ReLU (the publication's adapter, without its
    scaling, which batch norm makes idle), and no gradient passes stop: a column's weights follow
    its own task alone, and an output needs its own column and the earlier ones, not the later.
    Levels beside the backbone hand on the image, which needs no lateral.
    h_{j,k} enters stage j+1; h_{L,k} goes to the head, or through the decoder, which reads the
    levels of the column's own encoder.

    Deviation from the publication: columns are trained all at once, not one after another.

    Attributes:
        order: outputs by column, the first first. By default the primary output has the last
            column, and so reads all others.
    """

    PER_TASK = ("heads", "decoders", "laterals")
    NEEDS_STAGES = True

    def __init__(self, heads: Mapping[str, Head], encoder: Encoder, parts: Parts) -> None:
        super().__init__(heads, encoder, parts)
        names = list(heads)
        self.order = parts.columns or tuple(reversed(names))
        # As in cross-stitch networks: the primary task's encoder has its name in every system.
        self.primary = names[0]
        self.depth, self.beside = len(encoder.channels), encoder.beside
        self.further = nn.ModuleDict({f"of_{name}": parts.encoder() for name in names[1:]})
        self.laterals = nn.ModuleDict(
            {
                name: nn.ModuleDict(
                    {
                        f"from_{earlier}": nn.ModuleList(
                            Lateral(channels) for channels in encoder.channels[self.beside :]
                        )
                        for earlier in self.order[: self.order.index(name)]
                    }
                )
                for name in names
            }
        )
        self.decoders = nn.ModuleDict({name: parts.decoder(encoder) for name in self.dense})
        self.prune(heads)

    @property
    def encoders(self) -> list[Encoder]:
        return [self.encoder, *self.further.values()]  # type: ignore[list-item]

    def encoder_of(self, name: str) -> Encoder:
        """The encoder of an output's column."""
        if name == self.primary:
            return self.encoder
        found = self.further[f"of_{name}"]
        assert isinstance(found, Encoder)
        return found

    def own_modules(self, name: str) -> Iterator[nn.Module]:
        """The whole column."""
        yield self.encoder_of(name)
        yield from super().own_modules(name)

    def features(self, image: Tensor, names: Collection[str]) -> dict[str, Tensor]:
        last = max(self.order.index(name) for name in names)
        columns = self.order[: last + 1]
        levels: dict[str, list[Level]] = {name: [] for name in columns}
        current = dict.fromkeys(columns, image)
        for number in range(self.depth):
            before = current
            current = {}
            for name in columns:
                level = self.encoder_of(name).stage(number, before[name])
                levels[name].append(level)
                earlier = current if number >= self.beside else {}
                current[name] = self._joined(name, number - self.beside, level.next, earlier)
        return {
            name: self.decoders[name](current[name], levels[name])
            if name in self.decoders
            else current[name]
            for name in names
        }

    def _joined(self, name: str, number: int, own: Tensor, earlier: Mapping[str, Tensor]) -> Tensor:
        """h_{j,k} from the column's own features and those of the earlier columns.

        Args:
            number: of the lateral, from 0.
        """
        laterals = self.laterals[name]
        assert isinstance(laterals, nn.ModuleDict)
        for other, features in earlier.items():
            adapters = laterals[f"from_{other}"]
            assert isinstance(adapters, nn.ModuleList)
            own = own + adapters[number](features.detach())
        return own

    def prune(self, names: Collection[str]) -> None:
        """Later columns go whole; of earlier ones decoder and head, and what only decoders read."""
        last = max(self.order.index(name) for name in names)
        kept = self.order[: last + 1]
        for name in set(self.laterals) - set(kept):
            del self.laterals[name]
        for name in set(self.order) - set(kept):
            if name == self.primary:
                del self.encoder
            else:
                del self.further[f"of_{name}"]
        for attribute in ("heads", "decoders"):
            modules = getattr(self, attribute)
            for name in set(modules) - set(names):
                del modules[name]
        for name in kept:
            if name not in self.decoders:
                self.encoder_of(name).prune()


class Lateral(InOrder, nn.Sequential):
    """1×1 convolution → BatchNorm → ReLU, (N, C, H, W) → the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
        )
