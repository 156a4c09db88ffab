"""Many uploads at once: what a server answers, refuses, and how much memory it takes.

    python benchmarks/serve_load.py runs/photos --clients 64 --seconds 60

Every client uploads a photo of its own again and again, and compares the answer's mask with the one
that it got when it was alone; told to come again later, it waits as long as it is told. Beside them
slow clients send a byte a second. Standard output has one line of figures.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import re
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import median

import httpx
import numpy as np
from PIL import Image

SLOW = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("run", help="a run, or an exported file")
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--size", type=int, default=1000, help="longer side of the photos")
    given = parser.parse_args()
    line = [sys.executable, "-m", "auxseg", "serve", given.run, "--port", "0"]
    server = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[1].rstrip(";")
        asyncio.run(load(address, server.pid, given))
    finally:
        server.terminate()
        server.wait()


async def load(address: str, pid: int, given: argparse.Namespace) -> None:
    photos = [photo(number, given.size) for number in range(given.clients)]
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(base_url=address, limits=limits, timeout=120) as client:
        alone = [(await ask(client, one)).json()["mask"] for one in photos]
        before = peak(pid)
        end, seen, seconds = time.monotonic() + given.seconds, Counter[str](), list[float]()

        async def one(number: int) -> None:
            began = time.monotonic()  # of a photo: being told to come again is part of it
            while time.monotonic() < end:
                answer = await ask(client, photos[number])
                seen[str(answer.status_code)] += 1
                if answer.status_code == 503:
                    await asyncio.sleep(float(answer.headers["retry-after"]))
                if answer.status_code != 200:
                    continue
                seconds.append(time.monotonic() - began)
                began = time.monotonic()
                seen["mixed up"] += answer.json()["mask"] != alone[number]

        async def health() -> None:
            while time.monotonic() < end:
                began = time.monotonic()
                (await client.get("healthz")).raise_for_status()
                seen["slowest healthz, ms"] = max(
                    seen["slowest healthz, ms"], round(1000 * (time.monotonic() - began))
                )
                await asyncio.sleep(0.2)

        slow = [asyncio.create_task(drip(address, end)) for _ in range(SLOW)]
        await asyncio.gather(*(one(number) for number in range(given.clients)), health())
        await asyncio.gather(*slow, return_exceptions=True)
    sent = sum(count for status, count in seen.items() if status.isdecimal())
    other = sent - seen["200"] - seen["503"]
    took = median(seconds or [0.0])
    print(
        f"{given.clients} clients and {SLOW} slow ones, {given.seconds:g} s: {sent} sent, "
        f"{seen['200']} answered (median {took:.2f} s, waiting included), {seen['503']} told to "
        f"come again, {other} other; answers of another's photo: {seen['mixed up']}; slowest "
        f"healthz {seen['slowest healthz, ms']} ms; resident memory at most {peak(pid):.2f} GB, "
        f"{before:.2f} GB before"
    )


async def ask(client: httpx.AsyncClient, content: bytes) -> httpx.Response:
    return await client.post("api/predict", files={"image": ("photo.jpg", content)})


async def drip(address: str, end: float) -> None:
    """A client that never gets done."""
    url = httpx.URL(address)
    _, writer = await asyncio.open_connection(url.host, url.port)
    head = (
        f"POST /api/predict HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Length: 1000000\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
    )
    writer.write(head.encode())
    while time.monotonic() < end:
        writer.write(b"0")
        await writer.drain()
        await asyncio.sleep(1)
    writer.close()


def photo(number: int, size: int) -> bytes:
    """A smooth picture that no other client has, as JPEG."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(coarse).resize((size, size * 3 // 4)).save(stream, "jpeg", quality=95)
    return stream.getvalue()


def peak(pid: int) -> float:
    """Resident memory at most so far, in GB (Linux)."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1e6


if __name__ == "__main__":
    main()
