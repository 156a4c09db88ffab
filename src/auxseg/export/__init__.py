"""A trained network as one file, with nothing in it that the chosen tasks do not need."""

from auxseg.export.export import FORMATS, Exported, export

__all__ = ["FORMATS", "Exported", "export"]
