"""What to say of classes that a segmentation does not find."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from auxseg.tasks.base import Remarks

#: Classes named in one line; a data set may have 255.
MOST_NAMED = 8


def missed_classes(
    names: Sequence[str],
    hits: np.ndarray,
    found: np.ndarray,
    actual: np.ndarray,
    remedies: Sequence[str],
) -> Remarks:
    """Remarks on a validation: only one class predicted; classes without one right pixel.

    Classes that no mask holds are no loss: nothing is said of them.

    Args:
        names: of the K classes.
        hits: rightly predicted pixels of each class, (K,).
        found: pixels predicted as each class, (K,), over the labelled ones.
        actual: labelled pixels of each class, (K,).
        remedies: options that may help beside longer training.
    """
    there, predicted = np.flatnonzero(actual).tolist(), np.flatnonzero(found).tolist()
    missed = [number for number in there if not hits[number]]
    during = after = ""
    if len(there) > 1 and len(predicted) == 1:
        (only,) = predicted
        others = listed([names[number] for number in there if number != only])
        during = (
            f"predicts only {names[only]} on all validation images, whose masks also hold "
            f"{others}; {_advice(['a higher --training.lr', *remedies])}"
        )
    if missed:
        shares = 100 * actual / actual.sum()
        shown = listed([f"{names[number]} ({shares[number]:.3g} %)" for number in missed])
        after = (
            "finds not one pixel of these classes (with their share of the labelled validation "
            f"pixels): {shown}; {_advice(remedies)}"
        )
    return Remarks(during, after)


def listed(items: Sequence[str]) -> str:
    """The first ones, and how many more there are."""
    more = len(items) - MOST_NAMED
    return ", ".join(items[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _advice(remedies: Sequence[str]) -> str:
    """What may help; a sentence's last part."""
    *first, last = ("longer training", *remedies)
    return f"{', '.join(first)} or {last} may help" if first else f"{last} may help"
