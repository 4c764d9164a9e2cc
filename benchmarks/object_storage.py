#!/usr/bin/env python3
"""A combination from stores on disk, in object storage, and in object storage with a scratch directory.

    object_storage.py [--exposures 4] [--ifus 2] [--wavelength 7000 7100] [--memory 700MiB] [--delay 0.03]

Makes exposures of the tests' star field, ingests them to disk and to a local S3 server (moto's, a process of its own),
and combines each way in a process of its own. Between musedeep and the server stands a proxy that holds every request
back for --delay seconds, as distance does, and counts them. Prints a Markdown table for
docs/howto/object-storage.md; fails if the cubes differ.
"""

import argparse
import asyncio
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from astropy.io import fits

from tests.makers.pixel_tables import write_dithers

MUSEDEEP = [sys.executable, "-m", "musedeep"]


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    """Passes connections on to a server, each request held back; counts requests, and bytes that come back."""

    def __init__(self, server, delay):
        self.server, self.delay, self.port = server, delay, free_port()
        self.requests = self.received = 0
        threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True).start()

    async def serve(self):
        """Wait for connections."""
        async with await asyncio.start_server(self.connection, "127.0.0.1", self.port) as server:
            await server.serve_forever()

    async def connection(self, reader, writer):
        """One connection."""
        there, back = await asyncio.open_connection("127.0.0.1", self.server)

        async def upwards():
            while data := await reader.read(1 << 16):
                if data.startswith((b"GET ", b"HEAD ", b"PUT ", b"POST ", b"DELETE ")):
                    self.requests += 1
                    await asyncio.sleep(self.delay)
                back.write(data)
                await back.drain()
            back.close()

        async def downwards():
            while data := await there.read(1 << 16):
                self.received += len(data)
                writer.write(data)
                await writer.drain()
            writer.close()

        await asyncio.gather(upwards(), downwards(), return_exceptions=True)


def voxels(output):
    """Bits of a cube."""
    with fits.open(output / "DATACUBE_FINAL.fits") as hdus:
        return [hdus[name].data.view(">u4").copy() for name in ("DATA", "STAT")]


def main():
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exposures", type=int, default=4)
    parser.add_argument("--ifus", type=int, default=2)
    parser.add_argument("--wavelength", type=float, nargs=2, default=(7000.0, 7100.0))
    parser.add_argument("--memory", default="700MiB")
    parser.add_argument("--delay", type=float, default=0.03, help="seconds a request is held back")
    parser.add_argument("--directory", type=Path, help="where to work (default: a temporary directory)")
    given = parser.parse_args()
    folder = Path(tempfile.mkdtemp(dir=given.directory))
    port = free_port()
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    proxy = Proxy(port, given.delay)
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "benchmark", "AWS_SECRET_ACCESS_KEY": "benchmark", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }  # fmt: skip

    def call(*arguments):
        subprocess.run([*MUSEDEEP, *map(str, arguments)], env=environment, check=True, capture_output=True)

    try:
        paths, _ = write_dithers(
            folder, given.exposures, step=50.0, ifus=tuple(range(10, 10 + given.ifus)),
            wavelength=tuple(given.wavelength),
        )  # fmt: skip
        deadline = time.monotonic() + 60
        while socket.socket().connect_ex(("127.0.0.1", port)) and time.monotonic() < deadline:
            time.sleep(0.2)
        make = "import s3fs; s3fs.S3FileSystem().mkdir('muse')"
        subprocess.run([sys.executable, "-c", make], env=environment, check=True)
        for path in paths:
            call("ingest", path, path.with_suffix(".zarr"))
            call("ingest", path, f"s3://muse/{path.stem}.zarr")
            path.unlink()
        stores = sum(f.stat().st_size for f in folder.glob("*.zarr/**/*") if f.is_file())
        (folder / "disk.yaml").write_text("exposures: ['*.zarr']\noutput: disk\n")
        (folder / "s3.yaml").write_text("exposures: ['s3://muse/*.zarr']\noutput: s3\n")
        (folder / "scratch").mkdir()
        environment["AWS_ENDPOINT_URL"] = f"http://127.0.0.1:{proxy.port}"
        call("combine", folder / "disk.yaml", "--memory", given.memory)  # compiles
        ways = {
            "stores on disk": ("disk.yaml",),
            "object storage": ("s3.yaml",),
            "object storage, --scratch": ("s3.yaml", "--scratch", folder / "scratch"),
        }
        print(f"{given.exposures} exposures, {stores / 2**20:.0f} MiB of stores, {given.delay:g} s a request.\n")
        print("| from | s | requests | MiB received |\n|---|---|---|---|")
        for way, (selection, *options) in ways.items():
            proxy.requests = proxy.received = 0
            began = time.monotonic()
            call("combine", folder / selection, "--memory", given.memory, "--overwrite", *options)
            seconds = time.monotonic() - began
            print(f"| {way} | {seconds:.1f} | {proxy.requests} | {proxy.received / 2**20:.0f} |", flush=True)
            for a, b in zip(voxels(folder / "disk"), voxels(folder / selection.split(".")[0]), strict=True):
                np.testing.assert_array_equal(a, b)
    finally:
        server.kill()
        server.wait()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
