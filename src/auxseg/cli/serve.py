"""``auxseg serve``: a web page that predicts, and corrects masks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auxseg.cli.averaging import add_averaging
from auxseg.config.command_line import verb_parser
from auxseg.errors import UsageError


def serve(arguments: Sequence[str]) -> int:
    """show a web page that predicts photos, and corrects the masks of a folder"""
    parser = verb_parser("serve", serve, "auxseg serve runs/photos --photos photos")
    parser.add_argument("run", help="a run directory, or a file of auxseg export (.onnx, .pt2)")
    parser.add_argument("--photos", help="a folder of photos, whose masks the page corrects")
    parser.add_argument(
        "--ignore-index",
        type=int | None,
        needs="--photos",
        help="the value of its masks that means not labelled",
    )
    parser.add_argument("--compare", help="another run or file, to be seen beside the first")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="the address to listen on; with another than this machine's own a token is needed",
    )
    parser.add_argument("--port", type=int, default=8000, minimum=0, help="0 for any that is free")
    parser.add_argument(
        "--token", help="what browsers have to bring from other machines; drawn by default"
    )
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps")
    add_averaging(parser, "runs, or exported files,")
    parsed = parser.parse(arguments)
    try:
        from auxseg.serve.app import make_app
        from auxseg.serve.server import is_local, listen, new_token, run
    except ImportError as error:
        raise UsageError(
            f"serve: {error.name} is missing; pip install 'auxseg[serve]' brings it"
        ) from None
    from auxseg.predict import load
    from auxseg.serve.answers import Served
    from auxseg.serve.gallery import Gallery

    first = load(parsed.run, parsed.accelerator, others=parsed.others, tta=parsed.tta)
    networks = [Served(str(parsed.run), first)]
    if parsed.compare is not None:
        networks.append(Served(str(parsed.compare), load(parsed.compare, parsed.accelerator)))
    gallery = None
    if parsed.photos is not None:
        if not networks[0].classes:
            raise UsageError(f"--photos: {parsed.run} has no segmentation to correct")
        folder = Path(parsed.photos).expanduser()
        gallery = Gallery(folder, networks[0].classes, parsed.ignore_index)
    token = parsed.token
    if token is not None and not (token.isascii() and token.isprintable() and token):
        raise UsageError("--token: takes letters, digits and signs of ASCII")
    if token is None and not is_local(parsed.host):
        token = new_token()
    app = make_app(networks, gallery, token=token)
    bound = listen(parsed.host, parsed.port)
    port = bound.getsockname()[1]
    name = f"[{parsed.host}]" if ":" in parsed.host else parsed.host
    # Browsers keep what is behind # to themselves, so that it is in no log.
    address = f"http://{name}:{port}/" + (f"#token={token}" if token else "")
    run(app, bound, lambda: print(f"open {address}; Ctrl-C ends it", flush=True))
    left = app.state.desk.inside
    print("ended; " + (f"{left} photos are not answered" if left else "nothing is left to answer"))
    return 0
