"""How much faster the exported segmentation network predicts than the full one.

    python benchmarks/inference.py [--preset mtan-3task] [--image-size 256] [--batch-size 1]

Full network in torch, then pruned to segmentation with folded batch norms in torch, as an ONNX file
in onnxruntime; in rounds, in one process. Weights are fresh: speed does not depend on them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import torch
from arguments import preset_parser

from auxseg import assembly
from auxseg.api import configure
from auxseg.bench.clock import time_in_rounds
from auxseg.bench.networks import CLASSES, count_flops
from auxseg.export.formats import onnx_bytes, trace
from auxseg.export.network import ShippedNetwork
from auxseg.report.tables import to_markdown


def main() -> None:
    import onnxruntime

    given = preset_parser(__doc__, image_size=256, batch_size=1, seconds=60).parse_args()
    config = configure(given.preset, weights="none", width=given.width)
    tasks = assembly.make_tasks(config, CLASSES)
    views = assembly.make_views(config, tasks)
    model = assembly.make_model(config, tasks).eval()
    shipped = ShippedNetwork(model, views, config.tasks.names[:1])
    image = torch.rand(given.batch_size, 3, given.image_size, given.image_size)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "network.onnx"
        file.write_bytes(onnx_bytes(trace(shipped), "{}"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
        array = image.numpy()
        runs = {
            "full, torch": lambda: model(image),
            "pruned, torch": lambda: shipped(image),
            "pruned, onnxruntime": lambda: session.run(None, {"image": array}),
        }
        with torch.inference_mode():
            timings = time_in_rounds(runs, torch.device("cpu"), given.seconds)
    with torch.inference_mode():
        flops = {"full, torch": count_flops(runs["full, torch"])}
        flops["pruned, torch"] = count_flops(runs["pruned, torch"])
    slowest = timings["full, torch"].seconds
    rows = [["network", "ms", "±", "GFLOP", "times as fast"]]
    for name, timing in timings.items():
        count = flops.get(name, flops["pruned, torch"]) / 1e9
        speed = f"{slowest / timing.seconds:.2f}"
        rows.append(
            [name, f"{1e3 * timing.seconds:.0f}", f"{timing.spread / 2:.0%}", f"{count:.0f}", speed]
        )
    print(
        f"{given.preset}, {given.image_size}×{given.image_size}, batch {given.batch_size}, width "
        f"{given.width:g}; {torch.get_num_threads()} threads, torch {torch.__version__}, "
        f"onnxruntime {onnxruntime.__version__}; medians of {timing.rounds} rounds\n"
    )
    print(to_markdown(rows))


if __name__ == "__main__":
    main()
