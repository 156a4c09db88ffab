"""A few validation photos after every validation, in TensorBoard: photo, truth and prediction."""

from __future__ import annotations

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import TensorBoardLogger

from auxseg import assembly
from auxseg.config import Config
from auxseg.data.keys import Key
from auxseg.data.loaders import Reader
from auxseg.tasks import draw_all
from auxseg.training.module import MultiTaskModule
from auxseg.types import NO_LABEL, LabelledImages, Sample

#: Pixels between two pictures of the grid.
GAP = 4


class Pictures(Callback):
    """Draws the same photos each time, a row of the grid for each.

    Args:
        data: photos at equal distances among its validation photos are taken.
        count: of the photos, at least 1.
    """

    def __init__(self, config: Config, data: assembly.Data, count: int) -> None:
        val = data.split.val
        places = np.linspace(0, len(val) - 1, min(count, len(val))).round().astype(int)
        self.config = config
        self.reader = Reader(data.arrays)  # --labels hides no mask of validation photos
        self.numbers = [val[place] for place in dict.fromkeys(places.tolist())]

    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        assert isinstance(pl_module, MultiTaskModule)
        boards = [one for one in trainer.loggers if isinstance(one, TensorBoardLogger)]
        if not boards or not trainer.is_global_zero:
            return
        grid = self.grid(pl_module)
        for board in boards:
            board.experiment.add_image(
                "val/photo, truth, prediction", grid, trainer.current_epoch + 1, dataformats="HWC"
            )

    def grid(self, module: MultiTaskModule) -> np.ndarray:
        """uint8 (H, W, 3)."""
        images = self.reader.__getitems__([Key(0, number) for number in self.numbers])
        views = assembly.make_views(self.config, module.tasks)
        prepare = assembly.Prepare(views, None, assembly.EVALUATION_SEED)
        batch = module.transfer_batch_to_device(prepare(images), module.device, 0)
        outputs = module.kept.forward_views(batch.views, batch.routes)
        drawn = {name: task for name, task in module.tasks.items() if task.LAYER is not None}
        rows = []
        for row in range(len(self.numbers)):
            sample = _sample(images, row)
            photo = sample.image
            size = (photo.shape[0], photo.shape[1])
            truth = {name: task.label(sample) for name, task in drawn.items()}
            found = {
                name: task.decode(outputs[name][row].float(), size) for name, task in drawn.items()
            }
            cells = [photo, *(draw_all(photo, drawn, one) for one in (truth, found))]
            rows.append(np.concatenate([_framed(cell) for cell in cells], axis=1))
        return np.concatenate(rows)


def _sample(images: LabelledImages, row: int) -> Sample:
    """One of the images with its labels."""
    label, box = int(images.label[row]), images.box[row].numpy()
    return Sample(
        (255 * images.image[row]).round().byte().permute(1, 2, 0).numpy(),
        mask=images.mask[row].numpy() if images.has_mask[row] else None,
        label=None if label == NO_LABEL else label,
        box=None if np.isnan(box).any() else box,
    )


def _framed(picture: np.ndarray) -> np.ndarray:
    """With a white edge to the right and below."""
    return np.pad(picture, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)
