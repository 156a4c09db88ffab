"""The configuration of a run, and how command lines, YAML files and keywords become one."""

from auxseg.config.keys import dotted, flags, hints, leaves, plain
from auxseg.config.schema import (
    GROUPS,
    AugmentationConfig,
    Config,
    DataConfig,
    ModelConfig,
    TasksConfig,
    TrainingConfig,
)

__all__ = [
    "GROUPS",
    "AugmentationConfig",
    "Config",
    "DataConfig",
    "ModelConfig",
    "TasksConfig",
    "TrainingConfig",
    "dotted",
    "flags",
    "hints",
    "leaves",
    "plain",
]
