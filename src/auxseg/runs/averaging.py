"""What several looks at an image answer on average: mirrored, at other scales, by other runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from auxseg.errors import UsageError
from auxseg.tasks import Task

#: What ``--tta`` takes beside scales.
FLIP = "flip"
#: Scales that make sense.
LEAST, MOST = 0.25, 4.0

#: Changes the images (N, C, H, W) that a network is shown.
Change = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Looks:
    """Further looks of one network at each image: test-time augmentation.

    Every scale is looked at, mirrored as well with ``flip``; the image as it is always is.

    Attributes:
        flip: also look at the mirrored image.
        scales: further sizes, as factors of the network's own.
    """

    flip: bool = False
    scales: tuple[float, ...] = ()

    @property
    def key(self) -> str:
        """Tells it from others; empty without any."""
        return " ".join([FLIP] * self.flip + [f"{scale:g}" for scale in self.scales])

    def average(
        self, tasks: Mapping[str, Task], answer: Callable[[Change], Mapping[str, Tensor]]
    ) -> dict[str, Tensor]:
        """The mean answer of a network.

        Args:
            tasks: whose answers are wanted.
            answer: runs the network on changed images; task → output (N, K, …).
        """
        found: dict[str, list[Tensor]] = {name: [] for name in tasks}
        for scale in (1.0, *self.scales):
            for mirror in (False, True)[: 1 + self.flip]:
                outputs = answer(_changed(scale, mirror))
                for name, task in tasks.items():
                    output = outputs[name]
                    if found[name] and output.ndim == 4:
                        output = _resized(output, found[name][0].shape[-2:])
                    found[name].append(task.mirrored(output) if mirror else output)
        return {name: combined(tasks[name], outputs) for name, outputs in found.items()}


#: One look at each image.
ONCE = Looks()


def parse_looks(words: Sequence[str] | None) -> Looks:
    """What ``--tta`` says: ``flip``, scales, or both; raises :class:`UsageError`."""
    scales = []
    for word in words or ():
        if word == FLIP:
            continue
        try:
            scale = float(word)
        except ValueError:
            scale = 0.0
        if not LEAST <= scale <= MOST or scale == 1:
            raise UsageError(
                f"--tta: {word!r} is neither {FLIP} nor a scale from {LEAST} to {MOST} (but 1)"
            )
        scales.append(scale)
    return Looks(FLIP in (words or ()), tuple(scales))


def combined(task: Task, outputs: Sequence[Tensor]) -> Tensor:
    """The mean of several outputs of a task; a single one as it is."""
    return outputs[0] if len(outputs) == 1 else task.averaged(outputs)


def _changed(scale: float, mirror: bool) -> Change:
    def change(images: Tensor) -> Tensor:
        if scale != 1:
            size = [max(1, round(scale * side)) for side in images.shape[-2:]]
            images = F.interpolate(
                images, size, mode="bilinear", align_corners=False, antialias=True
            )
        return images.flip(-1) if mirror else images

    return change


def _resized(output: Tensor, size: Sequence[int]) -> Tensor:
    """A dense output at another size; as it is where it has it."""
    if tuple(output.shape[-2:]) == tuple(size):
        return output
    return F.interpolate(output.float(), tuple(size), mode="bilinear", align_corners=False)
