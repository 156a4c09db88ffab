"""Masks, classes and boxes for photos, from runs and exported files."""

from auxseg.predict.exported import open_exported
from auxseg.predict.files import find_images, output_names, predict_files, write_pictures
from auxseg.predict.predictor import Prediction, Predictor, load

__all__ = [
    "Prediction",
    "Predictor",
    "find_images",
    "load",
    "open_exported",
    "output_names",
    "predict_files",
    "write_pictures",
]
