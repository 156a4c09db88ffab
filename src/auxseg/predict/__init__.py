"""Masks, classes and boxes for photos, from runs and exported files."""

from auxseg.predict.exported import open_exported
from auxseg.predict.files import predict_files
from auxseg.predict.outputs import PLAIN, Wanted
from auxseg.predict.photos import find_images, output_names
from auxseg.predict.predictor import Prediction, Predictor, load

__all__ = [
    "PLAIN",
    "Prediction",
    "Predictor",
    "Wanted",
    "find_images",
    "load",
    "open_exported",
    "output_names",
    "predict_files",
]
