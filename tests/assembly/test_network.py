"""Configuration → objects: every wrong option named, and the rule of starting weights."""

from __future__ import annotations

import functools
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from auxseg import assembly
from auxseg.api import configure
from auxseg.config import Config
from auxseg.config.construct import construct
from auxseg.config.presets import PRESETS
from auxseg.data import DATASETS
from auxseg.errors import DataError, UsageError
from auxseg.models import ENCODERS
from auxseg.models.encoders import Published
from auxseg.models.encoders.vgg16 import VGG16
from auxseg.types import ClassNames

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
SMALL = {"train": 24, "val": 4, "test": 4}


def small(
    preset: str = "segnet-3task", options: Mapping[str, Any] | None = None, **settings: Any
) -> Config:
    """A configuration that runs in no time; dotted keys in ``options``, short ones as keywords."""
    defaults: dict[str, Any] = {
        "width": 0.05,
        "weights": "none",
        "image_size": 32,
        "data.options": SMALL,
    }
    return configure(preset, **(defaults | dict(options or {}) | settings))


def refused(call: Callable[[], object], error: type[Exception] = UsageError) -> str:
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    return message


# -- options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (
            lambda: assembly.open_dataset(small(options={"data.options": {"trian": 3}}).data),
            ["data.options.trian", "train, val, test, seed, label"],
        ),
        (
            lambda: assembly.open_dataset(small(options={"data.options": {"split_seed": 3}}).data),
            ["data.options.split_seed"],
        ),
        (lambda: assembly.open_dataset(small(ignore_index=3).data), ["--ignore-index", "shapes"]),
        (
            lambda: assembly.make_tasks(
                small(options={"tasks.options": {"bbox": {"skale": 2}}}), CLASSES
            ),
            ["tasks.options.bbox.skale", "scale"],
        ),
        (
            lambda: assembly.make_tasks(
                small(options={"tasks.options": {"classification": {"classes": 2}}}), CLASSES
            ),
            ["tasks.options.classification.classes", "no options"],
        ),
        (
            lambda: assembly.make_tasks(small(options={"tasks.weights": {"box": 1.0}}), CLASSES),
            ["'box'", "segmentation, classification, bbox"],
        ),
        (
            lambda: assembly.make_balancer(
                small(options={"training.balancer_options": {"temperature": 2}}),
                assembly.make_tasks(small(), CLASSES),
            ),
            ["training.balancer_options.temperature", "no options"],
        ),
        (
            lambda: assembly.make_balancer(
                small(options={"tasks.weights": {"bbox": -1.0}}),
                assembly.make_tasks(small(), CLASSES),
            ),
            ["tasks.weights", "-1", "at least 0"],
        ),
        (lambda: assembly.open_data(small(limit=25)), ["data.limit", "25", "24 training images"]),
        (lambda: assembly.open_data(small(labels=25)), ["data.labels", "25", "24 training masks"]),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_a_wrong_option_is_one_line_naming_it_and_what_is_allowed(
    call: Callable[[], object], words: list[str]
) -> None:
    message = refused(call)
    assert all(word in message for word in words), message


def test_construct_passes_options_on() -> None:
    @dataclass(frozen=True)
    class Thing:
        fixed: int
        free: float = 1.0

    assert construct(Thing, "here", {"free": 5}, fixed=2) == Thing(2, 5.0)
    assert "allowed are free" in refused(lambda: construct(Thing, "here", {"fixed": 5}, fixed=2))
    assert "here.free" in refused(lambda: construct(Thing, "here", {"free": "wide"}, fixed=2))


def test_an_option_of_the_wrong_type_is_named() -> None:
    options = {"data.options": {"train": "many"}}
    assert "train" in refused(lambda: assembly.open_dataset(small(options=options).data))


@pytest.mark.parametrize("scale", ["wide", -1.0, float("nan"), None])
def test_a_task_s_option_of_a_wrong_value_is_refused(scale: object) -> None:
    options = {"tasks.options": {"bbox": {"scale": scale}}}
    assert "scale" in refused(lambda: assembly.make_tasks(small(options=options), CLASSES))


def test_a_task_s_weight_is_a_number() -> None:
    options = {"tasks.weights": {"bbox": float("nan")}}
    assert "tasks.weights.bbox" in refused(lambda: small(options=options))


def test_choices_are_the_packages_dicts() -> None:
    assert assembly.CHOICES["data.name"] == tuple(DATASETS)
    assert {system.architecture for system in PRESETS.values()} <= set(
        assembly.CHOICES["model.architecture"]
    )


@pytest.mark.parametrize("preset", PRESETS)
def test_tasks_and_outputs_of_every_preset(preset: str) -> None:
    config = small(preset)
    tasks = assembly.make_tasks(config, CLASSES)
    assert tuple(tasks) == PRESETS[preset].tasks
    model = assembly.make_model(config, tasks).eval()
    outputs = model(torch.rand(1, assembly.make_views(config, tasks).channels, 32, 32))
    assert {name: output.shape[1] for name, output in outputs.items()} == {
        name: task.head.channels for name, task in assembly.answering(tasks).items()
    }


def test_weights_of_the_losses() -> None:
    config = small(options={"tasks.weights": {"bbox": 0.5}})
    balancer = assembly.make_balancer(config, assembly.make_tasks(config, CLASSES))
    assert balancer.weights == {"segmentation": 0.7, "classification": 0.1, "bbox": 0.5}


# -- starting weights ---------------------------------------------------------------------------


@pytest.mark.parametrize("preset", PRESETS)
def test_weights_none_start_from_scratch(preset: str) -> None:
    assert assembly.starting_weights(small(preset)) is None


@pytest.mark.parametrize("preset", [name for name in PRESETS if PRESETS[name].pretrained])
def test_imagenet_fits_width_1_only(preset: str) -> None:
    config = small(preset, weights="imagenet", width=0.5)
    message = refused(lambda: assembly.starting_weights(config))
    assert "--weights none" in message
    assert "0.5" in message


def test_a_file_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    file = tmp_path / "vgg.safetensors"
    file.touch()
    assert assembly.starting_weights(small(weights=str(file))) == file
    assert assembly.starting_weights(small(weights="~/vgg.safetensors")) == file


def test_a_missing_file_is_told_before_anything_is_decoded(tmp_path: Path) -> None:
    config = small(weights=str(tmp_path / "none.pth"))
    assert "none.pth" in refused(lambda: assembly.check_weights(config), DataError)


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and logs nothing."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The address of a server of the folder ``web``."""
    (tmp_path / "web").mkdir()
    handler = functools.partial(QuietHandler, directory=str(tmp_path / "web"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def publish(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str) -> None:
    """Moves VGG-16's weights to another address."""
    monkeypatch.setattr(VGG16, "PUBLISHED", Published(url, sha256, size=1, licence="none"))


@pytest.mark.parametrize("digits", [64, 8], ids=["whole", "first-digits"])
def test_imagenet_weights_are_downloaded_once(
    digits: int, server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = b"stands for VGG-16"
    served = tmp_path / "web" / "vgg16-test.pth"
    served.write_bytes(content)
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    publish(monkeypatch, f"{server}/{served.name}", hashlib.sha256(content).hexdigest()[:digits])
    config = configure("segnet-1task")
    path = assembly.starting_weights(config)
    assert path == tmp_path / "cache" / "weights" / "vgg16-test.pth"
    assert path.read_bytes() == content
    served.unlink()
    assert assembly.starting_weights(config) == path


def test_a_damaged_download_leaves_no_file(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "web" / "vgg16-test.pth").write_bytes(b"something else")
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path / "cache"))
    publish(monkeypatch, f"{server}/vgg16-test.pth", VGG16.PUBLISHED.sha256)
    message = refused(lambda: assembly.starting_weights(configure("segnet-1task")), DataError)
    assert "vgg16-test.pth" in message
    assert not (tmp_path / "cache" / "weights" / "vgg16-test.pth").exists()


@pytest.mark.parametrize(
    "published", [cls.PUBLISHED for cls in ENCODERS.values() if cls.PUBLISHED is not None]
)
def test_the_address_of_the_weights_names_their_hash(published: Published) -> None:
    """The files carry the first digits of their SHA-256 in their name."""
    assert Path(published.url).stem.split("-")[1] == published.sha256[:8]


@pytest.mark.parametrize("calibrate", [True, False])
def test_loaded_weights_are_calibrated_on_training_images(calibrate: bool, tmp_path: Path) -> None:
    weights = tmp_path / "vgg.safetensors"
    options = {"model.calibrate": calibrate, "model.weights": str(weights)}
    config = small("segnet-1task", options=options)
    data = assembly.open_data(config)
    tasks = assembly.make_tasks(config, data.dataset.classes)
    model = assembly.make_model(config, tasks)
    numbers = (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)
    state = {}
    for number, layer in zip(numbers, model.encoder.layers(), strict=True):
        weight = layer.get_parameter("0.weight").detach().clone()
        state[f"features.{number}.weight"] = weight
        state[f"features.{number}.bias"] = torch.full((len(weight),), 0.1)
    save_file(state, weights)
    assembly.load_starting_weights(model, weights, config, data, tasks)
    norm = model.encoder.layers()[0].get_submodule("1")
    fresh = bool((norm.get_buffer("running_var") == 1).all())
    assert fresh is not calibrate
    assert bool((norm.get_parameter("bias") == 0.1).all()) is not calibrate
