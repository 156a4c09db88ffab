"""What older versions wrote into a run's ``config.yaml`` and today's would refuse.

Every reader of a run's file passes its options through here, so that old runs still load, predict,
resume and serve as ``--config`` and ``--tuned``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auxseg.config.effects import active


def upgraded(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a run, by dotted key, as today's version would write them.

    0.1.0 accepted options that had no effect, and wrote ``weights: imagenet`` for encoders that
    start from random weights (``pretrained: false``).
    """
    return active(options)
