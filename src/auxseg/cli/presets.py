"""``auxseg presets``: the systems that can be trained."""

from __future__ import annotations

from collections.abc import Sequence

from auxseg.config.command_line import verb_parser
from auxseg.config.parsing import to_config
from auxseg.config.presets import PRESETS


def presets(arguments: Sequence[str]) -> int:
    """list the systems that can be trained, with architecture, encoder, parameters and tasks"""
    # Not through auxseg.api, which imports all that training and predicting need.
    from auxseg.assembly import CHOICES
    from auxseg.runs.cost import count_parameters
    from auxseg.types import ClassNames

    verb_parser("presets", presets, "auxseg presets").parse(arguments)
    classes = ClassNames(mask=("background", "pet"), label=("cat", "dog"))
    width = max(map(len, PRESETS))
    encoder = max(len(system.encoder) for system in PRESETS.values())
    for name, system in PRESETS.items():
        count = count_parameters(to_config(name, [system.defaults()], CHOICES), classes)
        weights = "pre-trained" if system.pretrained else "from scratch"
        tasks = " + ".join(system.tasks)
        views = "" if system.views == "shared" else f", {system.views} views"
        paper = "" if system.in_paper else "  (not in the paper's Table 1)"
        print(
            f"{name:{width}}  {system.architecture:12}  {system.encoder:{encoder}}  {weights:12}  "
            f"{count / 1e6:4.1f} M  {tasks}{views}{paper}"
        )
    print("\nParameters (millions): at width 1, with two mask classes and two image classes.")
    return 0
