"""onnxruntime-web, which runs ONNX files in browsers: fetched once, checked, taken apart."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pooch

from auxseg.data.download import download
from auxseg.data.stored import cache_root
from auxseg.errors import DataError

#: The release that the page is tested with, as npm's registry has it.
VERSION = "1.30.0"
URL = f"https://registry.npmjs.org/onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
SHA256 = "d2228df7e4616bc3348bf504ee888f3bec43789a273f0a63f3e68d203ce3bf71"

#: Its script, the module that starts its WebAssembly, and that: the build for processors alone.
SCRIPT = "ort.wasm.min.js"
FACTORY = "ort-wasm-simd-threaded.mjs"
WASM = "ort-wasm-simd-threaded.wasm"

#: The archive has no licence file; its package.json says MIT, and this is the text of the project.
LICENCE = """\
onnxruntime-web {version} is part of index.html. Its licence:

MIT License

Copyright (c) Microsoft Corporation

Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
"""


def web_runtime(archive: Path | None = None) -> dict[str, bytes]:
    """The three files by name.

    Args:
        archive: the release as npm's registry has it, where there is no network; else it is
            downloaded once and kept.

    Raises:
        DataError: it cannot be downloaded or read, or is another one.
    """
    if archive is None:
        kept = cache_root() / "runtime" / URL.rpartition("/")[2]
        try:
            archive = download(URL, kept, known_hash=f"sha256:{SHA256}")
        except DataError as error:
            raise DataError(
                f"{error}; --runtime takes the file where there is no network"
            ) from None
    elif not archive.is_file():
        raise DataError(f"{archive}: no such file")
    elif pooch.file_hash(str(archive), alg="sha256") != SHA256:
        raise DataError(f"{archive}: is not onnxruntime-web {VERSION} ({URL})")
    found = {}
    with tarfile.open(archive) as files:
        for name in (SCRIPT, FACTORY, WASM):
            member = files.extractfile(f"package/dist/{name}")
            assert member is not None
            found[name] = member.read()
    return found
