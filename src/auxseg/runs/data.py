"""The data of a run, always with the split that it was started with."""

from __future__ import annotations

from dataclasses import replace

from auxseg import assembly
from auxseg.config import Config, DataConfig
from auxseg.data import Dataset
from auxseg.data.kept import KeptSplit
from auxseg.data.renumbered import in_classes_of
from auxseg.errors import DataError, UsageError
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import TASKS
from auxseg.types import ClassNames


def open_run_data(
    run: RunDirectory, root: str | None = None, *, opened: assembly.Data | None = None
) -> assembly.Data:
    """Opens what a run was trained on, to measure it or to show it.

    Images that were added since count as training images, so that none of them that was trained on
    is ever measured; those that are gone are passed over.

    Args:
        root: where the data set lies now, if it moved since training.
        opened: the run's data set, decoded at its size, where it is open already.

    Raises:
        UsageError: the data set has other classes than the run.
        DataError: the data set cannot be read.
    """
    config, classes = run.read_config()
    config = assembly.measured(assembly.moved(config, root))
    dataset = opened.dataset if opened else assembly.open_dataset(config.data)
    check_classes(dataset, classes)
    return assembly.open_data(config, dataset, kept=run.read_split(), opened=opened)


def is_new(run: RunDirectory, root: str | None) -> bool:
    """Whether a folder holds none of the images that a run was started with."""
    kept = run.read_split()
    if root is None or kept is None:
        return False
    dataset = assembly.open_dataset(assembly.moved(run.read_config()[0], root).data)
    return not any(dataset.name(number) in kept.parts for number in range(len(dataset)))


def open_new_data(run: RunDirectory, root: str | None) -> assembly.Data:
    """Labelled images that a run was started without, as its test images.

    The folder may have other kinds of labels than the run's, and classes in another order, or
    fewer of them: classes are told by their names.

    Args:
        root: the folder; None for the run's own, to which images were added since.

    Raises:
        UsageError: there is a class that the run does not know.
        DataError: the folder cannot be read, or the run was started with all of its images.
    """
    config, classes = run.read_config()
    config = assembly.measured(assembly.moved(config, root))
    data = replace(config.data, limit=None, labels=None, train_on="train")
    kinds = {TASKS[name].LABEL for name in config.tasks.names}
    used = ClassNames(classes.mask, classes.label if "label" in kinds else ())
    dataset = in_classes_of(assembly.open_dataset(data), used)
    kept = run.read_split()
    known = {} if kept is None else kept.parts
    names = [dataset.name(number) for number in range(len(dataset))]
    parts = {name: "train" if name in known else "test" for name in names}
    if "test" not in parts.values():
        raise DataError(
            f"{data.root or data.name}: the run was started with all of its {len(names)} images; "
            "there is no new one"
        )
    split = KeptSplit(run.split_file, parts)
    return assembly.open_data(replace(config, data=data), dataset, kept=split)


def open_training_data(
    run: RunDirectory, config: Config, dataset: Dataset, *, resume: bool, split: KeptSplit | None
) -> assembly.Data:
    """Opens what a run is to be trained on; one that goes on has the split it was started with.

    Args:
        split: where it starts from scratch, the split to train with; None for the configuration's.

    Raises:
        UsageError: a run that goes on had other classes.
        DataError: the data set, or a split file, cannot be read.
    """
    if resume and run.checkpoint() is not None:
        check_classes(dataset, run.read_config()[1])
    own = run.read_split() if resume else None
    return assembly.open_data(config, dataset, kept=own or split)


def split_to_refit(run: RunDirectory, data: DataConfig) -> KeptSplit | None:
    """The split for a final fit: a tuning run's, so that its test images stay test images.

    Images that came later are trained on.

    Args:
        data: the new run's options. Where they ask for other images or for another split than the
            tuning run's, that split does not apply.

    Returns:
        None where it does not apply, or the tuning run is of before splits were kept.
    """
    before = run.read_config()[0].data
    deciding = ("name", "split", "split_seed", "options")
    if any(getattr(before, key) != getattr(data, key) for key in deciding):
        return None
    return run.read_split()


def check_bare(config: Config, data: assembly.Data) -> None:
    """Raises :class:`DataError` where a task asks a teacher and there is no photo to ask it of."""
    asking = [name for name in config.tasks.names if TASKS[name].ASKS_TEACHER]
    if asking and not data.others:
        raise DataError(
            f"{', '.join(asking)}: learns from photos without a mask, and there is none to train "
            "on; add some with --unlabelled DIR, or leave the task out"
        )


def check_classes(dataset: Dataset, classes: ClassNames) -> None:
    """Raises :class:`UsageError` where a data set's classes are not those of a run.

    Classes of a kind that the run's data had none of may have come since: no task uses them.
    """
    found = dataset.classes
    pairs = ((found.mask, classes.mask), (found.label, classes.label))
    if any(known and now != known for now, known in pairs):
        raise UsageError(f"{dataset.NAME}: its classes {found} are not those of the run, {classes}")
