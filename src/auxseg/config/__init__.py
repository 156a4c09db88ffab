"""The configuration of a run, and how command lines, YAML files and keywords become one."""

from auxseg.config.interval import Interval
from auxseg.config.keys import dotted, flags, hints, leaves, plain
from auxseg.config.schema import (
    CACHES,
    GROUPS,
    AugmentationConfig,
    Config,
    DataConfig,
    ModelConfig,
    TasksConfig,
)
from auxseg.config.training import LOGGERS, NON_FINITE, TrainingConfig

__all__ = [
    "CACHES",
    "GROUPS",
    "LOGGERS",
    "NON_FINITE",
    "AugmentationConfig",
    "Config",
    "DataConfig",
    "Interval",
    "ModelConfig",
    "TasksConfig",
    "TrainingConfig",
    "dotted",
    "flags",
    "hints",
    "leaves",
    "plain",
]
