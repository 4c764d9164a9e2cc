"""A local S3 server (moto's) for tests, and the environment that leads to it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

SECRET = "no-log-should-show-this"


@contextmanager
def s3_server() -> Iterator[str]:
    """Start a server with a bucket `muse`; yields its address. The environment leads to it meanwhile."""
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        s3fs.S3FileSystem(use_listings_cache=False).mkdir("muse")
        try:
            yield address
        finally:
            s3fs.S3FileSystem.clear_instance_cache()
            server.stop()
