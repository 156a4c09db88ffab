"""From files to batches: data sets, splits, the decoded cache, augmentation, loaders."""

from auxseg.data.base import Dataset, Split
from auxseg.data.datasets import DATASETS

__all__ = ["DATASETS", "Dataset", "Split"]
