"""Text, YAML and Python objects → values of an option's type, and one-line errors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from auxseg.config.values import convert, load_yaml
from auxseg.errors import UsageError

NAMES = tuple[str, ...]
PAIR = tuple[float, float]
WEIGHTS = str | list[float]


def refused(hint: Any, value: object) -> str:
    with pytest.raises(UsageError) as caught:
        convert("some.key", hint, value)
    message = str(caught.value)
    assert message.startswith("some.key")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, "30", 30),
        (int, np.int64(3), 3),
        (float, "1e-3", 1e-3),
        (float, 2, 2.0),
        (float, np.float32(0.5), 0.5),
        (bool, "false", False),
        (bool, "Yes", True),
        (bool, True, True),
        (str, "12", "12"),
        (str, Path("a"), "a"),
        (Path, "a", Path("a")),
        (int | None, "null", None),
        (int | None, None, None),
        (int | None, "3", 3),
        (str | None, "none", "none"),
        (int | str, "2", 2),
        (int | str, "auto", "auto"),
        (int | tuple[int, ...] | str, "0,1", (0, 1)),
        (int | tuple[int, ...] | str, "0,", (0,)),
        (int | tuple[int, ...] | str, [0, 1], (0, 1)),
        (int | tuple[int, ...] | str, "auto", "auto"),
        (WEIGHTS, "balanced", "balanced"),
        (WEIGHTS, "1,1,0.5", [1.0, 1.0, 0.5]),
        (WEIGHTS, "[1, 0]", [1.0, 0.0]),
        (WEIGHTS, [1, 2], [1.0, 2.0]),
        (dict[str, float], "{a: 1, b: 2e-1}", {"a": 1.0, "b": 0.2}),
        (dict[str, Any], {"a": Path("b")}, {"a": "b"}),
        (dict[str, dict[str, Any]], "{a: {b: [1, c]}}", {"a": {"b": [1, "c"]}}),
    ],
)
def test_values(hint: Any, value: object, expected: object) -> None:
    found = convert("some.key", hint, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("value", ["a,b", " a , b ", "[a,b]", "[a, 'b']", ["a", "b"], ("a", "b")])
def test_a_list_of_names_however_it_is_written(value: object) -> None:
    assert convert("some.key", NAMES, value) == ("a", "b")


@pytest.mark.parametrize("value", ["0.8,1.25", "[0.8, 1.25]", [0.8, 1.25], (0.8, "1.25")])
def test_a_list_of_numbers_however_it_is_written(value: object) -> None:
    assert convert("some.key", PAIR, value) == (0.8, 1.25)


@pytest.mark.parametrize("value", ["a", "[a]", "a,", ["a"]])
def test_a_list_of_one(value: object) -> None:
    assert convert("some.key", NAMES, value) == ("a",)


def test_names_that_look_like_numbers_stay_names() -> None:
    assert convert("some.key", NAMES, "25,50,all") == convert("some.key", NAMES, "[25,50,all]")


@pytest.mark.parametrize("value", ["", "[]", [], ()])
def test_an_empty_list_is_refused(value: object) -> None:
    assert "empty" in refused(NAMES, value)


@pytest.mark.parametrize("value", ["a,b,a", "[a,a]", ["a", "a"]])
def test_a_name_twice_is_refused(value: object) -> None:
    assert "a is listed twice" in refused(NAMES, value)


def test_numbers_of_a_pair_may_be_the_same() -> None:
    assert convert("some.key", PAIR, "1,1") == (1.0, 1.0)


@pytest.mark.parametrize(
    ("hint", "value", "words"),
    [
        (int, "many", ["int", "'many'"]),
        (int, "1.5", ["int", "'1.5'"]),
        (int, 1.5, ["int", "1.5"]),
        (int, True, ["int", "True"]),
        (float, "wide", ["float", "'wide'"]),
        (float, None, ["float", "null"]),
        (bool, "maybe", ["bool", "'maybe'"]),
        (bool, 1, ["bool", "1"]),
        (str, 5, ["text", "5"]),
        (int | None, "many", ["int or null", "'many'"]),
        (PAIR, "1", ["2 comma-separated", "float", "'1'"]),
        (PAIR, "1,2,3", ["2 comma-separated"]),
        (PAIR, "1,x", ["float", "'1,x'"]),
        (NAMES, "a,,b", ["comma-separated", "'a,,b'"]),
        (NAMES, "[a", ["comma-separated", "'[a'"]),
        (NAMES, 5, ["comma-separated", "5"]),
        (NAMES, {"a": 1}, ["comma-separated"]),
        (WEIGHTS, 5, ["text or comma-separated", "float", "5"]),
        (WEIGHTS, ["a"], ["text or comma-separated", "['a']"]),
        (dict[str, float], "5", ["mapping", "'5'"]),
        (dict[str, float], {1: 2}, ["mapping"]),
        (dict[str, float], "{a: wide}", ["some.key.a", "float", "'wide'"]),
        (dict[str, dict[str, Any]], "{a: 1}", ["some.key.a", "mapping", "1"]),
    ],
)
def test_another_type_is_refused(hint: Any, value: object, words: list[str]) -> None:
    message = refused(hint, value)
    assert all(word in message for word in words), message


def test_yaml_knows_numbers_with_exponents() -> None:
    assert load_yaml("{a: 1e-3, b: -2E+4, c: 1.5e3, d: e5}") == {
        "a": 1e-3, "b": -2e4, "c": 1500.0, "d": "e5",
    }  # fmt: skip
