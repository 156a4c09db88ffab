"""A trained network's masks as suggestions in Label Studio: its machine-learning backend.

    pip install label-studio-sdk 'auxseg[serve]'
    python examples/label_studio_backend.py runs/photos --port 9090

In Label Studio: Settings, Model, Connect Model, http://localhost:9090; where that runs on the same
machine, start it with ML_BLOCK_LOCAL_IP=false SSRF_PROTECTION_ENABLED=false. The labelling
interface is an Image with BrushLabels, whose values are the network's classes:

    <View>
      <Image name="image" value="$image"/>
      <BrushLabels name="mask" toName="image"><Label value="cat"/><Label value="dog"/></BrushLabels>
    </View>

Suggestions have a score, the mean probability of what was decided: sort by it to see the least
certain photos first.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlparse
from xml.etree import ElementTree

import numpy as np
import requests
import uvicorn
from fastapi import FastAPI
from label_studio_sdk.converter.brush import mask2rle
from PIL import Image, ImageOps

import auxseg


class Backend:
    """What Label Studio asks of a backend."""

    def __init__(self, run: str) -> None:
        self.predictor, self.version = auxseg.load(run), Path(run).resolve().name
        self.host, self.token = "", ""

    def setup(self, request: dict[str, Any]) -> dict[str, str]:
        """Label Studio says where it is, and how its photos may be read."""
        self.host, self.token = request.get("hostname") or "", request.get("access_token") or ""
        return {"model_version": self.version}

    def predict(self, request: dict[str, Any]) -> dict[str, Any]:
        control = Control(request["label_config"])
        return {"results": [self.suggest(task, control) for task in request["tasks"]]}

    def suggest(self, task: dict[str, Any], control: Control) -> dict[str, Any]:
        photo = self.photo(task["data"][control.field])
        found = self.predictor.predict(photo, probabilities=True)
        if found.mask is None or found.probabilities is None:
            raise ValueError(f"{self.version} has no segmentation")
        result = []
        for number, name in enumerate(found.classes):
            if number in found.found and name in control.labels:
                # Label Studio's photos are turned as EXIF says, and so is the mask.
                plane = 255 * np.uint8(found.mask == number)
                value = {"format": "rle", "rle": mask2rle(plane), "brushlabels": [name]}
                result.append(
                    {
                        "from_name": control.name,
                        "to_name": control.image,
                        "type": "brushlabels",
                        "original_width": photo.width,
                        "original_height": photo.height,
                        "value": value,
                    }
                )
        planes = [found.probabilities[number] for number in range(len(found.classes))]
        score = float(np.max(planes, axis=0).mean())
        return {"result": result, "score": score, "model_version": self.version}

    def photo(self, address: str) -> Image.Image:
        """A task's photo; Label Studio's own are asked for with its token, others without."""
        url = urljoin(self.host + "/", address)
        own = urlparse(url).netloc == urlparse(self.host).netloc
        headers = {"Authorization": f"Token {self.token}"} if own else {}
        answer = requests.get(url, headers=headers, timeout=30)
        answer.raise_for_status()
        return ImageOps.exif_transpose(Image.open(io.BytesIO(answer.content))).convert("RGB")


class Control:
    """The brush of a labelling interface: its name, its image's name and field, its labels."""

    def __init__(self, config: str) -> None:
        tree = ElementTree.fromstring(config)
        brush = tree.find(".//BrushLabels")
        if brush is None:
            raise ValueError("the labelling interface has no BrushLabels")
        self.name, self.image = brush.attrib["name"], brush.attrib["toName"]
        self.labels = {label.attrib["value"] for label in brush.iter("Label")}
        image = tree.find(f".//Image[@name='{self.image}']")
        if image is None:
            raise ValueError(f"the labelling interface has no Image {self.image}")
        self.field = image.attrib["value"].removeprefix("$")


def make_app(backend: Backend) -> FastAPI:
    app = FastAPI()

    @app.get("/")
    @app.get("/health")
    def health() -> dict[str, str]:
        return {"status": "UP", "model_class": "auxseg"}

    @app.post("/setup")
    def setup(request: dict[str, Any]) -> dict[str, str]:
        return backend.setup(request)

    @app.post("/predict")
    def predict(request: dict[str, Any]) -> dict[str, Any]:
        return backend.predict(request)

    @app.post("/webhook", status_code=201)
    def webhook(request: dict[str, Any]) -> dict[str, str]:
        return {}  # annotations that were made; it is trained by `auxseg fit`, not from here

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="a run directory, or an exported file")
    parser.add_argument("--port", type=int, default=9090)
    given = parser.parse_args()
    uvicorn.run(make_app(Backend(given.run)), host="127.0.0.1", port=given.port)


if __name__ == "__main__":
    main()
