"""The configuration of one run: frozen dataclasses of plain values.

Every field carries its help text and, where the command line has a short form, its flag:
``--epochs 30`` and ``--training.epochs 30`` are the same option. :mod:`auxseg.config.parsing` turns
command lines, YAML files and Python keyword arguments into a :class:`Config`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from auxseg.config.interval import Interval
from auxseg.config.option import Group, option
from auxseg.errors import UsageError

#: How long a run trains that is not told.
EPOCHS = 30
#: How often a run of a number of steps is validated.
VALIDATIONS = 20
#: What ``data.cache`` allows.
CACHES = ("all", "none")
#: What ``training.non_finite`` allows.
NON_FINITE = ("stop", "skip")
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
        "has masked (photos without a mask are only trained on) and stratified (60/20/20 of all)",
        flag="split",
    )
    split_seed: int = option(
        0, "seed of that split; fixed, so that runs of any --seed share it", minimum=0
    )
    image_size: int | None = option(
        None,
        "images are stretched to this square size in pixels; the data set's own size by default",
        flag="image-size",
        minimum=8,
        maximum=4096,
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
class TrainingConfig(Group):
    """Optimisation; the defaults were chosen on validation data (docs/experiments.md)."""

    GROUP = "training"

    epochs: int | None = option(
        None,
        "passes over the training images that have the primary task's label; 30 by default",
        flag="epochs",
        minimum=1,
        replaces=("training.steps", "training.validate_every"),
    )
    steps: int | None = option(
        None,
        "train for this many steps, however many passes these are: the alternative to --epochs",
        flag="steps",
        minimum=1,
        replaces=("training.epochs",),
    )
    validate_every: int | None = option(
        None,
        "steps from one validation, and row of history.csv, to the next; such a stretch counts as "
        "an epoch; a twentieth of training.steps by default",
        minimum=1,
        needs="training.steps",
    )
    checkpoint_every: int | str | None = option(
        None,
        "also write a checkpoint within an epoch, every so many steps (500) or seconds (60s); "
        "there is one after every epoch, and on SIGTERM and Ctrl-C",
    )
    stop_after: int | None = option(
        None,
        "stop after this many of the epochs; the learning rate falls as if all were to come",
        minimum=1,
    )
    batch_size: int = option(5, "images per step", flag="batch-size", minimum=1)
    seed: int = option(
        0, "seed of weights, data order, label subsets and augmentation", flag="seed", minimum=0
    )
    lr: float = option(3e-4, "largest learning rate of AdamW", above=0)
    encoder_lr: float = option(
        1.0, "the encoder's learning rate, as a multiple of training.lr", above=0, maximum=100
    )
    weight_decay: float = option(
        1e-2, "decoupled weight decay of AdamW (not on biases and norms)", minimum=0
    )
    warmup: float = option(
        0.05,
        "share of the steps in which the rate rises linearly, before it falls by a cosine",
        minimum=0,
        maximum=1,
    )
    ema: float | None = option(
        None,
        "decay of the weights' exponential moving average, which then is what is validated, kept, "
        "predicted and exported; 0.99 follows the last 100 steps; by default no average",
        above=0,
        maximum=0.99999,
    )
    clip_norm: float | None = option(None, "largest norm of the gradient", above=0)
    non_finite: str = option(
        "stop",
        "what to do where a loss is no number: stop, with a message that names task, step and "
        "images, or skip the step and count it",
    )
    balancer: str = option("fixed", "how task losses become one update", flag="balancer")
    balancer_options: dict[str, Any] = option({}, "the balancer's own options")
    conflict_every: int = option(
        0,
        "steps of an epoch between measurements of the cosines between the tasks' gradients on the "
        "shared parameters, which cost a backward pass per task; 0 for none",
        minimum=0,
    )
    precision: str = option(
        "32-true",
        "Lightning's precision; bf16-mixed or 16-mixed on GPUs; on CPUs bf16-mixed is faster only "
        "where they have AMX, and very slow elsewhere",
    )
    compile: bool = option(
        False,
        "torch.compile the network: minutes at the start, for faster steps on a GPU; slower on a "
        "CPU (needs a C++ compiler)",
    )
    channels_last: bool = option(
        False, "channels last in memory (NHWC), which 16-bit convolutions on GPUs like best"
    )
    checkpointing: str = option(
        "none",
        "what of the forward pass is computed again in the backward pass to save memory: none, "
        "selective (all but convolutions), full (docs/performance.md)",
    )
    accelerator: str = option(
        "auto", "Lightning's accelerator: auto, cpu, gpu, …", flag="accelerator"
    )
    devices: int | tuple[int, ...] | str = option(
        1,
        "Lightning's devices: how many, which ones (as 0,1 or, for a single one, as 1,), or auto",
        flag="devices",
        minimum=0,
    )

    nodes: int = option(
        1, "machines that train together, each with training.devices (torchrun, Slurm)", minimum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.checkpoint_interval  # raises where it is none
        if self.devices == 0:
            raise UsageError("training.devices: must be at least 1, got 0")
        if self.steps is None:
            object.__setattr__(self, "epochs", self.epochs or EPOCHS)
        elif self.epochs is not None:
            raise UsageError("training.epochs and training.steps exclude each other; give one")
        elif self.validate_every is None:
            object.__setattr__(self, "validate_every", -(-self.steps // VALIDATIONS))

    @property
    def alone(self) -> bool:
        """Whether one process trains, and not several together."""
        return self.devices == 1 and self.nodes == 1

    @property
    def checkpoint_interval(self) -> Interval | None:
        """``checkpoint_every``, read."""
        if self.checkpoint_every is None:
            return None
        return Interval.parse("training.checkpoint_every", self.checkpoint_every)

    @property
    def all_epochs(self) -> int:
        """The epochs of a whole run: with ``steps``, from one validation to the next."""
        if self.epochs is not None:
            return self.epochs
        assert self.steps is not None
        assert self.validate_every is not None
        return -(-self.steps // self.validate_every)

    @property
    def last_epoch(self) -> int:
        """The number of epochs that are trained."""
        return min(self.all_epochs, self.stop_after or self.all_epochs)

    @property
    def length(self) -> str:
        """How long is trained, in words: ``30 epochs`` or ``800 steps``."""
        if self.steps is None:
            return f"{self.last_epoch} epochs"
        assert self.validate_every is not None
        return f"{min(self.steps, self.last_epoch * self.validate_every)} steps"


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
