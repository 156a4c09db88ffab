"""Which runs a study consists of."""

from __future__ import annotations

from pathlib import Path

import pytest

from auxseg.config import Config, TasksConfig
from auxseg.errors import UsageError
from auxseg.experiments.study.design import Arm, Design

TARGET, AUXILIARY = "segmentation", ("bbox", "edges", "denoising")


@pytest.mark.parametrize(("kind", "count"), [("single", 4), ("pairs", 7), ("all", 8)])
def test_the_number_of_sets(kind: str, count: int) -> None:
    sets = Design(TARGET, AUXILIARY, kind).sets
    assert len(sets) == len(set(sets)) == count
    assert sets[0] == ()
    assert all(set(chosen) <= set(AUXILIARY) for chosen in sets)


def test_two_candidates_have_one_pair() -> None:
    assert Design(TARGET, ("bbox", "edges"), "pairs").sets == [
        (),
        ("bbox",),
        ("edges",),
        ("bbox", "edges"),
    ]


def test_the_target_comes_first_and_alone_ones_are_trained_once() -> None:
    design = Design(TARGET, ("bbox",), labels=(25, None))
    assert design.arms == [
        Arm((TARGET,), 25),
        Arm((TARGET, "bbox"), 25),
        Arm((TARGET,), None),
        Arm((TARGET, "bbox"), None),
        Arm(("bbox",), None),
    ]
    assert Arm(("bbox",)) not in Design(TARGET, ("bbox",), alone=False).arms


def test_tasks_from_the_mask_are_alone_with_as_many_masks_as_beside_the_target() -> None:
    """Else Δm would set 30 masks against all; a class or a box does not hang on masks."""
    design = Design(TARGET, ("boundary", "bbox", "consistency"), labels=(30, None))
    singles = [arm for arm in design.arms if arm.tasks[0] != TARGET]
    assert singles == [Arm(("boundary",), 30), Arm(("boundary",)), Arm(("bbox",))]
    assert design.single("boundary", 30) == Arm(("boundary",), 30)
    assert design.single("bbox", 30) == Arm(("bbox",))


def test_every_system_but_the_baselines_is_a_comparison() -> None:
    assert Design(TARGET, AUXILIARY, "pairs", labels=(25, 50, None)).comparisons == 18


def test_runs_of_a_seed_come_together(tmp_path: Path) -> None:
    """Stopped early, a study has whole pairs."""
    design = Design(TARGET, ("bbox",), seeds=(3, 4), alone=False)
    runs = list(design.runs(Config("study"), tmp_path))
    assert [(run.arm.auxiliary, run.seed) for run in runs] == [
        ((), 3),
        (("bbox",), 3),
        ((), 4),
        (("bbox",), 4),
    ]
    assert len({run.directory for run in runs}) == 4
    assert [run.config.training.seed for run in runs] == [3, 3, 4, 4]


def test_a_run_takes_what_concerns_its_tasks(tmp_path: Path) -> None:
    tasks = TasksConfig(
        names=(TARGET, "bbox", "edges"), weights={"edges": 0.3}, options={"bbox": {"scale": 3.0}}
    )
    runs = list(Design(TARGET, ("bbox", "edges"), alone=False, seeds=(0,), labels=(7,)).runs(
        Config("study", tasks=tasks), tmp_path
    ))  # fmt: skip
    assert [run.config.tasks.weights for run in runs] == [{}, {}, {"edges": 0.3}]
    assert [run.config.tasks.options for run in runs] == [{}, {"bbox": {"scale": 3.0}}, {}]
    assert all(run.config.data.labels == 7 for run in runs)


@pytest.mark.parametrize(
    ("auxiliary", "kind", "words"),
    [
        ((), "single", "--auxiliary"),
        ((TARGET,), "single", TARGET),
        (("bbox", "bbox"), "single", "twice"),
        (("bbox",), "triples", "single, pairs, all"),
    ],
)
def test_wrong_designs_are_told(auxiliary: tuple[str, ...], kind: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Design(TARGET, auxiliary, kind)
