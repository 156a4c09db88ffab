"""Command lines, files and keywords: the same names, the same checks, one-line errors."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from auxseg.assembly import CHOICES
from auxseg.config import Config, flags, leaves
from auxseg.config.command_line import Parser
from auxseg.config.parsing import (
    concerning,
    keywords,
    overlay,
    read_yaml,
    to_config,
)
from auxseg.config.presets import PRESETS
from auxseg.errors import UsageError

WriteYaml = Callable[[str], str]


def parsed(*arguments: str, preset: str = "segnet-3task") -> Config:
    """As the verb ``train`` does it: preset < file < command line."""
    parser = Parser("train")
    parser.add_options(CHOICES)
    layer = parser.layer(parser.parse(arguments))
    return to_config(preset, [PRESETS[preset].defaults(), layer], CHOICES)


def refused(*arguments: str) -> str:
    with pytest.raises(UsageError) as caught:
        parsed(*arguments)
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.fixture
def write_yaml(tmp_path: Path) -> WriteYaml:
    def write(text: str) -> str:
        path = tmp_path / "options.yaml"
        path.write_text(text)
        return str(path)

    return write


def value_of(config: Config, key: str) -> object:
    group, name = key.split(".")
    return getattr(getattr(config, group), name)


EXAMPLES = {
    "data.name": ("folder", "folder"),
    "model.encoder": ("efficientnet-lite0", "efficientnet-lite0"),
    "data.root": ("photos", "photos"),
    "data.split": ("official", "official"),
    "data.image_size": ("96", 96),
    "data.fit": ("tile", "tile"),
    "data.limit": ("12", 12),
    "data.labels": ("13", 13),
    "data.ignore_index": ("254", 254),
    "data.unlabelled": ("more", "more"),
    "data.train_on": ("train+val", "train+val"),
    "model.width": ("0.5", 0.5),
    "model.weights": ("none", "none"),
    "tasks.views": ("per-task", "per-task"),
    "training.epochs": ("3", 3),
    "training.steps": ("400", 400),
    "training.batch_size": ("7", 7),
    "training.seed": ("5", 5),
    "training.balancer": ("equal", "equal"),
    "training.logger": ("tensorboard,csv", ("tensorboard", "csv")),
    "training.accelerator": ("cpu", "cpu"),
    "training.devices": ("2", 2),
}


@pytest.mark.parametrize(("flag", "key"), flags().items())
def test_flag_and_dotted_key_are_the_same_option(flag: str, key: str) -> None:
    text, value = EXAMPLES[key]
    assert dict(leaves())[key].default != value
    assert value_of(parsed(f"--{flag.replace('_', '-')}", text), key) == value
    assert value_of(parsed(f"--{key}={text}"), key) == value


def test_without_arguments_the_defaults_hold() -> None:
    assert parsed() == to_config("segnet-3task", [PRESETS["segnet-3task"].defaults()], {})


def test_nested_values_on_the_command_line() -> None:
    config = parsed(
        "--augmentation.scale", "[0.5,2]",
        "--tasks.weights.bbox", "0.5",
        "--tasks.options.bbox.scale", "3",
        "--data.options.train", "20",
    )  # fmt: skip
    assert config.augmentation.scale == (0.5, 2.0)
    assert config.tasks.weights == {"bbox": 0.5}
    assert config.tasks.options == {"bbox": {"scale": 3}}
    assert config.data.options == {"train": 20}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--epochs", "0"], ["training.epochs", "0", "1"]),
        (["--width", "-1"], ["model.width", "above 0"]),
        (["--epochs", "many"], ["training.epochs", "int", "many"]),
        (["--epochs", "1.5"], ["training.epochs", "int", "1.5"]),
        (["--limit", "many"], ["data.limit: expected int or null, got 'many'"]),
        (["--model.pretrained", "maybe"], ["model.pretrained", "bool", "maybe"]),
        (["--augmentation.scale", "[1]"], ["augmentation.scale", "2 comma-separated", "[1]"]),
        (["--balancer", "best"], ["training.balancer", "best", "fixed, equal"]),
        (["--train-on", "val"], ["data.train_on", "'val'", "train, train+val"]),
        (["--training.stop_after", "0"], ["training.stop_after", "0", "1"]),
        (["--training.conflict_every", "-1"], ["training.conflict_every", "-1", "0"]),
        (["--data", "imagenet"], ["data.name", "imagenet", "shapes", "folder"]),
        (["--tasks.names", "[segmentation,box]"], ["tasks.names", "box", "bbox"]),
        (["--epoch", "3"], ["epoch", "did you mean epochs"]),
        (["--training.epoch", "3"], ["did you mean training.epochs"]),
        (["--qqqqqqqq", "3"], ["qqqqqqqq", "--help"]),
        (["--epochs"], ["epochs", "expected one argument"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
    ],
)
def test_errors_are_one_line_naming_key_and_allowed_values(
    arguments: list[str], words: list[str]
) -> None:
    message = refused(*arguments)
    assert all(word in message for word in words), message


def test_flags_are_not_abbreviated() -> None:
    """``--epoch`` today must not become something else when an option is added."""
    assert "batch-size" in refused("--batch", "3")


# -- files --------------------------------------------------------------------------------------


def test_a_file_holds_the_same_options(write_yaml: WriteYaml) -> None:
    path = write_yaml(
        "data: {name: folder, root: photos, options: {palette: p.txt}}\n"
        "training: {epochs: 7, lr: 0.01}\n"
        "augmentation: {scale: [0.5, 2]}\n"
    )
    config = parsed("--config", path)
    assert (config.data.name, config.data.root) == ("folder", "photos")
    assert config.data.options == {"palette": "p.txt"}
    assert (config.training.epochs, config.training.lr) == (7, 0.01)
    assert config.augmentation.scale == (0.5, 2.0)


def test_preset_below_file_below_command_line(write_yaml: WriteYaml) -> None:
    path = write_yaml("model: {pretrained: false}\ntraining: {epochs: 7, seed: 4}\n")
    config = parsed("--config", path, "--epochs", "3")
    assert config.tasks.names == PRESETS["segnet-3task"].tasks  # the preset alone
    assert config.model.pretrained is False  # the file over the preset
    assert config.training.seed == 4  # the file over the default
    assert config.training.epochs == 3  # the command line over the file


def test_the_command_line_wins_wherever_config_stands(write_yaml: WriteYaml) -> None:
    path = write_yaml("training: {epochs: 7}\n")
    assert parsed("--epochs", "3", "--config", path).training.epochs == 3


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("training: {epoch: 3}", ["training.epoch", "did you mean training.epochs"]),
        ("trainig: {epochs: 3}", ["trainig.epochs", "did you mean training.epochs"]),
        ("training: {epochs: many}", ["training.epochs", "int", "many"]),
        ("training: {epochs: 0}", ["training.epochs", "0"]),
        ("training: [1", ["options.yaml", "line 1"]),
        ("- 1\n- 2", ["options.yaml", "groups"]),
    ],
)
def test_errors_in_a_file_are_one_line(text: str, words: list[str], write_yaml: WriteYaml) -> None:
    message = refused("--config", write_yaml(text))
    assert all(word in message for word in words), message


def test_broken_yaml_names_the_file(write_yaml: WriteYaml) -> None:
    assert "options.yaml" in refused("--config", write_yaml("training: [1"))


@pytest.mark.parametrize("text", ["training: 5", "data: folder"])
def test_a_group_that_is_no_mapping_is_one_line(text: str, write_yaml: WriteYaml) -> None:
    assert text.split(":")[0] in refused("--config", write_yaml(text))


def test_devices_may_be_a_number_in_a_file(write_yaml: WriteYaml) -> None:
    assert parsed("--config", write_yaml("training: {devices: 2}")).training.devices == 2


def test_at_least_one_task() -> None:
    assert "tasks.names" in refused("--tasks.names", "[]")


def test_no_task_twice() -> None:
    assert "tasks.names" in refused("--tasks.names", "[segmentation,segmentation]")


@pytest.mark.parametrize("value", [".nan", ".inf"])
def test_task_weights_are_finite(value: str) -> None:
    assert "tasks.weights" in refused("--tasks.weights", f"{{bbox: {value}}}")


# -- keywords -----------------------------------------------------------------------------------


def test_an_option_goes_by_its_flag_its_key_and_its_last_name() -> None:
    for name in ("data", "data.name", "name"):
        assert keywords({name: "folder"}) == {"data.name": "folder"}
    assert keywords({"lr": 0.1, "warmup": 0.2}) == {"training.lr": 0.1, "training.warmup": 0.2}


def test_every_dotted_key_is_a_keyword() -> None:
    keys = [key for key, _ in leaves()]
    assert keywords(dict.fromkeys(keys, 0)) == dict.fromkeys(keys, 0)


def test_a_flag_wins_over_a_last_name() -> None:
    assert keywords({"weights": "none"}) == {"model.weights": "none"}  # not tasks.weights


def test_a_keyword_that_could_be_several_options() -> None:
    with pytest.raises(UsageError, match=r"'options' could be data\.options or tasks\.options"):
        keywords({"options": {}})


@pytest.mark.parametrize(
    ("name", "hint"),
    [("epoch", "did you mean epochs"), ("training.epoch", "training.epochs"), ("q", "image_size")],
)
def test_an_unknown_keyword_suggests(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=hint) as caught:
        keywords({name: 1})
    assert repr(name) in str(caught.value)
    assert "\n" not in str(caught.value)


# -- layers -------------------------------------------------------------------------------------


def test_later_layers_win_key_by_key() -> None:
    layers = {"training.lr": 1, "training.seed": 1}, {"training.seed": 2, "data.name": "a"}
    assert overlay(*layers) == {"training.lr": 1, "training.seed": 2, "data.name": "a"}
    assert layers[0] == {"training.lr": 1, "training.seed": 1}


@pytest.mark.parametrize("above", [{"tasks.weights": {"edges": 3.0}}, {"tasks.weights.edges": 3.0}])
def test_later_layers_win_inside_mappings(above: dict[str, object]) -> None:
    below = {"tasks.weights": {"bbox": 1.0, "edges": 2.0}}
    assert overlay(below, above)["tasks.weights"] == {"bbox": 1.0, "edges": 3.0}
    assert below == {"tasks.weights": {"bbox": 1.0, "edges": 2.0}}


def test_an_empty_mapping_removes_what_lies_below() -> None:
    below = {"tasks.weights": {"bbox": 1.0}}
    assert overlay(below, {"tasks.weights": {}})["tasks.weights"] == {}


def test_a_preset_s_options_of_tasks_that_are_left_out_go_with_them() -> None:
    """Else they would be refused as a mistake, which the user did not make."""
    preset = {"training.lr": 1e-3, "tasks.options": {"segmentation": {"loss": "ce+dice"}}}
    assert concerning(preset, {"training.lr": 1.0}) == preset
    assert concerning(preset, {"tasks.names": "segmentation,edges"}) == preset
    left = concerning(preset, {"tasks.names": "edges"})
    assert left == {"training.lr": 1e-3, "tasks.options": {}}


@pytest.mark.parametrize("above", [{"model.weights": "none"}, {"model.pretrained": "false"}])
def test_a_preset_s_options_of_weights_go_with_them(above: dict[str, object]) -> None:
    """A small rate for the encoder is right for features that are good already, and only then."""
    preset = {"training.lr": 1e-3, "training.encoder_lr": 0.1, "model.freeze_norms": True}
    assert concerning(preset, {"model.weights": "imagenet"}) == preset
    assert concerning(preset, above) == {"training.lr": 1e-3}


def test_names_below_options_of_tasks() -> None:
    layers = {"tasks.options.bbox.scale": 3}, {"tasks.options.denoising.std": 4}
    found = overlay(*layers)["tasks.options"]
    assert found == {"bbox": {"scale": 3}, "denoising": {"std": 4}}


def test_only_mappings_have_names_below_them() -> None:
    with pytest.raises(UsageError, match=r"'training\.lr\.x'"):
        overlay({"training.lr.x": 1})


def test_layers_are_checked_as_the_command_line_is() -> None:
    for layer in (
        {"training.epochs": 0},
        {"training.epochs": "x"},
        {"training.epoch": 3},
        {"training.balancer": "best"},
    ):
        with pytest.raises(UsageError, match=r"training\.") as caught:
            to_config("segnet-1task", [layer], CHOICES)
        assert "\n" not in str(caught.value)


def test_read_yaml(write_yaml: WriteYaml, tmp_path: Path) -> None:
    assert read_yaml(Path(write_yaml("a: {b: [1, 2]}"))) == {"a": {"b": [1, 2]}}
    for path in (Path(write_yaml("a: [1")), tmp_path / "nowhere.yaml", tmp_path):
        with pytest.raises(UsageError) as caught:
            read_yaml(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)
