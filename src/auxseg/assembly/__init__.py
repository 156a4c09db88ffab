"""Configuration → objects: data set, tasks, model, balancer, loaders."""

from auxseg.assembly.data import (
    TRAIN_ON,
    Data,
    measured,
    moved,
    open_data,
    open_dataset,
    resolve,
    unlabelled_per_step,
)
from auxseg.assembly.loaders import (
    EVALUATION_SEED,
    Prepare,
    make_augment,
    make_eval_loader,
    make_train_loader,
)
from auxseg.assembly.network import (
    assemble,
    check_weights,
    dtype_of,
    load_starting_weights,
    make_balancer,
    make_model,
    make_tasks,
    make_views,
    set_up,
    starting_weights,
)
from auxseg.balancing import BALANCERS
from auxseg.data import DATASETS
from auxseg.models import ARCHITECTURES, checkpointing
from auxseg.models.encoders.vgg16_weights import GREY
from auxseg.tasks import MODES, TASKS

__all__ = [
    "CHOICES",
    "EVALUATION_SEED",
    "Data",
    "Prepare",
    "assemble",
    "check_weights",
    "dtype_of",
    "load_starting_weights",
    "make_augment",
    "make_balancer",
    "make_eval_loader",
    "make_model",
    "make_tasks",
    "make_train_loader",
    "make_views",
    "measured",
    "moved",
    "open_data",
    "open_dataset",
    "resolve",
    "set_up",
    "starting_weights",
    "unlabelled_per_step",
]

#: Allowed values of the options that name something, for command lines and checks.
CHOICES: dict[str, tuple[str, ...]] = {
    "data.name": tuple(DATASETS),
    "data.train_on": TRAIN_ON,
    "model.architecture": tuple(ARCHITECTURES),
    "model.grey": GREY,
    "tasks.names": tuple(TASKS),
    "tasks.views": MODES,
    "training.balancer": tuple(BALANCERS),
    "training.checkpointing": checkpointing.MODES,
    "training.precision": ("32-true", "bf16-mixed", "16-mixed"),
}
