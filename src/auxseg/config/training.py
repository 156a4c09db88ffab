"""How a run trains: length, rates, balancer, precision, checkpoints, devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from auxseg.config.interval import Interval
from auxseg.config.option import Group, option
from auxseg.errors import UsageError

#: How long a run trains that is not told.
EPOCHS = 30
#: How often a run of a number of steps is validated.
VALIDATIONS = 20
#: What ``training.non_finite`` allows.
#: What ``training.logger`` allows.
LOGGERS = ("tensorboard", "csv", "mlflow", "wandb")
NON_FINITE = ("stop", "skip")


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
        "what to do when a loss is not finite: stop, with a message that names the task, the step "
        "and the images, or skip the step and count it",
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
    logger: tuple[str, ...] = option(
        ("tensorboard",),
        "where training is followed besides history.csv, by Lightning's loggers; mlflow and wandb "
        "need their packages",
        flag="logger",
    )
    log_images: int = option(
        4,
        "validation photos that TensorBoard shows after every validation, with truth and "
        "prediction; 0 for none",
        minimum=0,
        maximum=64,
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
