"""Data sets. Adding one is a file in this folder and a line in :data:`DATASETS`."""

from auxseg.data.base import Dataset
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.datasets.oxford_pet.dataset import OxfordPet
from auxseg.data.datasets.oxpet_h5 import OxpetH5
from auxseg.data.datasets.shapes.dataset import Shapes

__all__ = ["DATASETS"]

DATASETS: dict[str, type[Dataset]] = {
    data.NAME: data for data in (Shapes, OxfordPet, Folder, OxpetH5)
}
