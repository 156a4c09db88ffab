"""Data sets. Adding one is a file in this folder and a line in :data:`DATASETS`."""

from auxseg.data.base import Dataset, Split
from auxseg.data.folder import Folder
from auxseg.data.oxford_pet import OxfordPet
from auxseg.data.oxpet_h5 import OxpetH5
from auxseg.data.shapes import Shapes

__all__ = ["DATASETS", "Dataset", "Split"]

DATASETS: dict[str, type[Dataset]] = {
    data.NAME: data for data in (Shapes, OxfordPet, Folder, OxpetH5)
}
