"""A verb's own options: types, limits, and which of them go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from auxseg.config.command_line import Parser
from auxseg.errors import UsageError


def parser() -> Parser:
    made = Parser("farm", "Farms runs out, 100 % of them.")
    add = made.add_argument
    add("run", help="a run")
    add("--out", required=True, help="a folder")
    add("--tasks", type=tuple[str, ...], default=("a",), help="tasks")
    add("--jobs", type=int | None, minimum=1, unless=("--collect",), help="at a time")
    add("--seconds", type=float, above=0, default=2.5, help="how long")
    add("--cluster", help="which")
    add("--cluster-options", type=dict[str, Any], default={}, needs="--cluster", help="its own")
    add("--collect", action="store_true", help="train nothing")
    add("--peer", action="append", default=[], help="others")
    return made


def parsed(*arguments: str) -> dict[str, Any]:
    return vars(parser().parse(("here", "--out", "there", *arguments)))


def refused(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parser().parse(arguments)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_defaults() -> None:
    assert parsed() == {
        "run": "here", "out": "there", "tasks": ("a",), "jobs": None, "seconds": 2.5,
        "cluster": None, "cluster_options": {}, "collect": False, "peer": [],
        "config": [], "options": {},
    }  # fmt: skip


def test_values() -> None:
    found = parsed("--tasks", "b,c", "--seconds=1", "--collect", "--peer", "x", "--peer", "y")
    assert found["tasks"] == ("b", "c")
    assert found["seconds"] == 1.0
    assert found["collect"] is True
    assert found["peer"] == ["x", "y"]


def test_names_below_a_mapping() -> None:
    line = ("--cluster", "slurm", "--cluster-options", "{a: 1}", "--cluster-options.b.c", "2")
    assert parsed(*line)["cluster_options"] == {"a": 1, "b": {"c": 2}}
    assert parser().parse(("r", "--out", "o")).cluster_options == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("here",), ["required", "--out", "auxseg farm --help"]),
        (("--out", "there"), ["required", "run"]),
        (("here", "--out"), ["--out", "expected one argument"]),
        (("here", "there", "--out", "x"), ["'there'", "--help"]),
        (("here", "--out", "x", "--job", "2"), ["'job'", "did you mean jobs"]),
        (("here", "--out", "x", "-j", "2"), ["'j'", "--help"]),
        (("here", "--out", "x", "--jobs", "0"), ["--jobs", "at least 1", "0"]),
        (("here", "--out", "x", "--jobs", "two"), ["--jobs", "int or null", "'two'"]),
        (("here", "--out", "x", "--seconds", "0"), ["--seconds", "above 0"]),
        (("here", "--out", "x", "--seconds", "nan"), ["--seconds", "finite"]),
        (("here", "--out", "x", "--tasks", "a,a"), ["--tasks", "a is listed twice"]),
        (("here", "--out", "x", "--tasks", ""), ["--tasks", "empty"]),
        (("here", "--out", "x", "--collect", "--jobs", "2"), ["--jobs", "--collect"]),
        (("here", "--out", "x", "--cluster-options", "{a: 1}"), ["--cluster-options", "--cluster"]),
        (("here", "--out", "x", "--cluster-options", "a"), ["--cluster-options", "mapping"]),
        (("here", "--out", "x", "--tasks.a", "1"), ["'tasks.a'"]),
    ],
)
def test_mistakes(arguments: tuple[str, ...], words: list[str]) -> None:
    message = refused(*arguments)
    assert all(word in message for word in words), message


def test_a_verb_with_few_of_the_options(tmp_path: Path) -> None:
    made = Parser("look")
    made.add_options({}, only=("data.name", "data.options"))
    found = made.parse(("--data", "folder", "--data.options.palette", "p.txt"))
    assert made.layer(found) == {"data.name": "folder", "data.options": {"palette": "p.txt"}}
    with pytest.raises(UsageError, match="'epochs'"):
        made.parse(("--epochs", "3"))
    file = tmp_path / "options.yaml"
    file.write_text("training: {epochs: 3}\n")
    with pytest.raises(UsageError, match=r"options\.yaml: .*auxseg look.* training\.epochs"):
        made.layer(made.parse(("--config", str(file))))


def test_later_files_and_the_command_line_win(tmp_path: Path) -> None:
    for name, text in (
        ("a", "training: {epochs: 1, seed: 1, lr: 1e-3}\ntasks: {weights: {bbox: 1, edges: 1}}"),
        ("b", "training: {epochs: 2, seed: 2}\ntasks:\ndata: {root: photos}"),
    ):
        (tmp_path / name).write_text(text)
    made = Parser("train")
    made.add_options({})
    line = ("--epochs", "3", "--config", f"{tmp_path / 'a'}", f"--config={tmp_path / 'b'}")
    assert made.layer(made.parse((*line, "--tasks.weights.bbox", "2"))) == {
        "training.epochs": 3,
        "training.seed": 2,
        "training.lr": 1e-3,
        "tasks.weights": {"bbox": 2.0, "edges": 1.0},
        "data.root": "photos",
    }


def test_help_shows_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    made = parser()
    made.add_options({"training.balancer": ("fixed", "equal")})
    with pytest.raises(SystemExit) as caught:
        made.parse(("--help",))
    assert caught.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "usage: auxseg farm RUN --out OUT [options]" in text
    for words in (
        "100 % of them",
        "--jobs JOBS at a time",
        "how long (default: 2.5)",
        "--training.epochs EPOCHS passes over the training images that have the primary",
        "fixed, equal (default: fixed)",
        "(default: 0.8,1.25)",
        "(default: true)",
    ):
        assert words in text, words


def test_help_of_a_verb_that_lists_few_of_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    made = parser()
    made.add_options({}, listed=("data.image_size",), defaults={"data.image_size": "what fits"})
    with pytest.raises(SystemExit):
        made.parse(("--help",))
    text = " ".join(capsys.readouterr().out.split())
    assert "square size of the network's pictures in pixels (default: what fits)" in text
    assert "--epochs" not in text
    found = made.parse(("here", "--out", "x", "--training.lr", "1", "--epochs", "3"))
    assert made.layer(found) == {"training.lr": 1.0, "training.epochs": 3}
