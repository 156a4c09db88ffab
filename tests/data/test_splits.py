"""Splits and subsets: disjoint, proportional, nested, and the same for the same seed."""

from __future__ import annotations

from collections import Counter
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from auxseg.data.splits import FRACTIONS, cut, grouped, masked, stratified, subset

CLASSES = st.lists(st.sampled_from([None, 0, 1, 2, 7]), max_size=120)
SEEDS = st.integers(0, 2**32)


@given(st.integers(0, 10_000))
def test_cut_keeps_order_and_loses_nothing(count: int) -> None:
    parts = cut(range(count))
    assert list(chain(*parts)) == list(range(count))
    for part, fraction in zip(parts, FRACTIONS, strict=True):
        assert abs(len(part) - fraction * count) < 1.001


def test_cut_of_the_images_with_a_box_gives_the_paper_s_test_set() -> None:
    assert [len(part) for part in cut(range(3686))] == [2211, 737, 738]


def test_cut_does_not_fall_below_a_boundary_that_is_an_integer() -> None:
    assert [len(part) for part in cut(range(100), (0.29, 0.71))] == [29, 71]


@pytest.mark.parametrize("fractions", [(0.5, 0.4), (1.2, -0.2)])
def test_fractions_must_be_shares(fractions: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        cut(range(9), fractions)


@given(CLASSES, SEEDS)
def test_stratified_parts_are_a_partition_in_proportion(
    classes: list[int | None], seed: int
) -> None:
    parts = stratified(classes, seed)
    assert sorted(chain(*parts)) == list(range(len(classes)))
    assert all(list(part) == sorted(part) for part in parts)
    for part, fraction in zip(parts, FRACTIONS, strict=True):
        assert abs(len(part) - fraction * len(classes)) <= 1
        in_part = Counter(classes[index] for index in part)
        for label, count in Counter(classes).items():
            assert abs(in_part[label] - fraction * count) < 2


def test_stratified_depends_on_the_seed_alone() -> None:
    classes = [0, 1, None] * 20
    assert stratified(classes, 1) == stratified(classes, 1)
    assert stratified(classes, 1) != stratified(classes, 2)


def test_a_multiple_of_five_is_cut_exactly() -> None:
    parts = stratified([0] * 100 + [1] * 50, 0)
    assert [Counter(int(i >= 100) for i in part) for part in parts] == [
        {0: 60, 1: 30},
        {0: 20, 1: 10},
        {0: 20, 1: 10},
    ]


#: Class and whether there is a mask, of every image.
IMAGES = st.lists(st.tuples(st.sampled_from([None, 0, 1, 7]), st.booleans()), max_size=160)


@given(IMAGES, SEEDS)
def test_masked_holds_out_images_with_a_mask_alone(
    images: list[tuple[int | None, bool]], seed: int
) -> None:
    classes, has_mask = [label for label, _ in images], [has for _, has in images]
    parts = masked(classes, has_mask, seed)
    assert sorted(chain(*parts)) == list(range(len(images)))
    assert all(list(part) == sorted(part) for part in parts)
    if any(has_mask):
        assert all(has_mask[index] for index in (*parts[1], *parts[2]))


@given(st.lists(st.sampled_from([None, 0, 1, 7]), min_size=1, max_size=120), SEEDS)
def test_masked_keeps_the_classes_in_proportion(classes: list[int | None], seed: int) -> None:
    """Of the images with a mask, whatever the others are: here as many, all of one class."""
    parts = masked([*classes, *[3] * len(classes)], [True, False] * len(classes), seed)
    drawn = [*classes, *[3] * len(classes)][::2]
    for part in parts[1:]:
        share = 0.2 if len(drawn) >= 50 else len(part) / len(drawn)
        in_part = Counter(drawn[index // 2] for index in part)
        for label, count in Counter(drawn).items():
            assert abs(in_part[label] - share * count) < 2


@pytest.mark.parametrize(
    ("masks", "sizes"),
    [
        (0, (18, 6, 6)), (1, (31, 0, 0)), (2, (31, 1, 0)), (3, (32, 1, 0)), (19, (40, 9, 0)),
        (20, (40, 10, 0)), (49, (69, 10, 0)), (50, (60, 10, 10)), (100, (90, 20, 20)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("seed", [0, 1])
def test_how_many_masks_are_held_out(masks: int, sizes: tuple[int, ...], seed: int) -> None:
    """Of so many images with a mask, and 30 without."""
    has_mask = [False] * 30 + [True] * masks
    parts = masked([index % 3 for index in range(len(has_mask))], has_mask, seed)
    assert tuple(len(part) for part in parts) == sizes


@given(st.integers(50, 150), SEEDS)
def test_either_held_out_part_has_ten_masks_or_more(masks: int, seed: int) -> None:
    parts = masked([index % 4 for index in range(masks)], [True] * masks, seed)
    assert min(len(part) for part in parts[1:]) >= 10


@given(CLASSES, SEEDS, st.booleans())
def test_without_masks_or_with_many_it_is_the_stratified_split(
    classes: list[int | None], seed: int, has_mask: bool
) -> None:
    if has_mask and 0 < len(classes) < 50:
        classes = classes * (50 // len(classes) + 1)
    assert masked(classes, [has_mask] * len(classes), seed) == stratified(classes, seed)


def test_images_without_a_mask_do_not_move_the_others() -> None:
    classes, has_mask = [0, 1] * 15, [True] * 30
    before = masked(classes, has_mask, 4)
    after = masked([*classes, 0, 1, None], has_mask + [False] * 3, 4)
    assert after == [(*before[0], 30, 31, 32), *before[1:]]


def test_masked_depends_on_the_seed_alone() -> None:
    images = ([0, 1, None] * 20, [True, False] * 30)
    assert masked(*images, 1) == masked(*images, 1)
    assert masked(*images, 1) != masked(*images, 2)


def test_the_stratified_split_of_old_runs_is_drawn_as_ever() -> None:
    """Of runs that keep no split.csv, nothing else says which images they were not trained on."""
    train = (3, 4, 5, 6, 8, 9, 10, 11, 13)
    assert stratified([0, 1, None] * 5, 0) == [train, (7, 12, 14), (0, 1, 2)]


@given(CLASSES, SEEDS, st.integers(0, 130), st.integers(0, 130))
def test_subsets_are_nested(classes: list[int | None], seed: int, a: int, b: int) -> None:
    small, large = (subset(classes, n, seed) for n in sorted((a, b)))
    assert set(small) <= set(large)
    assert len(large) == len(set(large)) == min(max(a, b), len(classes))
    assert list(large) == sorted(large)


@given(CLASSES, SEEDS, st.integers(0, 130))
def test_subset_is_proportional(classes: list[int | None], seed: int, n: int) -> None:
    drawn = Counter(classes[index] for index in subset(classes, n, seed))
    sizes = Counter(classes)
    # Sainte-Laguë: no class has a seat that another one, for its size, needs more.
    for winner in sizes:
        for loser in sizes:
            if drawn[winner] and drawn[loser] < sizes[loser]:
                assert (drawn[winner] - 0.5) / sizes[winner] <= (drawn[loser] + 0.5) / sizes[loser]


def test_subset_of_two_classes_is_within_one_of_its_share() -> None:
    classes = [0] * 70 + [1] * 30
    for n in range(101):
        drawn = Counter(classes[index] for index in subset(classes, n, seed=0))
        assert abs(drawn[0] - 0.7 * n) < 1


def test_subset_depends_on_the_seed() -> None:
    assert subset([0] * 50, 10, 0) != subset([0] * 50, 10, 1)


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        subset([0], -1, 0)


@st.composite
def groups_of_images(draw: st.DrawFn) -> tuple[list[list[int]], list[bool]]:
    """Up to 200 images, some of them in groups, some with a mask."""
    count = draw(st.integers(2, 200))
    group_of = draw(st.lists(st.integers(0, count), min_size=count, max_size=count))
    has_mask = draw(st.lists(st.booleans(), min_size=count, max_size=count))
    groups: dict[int, list[int]] = {}
    for number, group in enumerate(group_of):
        groups.setdefault(group, []).append(number)
    return [one for one in groups.values() if len(one) > 1], has_mask


@given(groups_of_images(), st.integers(0, 3))
def test_groups_stay_whole(images: tuple[list[list[int]], list[bool]], seed: int) -> None:
    groups, has_mask = images
    parts = grouped(groups, has_mask, seed)
    assert parts == grouped(groups, has_mask, seed)
    placed = list(chain.from_iterable(parts))
    assert len(placed) == len(set(placed))
    part_of = {number: part for part, numbers in enumerate(parts) for number in numbers}
    for group in groups:
        assert len({part_of[number] for number in group if number in part_of}) <= 1
    some = any(has_mask)
    held_out = {*parts[1], *parts[2]}
    assert all(has_mask[number] or not some for number in held_out)
    for number in set(range(len(has_mask))) - set(placed):
        # What is in no part has no mask, and looks like something that is held out.
        assert not has_mask[number]
        (own,) = (group for group in groups if number in group)
        assert held_out & set(own)


@given(st.integers(2, 300), st.integers(0, 3))
def test_without_groups_the_shares_are_those_of_masked(count: int, seed: int) -> None:
    alone = [len(part) for part in grouped([], [True] * count, seed)]
    usual = [len(part) for part in masked([None] * count, [True] * count, seed)]
    assert all(abs(a - b) <= 1 for a, b in zip(alone, usual, strict=True))
    assert usual[2] or not alone[2]


def test_groups_of_six_are_cut_as_nearly_as_they_can_be() -> None:
    """Twenty tiles in six exposures each: 12, 4 and 4 of them."""
    groups = [list(range(6 * n, 6 * n + 6)) for n in range(20)]
    draws = [grouped(groups, [True] * 120, seed) for seed in range(2)]
    assert [[len(part) for part in parts] for parts in draws] == [[72, 24, 24]] * 2
    assert draws[0] != draws[1]


def test_a_group_that_is_most_of_all_is_trained_on() -> None:
    assert grouped([list(range(90))], [True] * 100, seed=0)[0][:90] == tuple(range(90))
