"""What a run makes of held-back photos, as one picture for a notebook."""

from __future__ import annotations

import io
from pathlib import Path

from PIL import Image

from auxseg.assembly import Data
from auxseg.report.gallery import gallery_figure
from auxseg.report.photos import open_photos
from auxseg.report.systems import find_systems, measured_split

DPI = 100


def picture(run_dir: Path, root: str | None = None, opened: Data | None = None) -> Image.Image:
    """Photo, truth and prediction of the best photos, the worst, and some between them.

    Of test photos where the run was tested, else of validation photos.

    Args:
        root: where the data set lies now, if it moved since training.
        opened: the run's data set, decoded at its size, where it is open already.

    Raises:
        AuxsegError: the data cannot be read any more.
    """
    systems = find_systems([run_dir])
    photos = open_photos(systems, measured_split(systems), root, opened)
    figure = gallery_figure(photos.data.dataset, photos.choices, photos.predictors, photos.scores)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DPI)
    return Image.open(stream)
