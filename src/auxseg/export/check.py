"""Whether an exported file answers as the run does."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from auxseg.errors import AuxsegError
from auxseg.export.network import Traceable
from auxseg.export.photo import PhotoNetwork
from auxseg.export.resizing import sides
from auxseg.models import MultiTaskModel
from auxseg.predict import open_exported
from auxseg.predict.exported import ExportedNetwork
from auxseg.tasks import Views
from auxseg.types import LabelledImages

#: Largest difference that an output may have from the run's own.
TOLERANCE = 1e-4

#: Small images, of a size that is no multiple of the stride, and how often they are drawn at most.
SMALL = (3, 3, 45, 70)
DRAWS = 5


@dataclass(frozen=True)
class Agreement:
    """How far outputs are from the run's, on random images.

    Two networks may be compared in 32 bits and yet differ at places by more than rounding: where
    two pixels of a pooling window are as good as equal, rounding decides which of them is unpooled,
    and a value lands one pixel further. A run differs so from itself on another machine. So the
    graph is judged in double precision, where no two pixels are that close; and the file by the
    small image on which it is closest to the run, which has no such pixels, and by most values of
    all images.

    Attributes:
        exact: largest difference of the pruned, folded network in double precision.
        closest: largest difference of the file, in 32 bits, on its best image.
        largest: largest difference of the file, in 32 bits, on any image.
        share: of the file's values, those within :data:`TOLERANCE`; the least of any output.
        resized: of a file that takes photos, largest difference of its raw outputs for a photo of
            twice the pixels each way, all four of a kind, from those for the picture; 0 of others.
        answers: of its answers for that photo, the share that follows from its raw outputs.
        odd: of its raw outputs for two long photos at once, the share of values within the
            tolerance of the network's.
    """

    exact: float
    closest: float
    largest: float
    share: float
    resized: float = 0.0
    answers: float = 1.0
    odd: float = 1.0

    def __bool__(self) -> bool:
        differences = (self.exact, self.closest, self.resized)
        shares = (self.share, self.odd)
        return max(differences) <= TOLERANCE and min(shares) >= 0.5 and self.answers >= 0.999

    def __str__(self) -> str:
        return (
            f"largest difference from the run's outputs {self.largest:.1e}, {self.share:.2%} of "
            f"the values within {TOLERANCE:g}; on the image nearest to it {self.closest:.1e}; in "
            f"double precision {self.exact:.1e}"
        ) + (
            f"; for photos of other sizes {self.resized:.1e}, of long ones {self.odd:.2%} of the "
            f"values, and {self.answers:.2%} of the answers follow from them"
            if self.resized > TOLERANCE or min(self.odd, self.answers) < 0.999
            else ""
        )


def agreement(
    path: Path, ending: str, network: Traceable, model: MultiTaskModel, views: Views, size: int
) -> Agreement:
    """Compares a file, and the network it was made from, with a run's network.

    On an image of the run's size, and on small ones of a size that is no multiple of the stride;
    all of the run's size where the network takes no other.
    """
    shipped = network.network if isinstance(network, PhotoNetwork) else network
    small = SMALL if network.size is None else (*SMALL[:2], size, size)
    file = open_exported(path, torch.device("cpu"), ending)
    doubles = copy.deepcopy(shipped).double(), copy.deepcopy(model).double()
    generator = torch.Generator().manual_seed(0)
    exact, single = [], []
    for shape in ((1, 3, size, size), *[small] * DRAWS):
        images = torch.randint(0, 256, shape, generator=generator) / 255
        with torch.inference_mode():
            single.append(_differences(file(images).tasks, _outputs(model, views, images)))
            found = doubles[0](images.double())
        exact.append(_differences(found, _outputs(doubles[1], views, images.double())))
        if len(single) > 1 and _closest(single[-1]) <= TOLERANCE:
            break
    return Agreement(
        exact=max(_largest(one) for one in exact),
        closest=min(_closest(one) for one in single),
        largest=max(_largest(one) for one in single),
        share=min(float((each <= TOLERANCE).double().mean()) for one in single for each in one),
        **(_of_photos(file, network, generator) if isinstance(network, PhotoNetwork) else {}),
    )


@torch.inference_mode()
def _of_photos(
    file: ExportedNetwork, network: PhotoNetwork, generator: torch.Generator
) -> dict[str, float]:
    """What a file that takes photos makes of one that is not of the network's size."""
    size = network.fit.size
    picture = torch.randint(0, 256, (1, size, size, 3), dtype=torch.uint8, generator=generator)
    photo = picture.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
    found = file.run(photo)
    raw = {name: found[name] for name in network.network.names}
    expected = network.answers(raw, *sides(2 * size, 2 * size, network.fit))
    shares = [
        float(torch.isclose(found[name].double(), one.double(), atol=1e-3).double().mean())
        for name, one in expected.items()
    ]
    # Two photos at once that grow one way and shrink the other, with a channel to be ignored; a
    # colour that is a half may be rounded otherwise, so that most values must agree, not all.
    shape = (2, max(size // 3, 1), 2 * size + 1, 4)
    photos = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    ours, theirs = network(photos), file.run(photos)
    close = [
        float((each <= TOLERANCE).double().mean())
        for each in _differences({name: theirs[name] for name in network.network.names}, ours)
    ]
    return {
        "resized": _largest(_differences(raw, file.run(picture))),
        "answers": min(shares, default=1.0),
        "odd": min(close),
    }


@torch.inference_mode()
def _outputs(model: MultiTaskModel, views: Views, images: Tensor) -> dict[str, Tensor]:
    return model.forward_views(views(LabelledImages.without_labels(images)), views.routes)


def _differences(found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> list[Tensor]:
    """|found − expected| of each output, as parts of the run's largest value where that is > 1."""
    return [
        (output - expected[name]).abs() / expected[name].abs().max().clamp_min(1)
        for name, output in found.items()
    ]


def _largest(differences: Sequence[Tensor]) -> float:
    return max(float(one.max()) for one in differences)


def _closest(differences: Sequence[Tensor]) -> float:
    """The largest difference of any output on the image where that is least."""
    by_image = torch.stack([one.flatten(1).amax(dim=1) for one in differences]).amax(dim=0)
    return float(by_image.min())


def require(agreed: Agreement, out: Path) -> None:
    """Raises :class:`AuxsegError` where a file is not to be written."""
    if not agreed:
        raise AuxsegError(f"{out}: not written, it is not what the run computes ({agreed})")
