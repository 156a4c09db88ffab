"""What a report says: one function per part of the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from auxseg.assembly import EVALUATION_SEED, class_pixels
from auxseg.config import plain
from auxseg.config.values import dump_yaml
from auxseg.report.attention import attention_figure, attention_table
from auxseg.report.classes import class_rows, confusion_figure
from auxseg.report.curves import loss_figure, metric_figure, weights_figure
from auxseg.report.gallery import gallery_figure, spread
from auxseg.report.html import Section
from auxseg.report.inputs import inputs_figure
from auxseg.report.lessons import (
    MOST_DRAWN,
    confident_figure,
    pseudo_labels_figure,
    pseudo_labels_table,
    taught,
)
from auxseg.report.photos import Photos
from auxseg.report.progress import EPOCH_OF_STEPS
from auxseg.report.steps import step_losses_figure, step_weights_figure
from auxseg.report.systems import System, shown
from auxseg.runs.confusion import confusion_file, read_confusion
from auxseg.runs.data import open_run_data
from auxseg.runs.settings import MAY_DIFFER, flat
from auxseg.tasks import Task

#: Photos of which attention masks are shown, and over how many they are measured.
ATTENTION_PHOTOS = 2
#: Systems of which the whole confusion matrix is drawn.
MOST_MATRICES = 4
MEASURED_PHOTOS = 32


def titled(number: str, title: str, paper: bool) -> str:
    """A section's title, with the paper's number for it where the page is about the paper."""
    return f"{number}: {title}" if paper else title[0].upper() + title[1:]


def table_section(rows: list[list[str]], caption: str, *, paper: bool) -> Section:
    """Table 1."""
    note = "The best of a row is bold; – where a system has no such task or no image such a label."
    return Section(titled("Table 1", "every system", paper), [caption, note], tables=[rows])


def classes_section(systems: Sequence[System], split: str) -> Section | None:
    """Every class of the masks; None where no system's first run was evaluated on that part."""
    found = {
        system.name: confusion
        for system in systems
        if (confusion := read_confusion(confusion_file(system.first, "segmentation", split)))
    }
    if not found:
        return None
    tables, figures = [], {}
    for number, (name, confusion) in enumerate(found.items(), start=1):
        header, *rows = class_rows(confusion)
        tables.append([[name, *header[1:]], *rows])
        if len(confusion.classes) > 2 and number <= MOST_MATRICES:
            figures[f"confusion-{number}"] = confusion_figure(confusion)
    text = [
        f"Of the pixels of the {split} images that have a class: IoU, how many of a class's pixels "
        "are found, how many of all pixels are of it, and what its other pixels are most often "
        "taken for. Of systems with several seeds: the run with the first."
    ]
    if figures:
        text.append(
            "Below, the whole matrix, in percent of each true class's pixels (rows), of "
            f"{', '.join(list(found)[: len(figures)])}."
        )
    return Section("Classes: which are found, and what they are taken for", text, figures, tables)


def inputs_section(photos: Photos, *, paper: bool) -> Section | None:
    """Fig. 2, with what the systems answer; None without a task that has a picture of its own."""
    tasks: dict[str, Task] = {}
    outputs: dict[str, dict[str, np.ndarray]] = {}
    fit, photo = photos.data.fit, photos.read(photos.choices[0].index)
    sample = fit.picture(photo)
    shown = sample if fit.WHOLE else fit.example(photo)
    for system, predictor in photos.predictors.items():
        for name, task in predictor.tasks.items():
            if task.LAYER is None:
                tasks.setdefault(name, task)
                seed = None if task.DRAWS_TARGET else EVALUATION_SEED
                answer = predictor.predict(shown.image, seed=seed).pictures[name]
                outputs.setdefault(name, {})[system] = answer
    if not tasks:
        return None
    text = (
        f"One {photos.split} photo at the training size. The target of colorization is drawn at "
        "one lightness: what is to be predicted, and nothing of what is given. Beside the targets, "
        "what the trained systems answer (the given lightness in the colours found)."
    )
    if any(task.DRAWS_TARGET for task in tasks.values()):
        text += (
            " The photo is shown as `auxseg predict` shows it: rotation sees it as it is, "
            "inpainting with every other patch hidden; in training both are drawn."
        )
    return Section(
        titled("Fig. 2", "inputs and targets of the auxiliary tasks", paper),
        [text],
        figures={"fig2-inputs": inputs_figure(list(tasks.values()), sample, outputs)},
    )


def curves_section(systems: Sequence[System], *, paper: bool) -> Section:
    """Fig. 3."""
    figures = {
        "fig3-iou": metric_figure(systems, "val/segmentation/iou", "validation IoU"),
        "fig3-losses": loss_figure(systems),
    }
    text = [
        "Validation IoU of each system (blue; grey: the others), then the unweighted loss of each "
        "task, cut off above 20. Lines are means over seeds, bands run from the least to the "
        "greatest."
    ]
    if len({system.config.training.steps is None for system in systems}) > 1:
        text.append(EPOCH_OF_STEPS)
    pair = tuned_and_equal(systems)
    if pair:
        figures["fig3-weights"] = weights_figure(*pair)
        text.append(f"Last: tuned against equal task weights for {pair[0].name}.")
    return Section(titled("Fig. 3", "training and validation", paper), text, figures)


def steps_section(systems: Sequence[System]) -> Section | None:
    """Losses and weights of every step; None where every system has one task only."""
    several = [system for system in systems if len(system.config.tasks.names) > 1]
    if not any(system.runs[0].read_steps() for system in several):
        return None
    figures = {"step-losses": step_losses_figure(several)}
    text = [
        "The unweighted training loss of each task, step by step (means over neighbouring steps; "
        "of the first seed)."
    ]
    weights = step_weights_figure(several)
    if weights is not None:
        figures["step-weights"] = weights
        text.append(
            "Below, where it changes, the weight that the balancer gave each task's loss or "
            "gradient, as a share of all: the sum differs from method to method. The weights "
            "themselves are in each run's steps.csv."
        )
    return Section("Steps: losses and weights", text, figures)


def lessons_section(systems: Sequence[System], photos: Photos | None) -> Section | None:
    """What the teacher taught; None where no system asked one.

    Args:
        photos: whose data tell how often each class is labelled; None where they cannot be read.
    """
    asked = [system for system in systems if taught(system) is not None]
    if not asked:
        return None
    figures = {"teacher-confident": confident_figure(asked)}
    text = [
        "First the share of pixels that the teacher was sure of: in training of the photos without "
        "a mask, in validation of the validation photos. Only these pixels teach.",
        "Then what it took them for: each class's part of these pixels, its pseudo-labels. The "
        "table gives the parts in the last epoch and, where the data can be read, each class's "
        "part of the labelled training pixels. A class that falls far behind its part there is "
        "one that the teacher misses.",
    ]
    drawn = pseudo_labels_figure(asked)
    if drawn is None:
        text.append(f"With more than {MOST_DRAWN} classes there is the table alone.")
    else:
        figures["teacher-pseudo-labels"] = drawn
    masked = {} if photos is None else labelled_pixels(asked, photos)
    table = pseudo_labels_table(asked, masked)
    return Section("What the teacher taught", text, figures, [table])


def labelled_pixels(systems: Sequence[System], photos: Photos) -> dict[str, np.ndarray]:
    """System name → labelled training pixels of each class, of its first run, where it is known."""
    return {
        system.name: class_pixels(open_run_data(system.runs[0], photos.root, opened=photos.data))
        for system in systems
        if system.name in photos.predictors
    }


def tuned_and_equal(systems: Sequence[System]) -> tuple[System, System] | None:
    """Two systems that differ in the balancer alone, fixed and equal."""

    def settings(system: System, balancer: str) -> Any:
        training = replace(system.config.training, seed=0, balancer=balancer)
        tasks = replace(system.config.tasks, weights={})
        return replace(system.config, tasks=tasks, training=training)

    for equal in systems:
        for tuned in systems:
            balancers = (tuned.config.training.balancer, equal.config.training.balancer)
            if balancers == ("fixed", "equal") and settings(tuned, "") == settings(equal, ""):
                return tuned, equal
    return None


def gallery_section(photos: Photos, *, paper: bool) -> Section:
    """Fig. 4."""
    figure = gallery_figure(photos.data.dataset, photos.choices, photos.predictors, photos.scores)
    if photos.scored:
        text = (
            "First the photos with the best mean IoU over the systems, last those with the worst, "
            "between them others at equal distances in the data set: none was picked by eye. "
            "Below a prediction: its mean IoU over the classes in that photo."
        )
    else:
        text = (
            "Photos at equal distances in the data set: none was picked by eye. Which were best "
            f"and worst is not known: `auxseg evaluate RUN --split {photos.split}` finds out."
        )
    further = ["Of systems with several seeds: the run with the first."]
    if photos.left_out:
        further.append(f"Left out, as trained on other data: {', '.join(photos.left_out)}.")
    return Section(
        titled("Fig. 4", f"the same {photos.split} photos through every system", paper),
        [text, *further],
        figures={"fig4-predictions": figure},
    )


def attention_section(photos: Photos) -> Section | None:
    """Box against classification, in the system with the fewest tasks beside these two."""
    attentive = {name: one for name, one in photos.predictors.items() if one.attentive}
    if not attentive:
        return None

    def suitable(name: str) -> tuple[bool, int]:
        tasks = set(attentive[name].tasks)
        return not {"classification", "bbox"} <= tasks, len(tasks)

    name = min(attentive, key=suitable)
    chosen = [choice.index for choice in photos.choices[:ATTENTION_PHOTOS]]
    figures = {
        f"attention-{number}": attention_figure(
            attentive[name].predict(photos.read(index).image, attention=True)
        )
        for number, index in enumerate(chosen, start=1)
    }
    measured = [photos.read(index) for index in spread(photos.held_out, MEASURED_PHOTOS)]
    return Section(
        f"Attention: where the tasks of {name} look",
        [
            "Masks of each task and block, averaged over channels, brighter where the task takes "
            "more of the shared features. The scale is each picture's own and stands above it.",
            f"In numbers, over {len(measured)} photos: mean attention inside the true foreground "
            "or box less that outside, in standard deviations of the mask over the picture.",
        ],
        figures=figures,
        tables=[attention_table(attentive[name], measured)],
    )


def configuration_section(systems: Sequence[System]) -> Section:
    """What each system was trained with: where they differ, then what all share."""
    settings = {system.name: flat(plain(system.config)) for system in systems}
    keys = dict.fromkeys(key for one in settings.values() for key in one)
    hidden = {*MAY_DIFFER, "training.seed", "preset"}
    differing = [
        key
        for key in keys
        if key not in hidden and len({repr(one.get(key)) for one in settings.values()}) > 1
    ]
    first = settings[systems[0].name]
    common = {key: first[key] for key in keys if key not in hidden and key not in differing}
    rows = [["", *settings], ["seeds", *(", ".join(map(str, one.seeds)) for one in systems)]]
    rows += [[key, *(shown(one.get(key)) for one in settings.values())] for key in differing]
    return Section(
        "Configuration: what was run",
        tables=[rows],
        code={"options that all systems share": dump_yaml(common)},
    )
