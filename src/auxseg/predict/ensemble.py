"""Several networks that answer as one, each of them looking several times."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

from torch import Tensor

from auxseg.errors import UsageError
from auxseg.predict.network import Network, Outputs
from auxseg.runs.averaging import Change, Looks, combined
from auxseg.runs.members import common_tasks


class Ensemble(Network):
    """The mean answer of networks.

    Args:
        members: runs or exported files by their names, the first one first; of one size.
        looks: of each of them at every photo.

    Raises:
        UsageError: they do not go together.
    """

    def __init__(self, members: Mapping[str, Network], looks: Looks) -> None:
        (name, first), *others = members.items()
        for one, network in members.items():
            if looks.scales and not network.any_size:
                raise UsageError(
                    f"--tta: {one} takes pictures of {network.size}×{network.size} pixels only, so "
                    "that there are no other scales; take the run, or `auxseg export --input "
                    "picture`"
                )
        for other, network in others:
            if network.fit.shown != first.fit.shown:
                raise UsageError(
                    f"--with: {other} sees {network.fit.shown} pixels, and {name} {first.fit.shown}"
                )
        self.members, self.looks = tuple(members.values()), looks
        self.tasks = common_tasks(first.tasks, {one: network.tasks for one, network in others})
        self.preset, self.fit = first.preset, first.fit
        parts = [looks.key, *(network.checksum for network in self.members)]
        self.checksum = blake2b("\n".join(parts).encode(), digest_size=16).hexdigest()

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        found = []
        for network in self.members:

            def answer(change: Change, network: Network = network) -> Mapping[str, Tensor]:
                return network(change(images), seed=seed).tasks

            found.append(self.looks.average(self.tasks, answer))
        return Outputs(
            {
                name: combined(task, [outputs[name].cpu() for outputs in found])
                for name, task in self.tasks.items()
            }
        )
