"""A small encoder pre-trained on drawings: the stand-in for ImageNet weights at other widths.

ImageNet weights fit width 1 only. For the small demonstration on ``shapes`` an encoder of the same
width learns to classify drawn images (species × coat, 8 classes) of another seed than those that
the systems are trained and tested on.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path

from auxseg import assembly
from auxseg.config import (
    AugmentationConfig,
    Config,
    DataConfig,
    ModelConfig,
    TasksConfig,
    TrainingConfig,
    plain,
)
from auxseg.data.datasets.shapes.dataset import Shapes
from auxseg.data.stored import cache_root
from auxseg.models.weights import write_state
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import replacing
from auxseg.training.fit import train

#: ``--weights`` of ``reproduce`` that pre-trains a small encoder on drawings; its name in tables.
GENERATED = "generated"
GENERATED_NAME = "drawings"
#: Raised whenever the same configuration would give other weights.
VERSION = 1
#: Seed of the drawings: no run of ``shapes`` is likely to use it.
DRAWING_SEED = 20_170_127


_PREFIX = "drawings-"


def weights_origin(config: Config) -> str:
    """Where a system's starting weights come from, in a word; "–" for none."""
    weights = config.model.weights if config.model.pretrained else "none"
    if Path(weights).name.startswith(_PREFIX):
        return GENERATED_NAME
    names = {"none": "–", "imagenet": "ImageNet", GENERATED: GENERATED_NAME}
    return names.get(weights) or Path(weights).stem


def pretraining_config(encoder: str, width: float, image_size: int, accelerator: str) -> Config:
    """Classification of drawings by this encoder."""
    images = {"train": 800, "val": 200, "test": 1, "seed": DRAWING_SEED, "label": "kind"}
    return Config(
        preset="pretraining",
        data=DataConfig(image_size=image_size, options=images),
        augmentation=AugmentationConfig(scale=(1.0, 1.0), rotation=0.0, translation=0.0),
        model=ModelConfig(encoder=encoder, width=width, pretrained=False),
        tasks=TasksConfig(names=("classification",)),
        training=TrainingConfig(epochs=4, batch_size=16, lr=1e-3, accelerator=accelerator),
    )


def generated_weights(
    encoder: str, width: float, image_size: int, accelerator: str = "auto"
) -> Path:
    """The weights file for this encoder and width, trained on the first call and cached."""
    config = pretraining_config(encoder, width, image_size, accelerator)
    # Where it is computed does not change what: the same file serves every accelerator.
    settings = plain(pretraining_config(encoder, width, image_size, "any"))
    text = json.dumps([VERSION, Shapes.VERSION, settings], sort_keys=True)
    key = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = (
        cache_root()
        / "weights"
        / f"{_PREFIX}{encoder.replace(':', '-')}-{width:g}-{key}.safetensors"
    )
    if path.is_file():
        return path
    print(f"pre-training {encoder} of width {width:g} on drawings, once, into {path}")
    path.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=path.parent))
    try:
        run = RunDirectory(scratch / "run")
        result = train(config, run.path, quiet=True)
        accuracy = result.metrics["classification/accuracy"]
        _, classes = run.read_config()
        model = assembly.make_model(config, assembly.make_tasks(config, classes))
        model.load_state_dict(run.read_best())
        with replacing(path) as temporary:
            write_state(temporary, model.encoder.published(), {"accuracy": f"{accuracy:.3f}"})
        print(f"its accuracy on 200 other drawings of 8 kinds: {accuracy:.3f}")
    finally:
        shutil.rmtree(scratch)
    return path
