"""The configuration of one run: frozen dataclasses of plain values.

Every field carries its help text and, where the command line has a short form, its flag:
``--epochs 30`` and ``--training.epochs 30`` are the same option. :mod:`auxseg.config.parsing` turns
command lines, YAML files and Python keyword arguments into a :class:`Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from auxseg.config.option import Group, option
from auxseg.config.training import TrainingConfig

#: What ``data.cache`` allows.
CACHES = ("all", "none")
#: ``--weights`` of an encoder that starts from random weights.
NO_WEIGHTS = "none"


@dataclass(frozen=True)
class DataConfig(Group):
    """Which images, which labels, which size."""

    GROUP = "data"

    name: str = option("shapes", "the data set", flag="data")
    root: str | None = option(None, "the data set's folder", flag="root")
    split: str | None = option(
        None,
        "how images are split into train, val and test: the name of one of the data set's splits, "
        "the first by default, or a split file (FILE.csv, such as the split.csv of a run). folder "
        "has masked (photos without a mask are only trained on), grouped (the same, with photos "
        "that look alike in one part) and stratified (60/20/20 of all)",
        flag="split",
    )
    split_seed: int = option(
        0, "seed of that split; fixed, so that runs of any --seed share it", minimum=0
    )
    image_size: int | None = option(
        None,
        "square size of the network's pictures in pixels; the data set's own size by default",
        flag="image-size",
        minimum=8,
        maximum=4096,
    )
    fit: str = option(
        "stretch",
        "how photos become pictures of that size: stretch, letterbox (the longer side fills it, "
        "the rest is padding), or tile (crops of the photo; class and box of a whole photo mean "
        "nothing there)",
        flag="fit",
    )
    scale: float = option(
        1.0,
        "tile: photos are read at so many times their own size",
        above=0,
        maximum=8,
        needs="data.fit=tile",
    )
    rare_crops: float = option(
        0.5,
        "tile: share of the training crops that lie around a pixel of a rare class; the others "
        "lie anywhere",
        minimum=0,
        maximum=1,
        needs="data.fit=tile",
    )
    limit: int | None = option(
        None, "train on this many images, drawn stratified by class", flag="limit", minimum=1
    )
    labels: int | None = option(
        None,
        "keep this many masks of the training images; all images and other labels stay",
        flag="labels",
        minimum=1,
    )
    train_on: str = option(
        "train",
        "the images to train on; train+val is for a final fit after tuning: nothing is left to "
        "validate on, so the last epoch is kept",
        flag="train-on",
    )
    unlabelled: str | None = option(
        None,
        "a folder of further training images without labels, for the tasks that need none",
        flag="unlabelled",
    )
    unlabelled_ratio: float = option(
        1.0,
        "images without the primary task's label per image with it in every step, where there are "
        "any that a task can learn from; an epoch is one pass over the images with it",
        above=0,
        maximum=100,
    )
    ignore_index: int | None = option(
        None,
        "mask value of pixels without a label (folder)",
        flag="ignore-index",
        minimum=0,
        maximum=255,
    )
    cache: str = option(
        "all",
        "what is kept of decoded images: all of their pixels, or none, for a data set larger than "
        "the disk: then every batch decodes its own, which takes loader processes",
    )
    cache_dir: str | None = option(None, "where decoded images are kept; $AUXSEG_CACHE by default")
    cache_limit: float | None = option(
        None,
        "GB that all caches of decoded images may take together: those that were not used for "
        "longest go first; no limit by default",
        above=0,
    )
    num_workers: int | None = option(
        None, "loader processes; by default 0 on a CPU and 4 beside a GPU", minimum=0
    )
    options: dict[str, Any] = option({}, "the data set's own options, such as data.options.border")


@dataclass(frozen=True)
class AugmentationConfig(Group):
    """Random changes of the training images, one draw per image and epoch (docs/experiments.md)."""

    GROUP = "augmentation"

    flip: float = option(0.5, "probability of a horizontal flip", minimum=0, maximum=1)
    scale: tuple[float, float] = option((0.8, 1.25), "range of the zoom factor", above=0, maximum=8)
    rotation: float = option(
        10.0, "largest rotation either way, in degrees", minimum=0, maximum=180
    )
    translation: float = option(
        0.1,
        "largest shift either way, as a fraction of the side; with scale > 1 it is the random crop",
        minimum=0,
        maximum=1,
    )
    brightness: float = option(
        0.2, "largest change of brightness, as a fraction", minimum=0, maximum=1
    )
    contrast: float = option(0.2, "largest change of contrast, as a fraction", minimum=0, maximum=1)
    saturation: float = option(
        0.2, "largest change of saturation, as a fraction", minimum=0, maximum=1
    )
    hue: float = option(
        10.0, "largest rotation of the hue either way, in degrees", minimum=0, maximum=180
    )


@dataclass(frozen=True)
class ModelConfig(Group):
    """Architecture, size and starting weights."""

    GROUP = "model"

    architecture: str = option("hard-sharing", "how tasks share the network")
    encoder: str = option("vgg16", "the backbone", flag="encoder")
    decoder: str = option(
        "auto", "of dense tasks; auto is segnet where the encoder has pooling indices, else unet"
    )
    columns: tuple[str, ...] = option(
        (),
        "progressive networks: the tasks in the order of their columns; by default the auxiliary "
        "tasks first, the primary one last",
    )
    width: float = option(
        1.0, "scales every channel count of the built-in encoders", flag="width", above=0, maximum=8
    )
    pretrained: bool = option(True, "whether the encoder starts from model.weights")
    weights: str = option(
        None,
        "starting weights: imagenet (the encoder's published ones, downloaded), none, a file for "
        "the encoder, or a run directory, whose whole network is taken as far as it fits; by "
        "default imagenet for a pre-trained encoder",
        flag="weights",
        needs="model.pretrained",
        takes=str | None,
    )
    freeze: bool = option(
        False, "train everything but the encoder, whose batch statistics stay as well"
    )
    freeze_norms: bool = option(
        False,
        "train the encoder, but keep the batch statistics of its pre-trained weights: those of "
        "small batches are noisy",
        needs="model.weights",
    )
    calibrate: bool = option(
        True,
        "let fresh batch norms reproduce the features of loaded weights at step 0",
        needs="model.weights",
    )
    grey: str = option(
        "skip",
        "the pre-trained first convolution where the input has one channel: not loaded (the "
        "paper), or summed over RGB",
        needs="model.weights",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.weights is None:  # a run's file says what was used
            weights = "imagenet" if self.pretrained else NO_WEIGHTS
            object.__setattr__(self, "weights", weights)


@dataclass(frozen=True)
class TasksConfig(Group):
    """What the network learns; the first task is the primary one."""

    GROUP = "tasks"

    names: tuple[str, ...] = option(("segmentation",), "the tasks, the primary one first")
    weights: dict[str, float] = option(
        {}, "weight of a task's loss, where not the task's default", minimum=0
    )
    views: str = option(
        "shared",
        "one input for all tasks, or one for each that asks for an altered one",
        flag="views",
    )
    options: dict[str, dict[str, Any]] = option(
        {}, "options of a task, such as tasks.options.bbox.scale"
    )


@dataclass(frozen=True)
class Config:
    """Everything that decides a run's result."""

    preset: str
    data: DataConfig = field(default_factory=DataConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    tasks: TasksConfig = field(default_factory=TasksConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)


#: Configuration groups by name, in the order of the help text.
GROUPS: dict[str, type] = {
    "data": DataConfig,
    "augmentation": AugmentationConfig,
    "model": ModelConfig,
    "tasks": TasksConfig,
    "training": TrainingConfig,
}
