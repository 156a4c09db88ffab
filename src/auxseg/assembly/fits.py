"""Configuration → how photos become the network's pictures."""

from __future__ import annotations

from auxseg.config import Config
from auxseg.data import Dataset
from auxseg.data.arrays import DecodedArrays
from auxseg.data.crops import Crops
from auxseg.data.fits import FITS, Fit
from auxseg.errors import UsageError
from auxseg.tasks import TASKS
from auxseg.types import IGNORE_INDEX


def make_fit(config: Config, dataset: Dataset | None = None) -> Fit:
    """How photos become the network's pictures.

    Args:
        dataset: whose own size is taken where the configuration names none.

    Raises:
        UsageError: a task learns what crops do not show.
    """
    data = config.data
    size = data.image_size or (dataset.IMAGE_SIZE if dataset else None)
    assert size is not None
    fit = FITS[data.fit](size, data.scale)
    of_photos = [name for name in config.tasks.names if TASKS[name].LABEL in ("label", "box")]
    if of_photos and not fit.WHOLE:
        raise UsageError(
            f"--fit tile: {', '.join(of_photos)} is of the whole photo, which a crop does not "
            "show; leave the task out, or take --fit letterbox"
        )
    return fit


def make_crops(
    config: Config,
    fit: Fit,
    arrays: DecodedArrays,
    train: tuple[int, ...],
    masks: tuple[int, ...] | None,
) -> Crops:
    """How training images are cropped: rare is what the masks that may be seen seldom show."""
    assert arrays.counts is not None
    masked = [index for index in (train if masks is None else masks) if arrays.has_mask[index]]
    counts = arrays.counts[masked].sum(axis=0)[:IGNORE_INDEX]
    return Crops(
        fit.size,
        config.training.seed,
        config.data.rare_crops,
        frequency=tuple((counts / max(1, counts.sum())).tolist()),
        masked=frozenset(masked),
    )
