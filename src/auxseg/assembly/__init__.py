"""Configuration → objects: data set, tasks, model, balancer, loaders."""

from auxseg.assembly.data import (
    TRAIN_ON,
    Data,
    expects_others,
    measured,
    moved,
    open_data,
    open_dataset,
    others_per_step,
    resolve,
)
from auxseg.assembly.fits import make_fit
from auxseg.assembly.loaders import (
    EVALUATION_SEED,
    Prepare,
    make_augment,
    make_eval_loader,
    make_train_loader,
)
from auxseg.assembly.network import (
    AUTO,
    assemble,
    check,
    connect,
    dtype_of,
    freeze,
    make_model,
    set_up,
)
from auxseg.assembly.tasks import (
    answering,
    class_pixels,
    make_balancer,
    make_tasks,
    make_views,
    show_pixels,
)
from auxseg.assembly.weights import (
    check_weights,
    load_network,
    load_published,
    load_starting_weights,
    starting_weights,
    weights_licence,
)
from auxseg.balancing import BALANCERS
from auxseg.config import CACHES, LOGGERS, NON_FINITE
from auxseg.data import DATASETS
from auxseg.data.fits import FITS
from auxseg.models import ARCHITECTURES, DECODERS, checkpointing
from auxseg.models.encoders import ENCODER_CHOICES, GREY
from auxseg.tasks import MODES, TASKS

__all__ = [
    "CHOICES",
    "EVALUATION_SEED",
    "Data",
    "Prepare",
    "answering",
    "assemble",
    "check",
    "check_weights",
    "class_pixels",
    "connect",
    "dtype_of",
    "expects_others",
    "freeze",
    "load_network",
    "load_published",
    "load_starting_weights",
    "make_augment",
    "make_balancer",
    "make_eval_loader",
    "make_fit",
    "make_model",
    "make_tasks",
    "make_train_loader",
    "make_views",
    "measured",
    "moved",
    "open_data",
    "open_dataset",
    "others_per_step",
    "resolve",
    "set_up",
    "show_pixels",
    "starting_weights",
    "weights_licence",
]

#: Allowed values of the options that name something, for command lines and checks.
CHOICES: dict[str, tuple[str, ...]] = {
    "data.name": tuple(DATASETS),
    "data.train_on": TRAIN_ON,
    "model.architecture": tuple(ARCHITECTURES),
    "model.encoder": ENCODER_CHOICES,
    "model.decoder": (AUTO, *DECODERS),
    "model.grey": GREY,
    "tasks.names": tuple(TASKS),
    "tasks.views": MODES,
    "training.balancer": tuple(BALANCERS),
    "training.checkpointing": checkpointing.MODES,
    "training.logger": LOGGERS,
    "training.non_finite": NON_FINITE,
    "data.cache": CACHES,
    "data.fit": tuple(FITS),
    "training.precision": ("32-true", "bf16-mixed", "16-mixed"),
}
