"""A real S3 server (versitygw) over a temporary directory.

scripts/install_test_servers.py says how the program is built. Start at `S3Server`.
"""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from tests.servers.process import ServerProcess, free_port

ROOT = Path(__file__).resolve().parent.parent.parent
INSTALL = "scripts.install_test_servers"


READY_S = 30.0


class ServerNotBuilt(Exception):
    """The program cannot be built on this machine; the message says why."""


def s3_server_program() -> Path:
    """The server's program, built now if it has not been yet. Raises ServerNotBuilt."""
    built = subprocess.run([sys.executable, "-m", INSTALL], cwd=ROOT, capture_output=True, text=True, check=False)
    if built.returncode != 0:
        raise ServerNotBuilt(built.stderr.strip().splitlines()[-1])
    return Path(built.stdout.strip())


class S3Server:
    """An S3 endpoint with one account, and buckets on demand."""

    region = "us-east-1"
    access_key = "lodur-tests"
    secret_key = "lodur-tests-secret"

    def __init__(self, program: Path, directory: Path) -> None:
        port = free_port()
        self.endpoint = f"http://127.0.0.1:{port}"
        self._names = itertools.count()
        objects = directory / "objects"
        objects.mkdir()
        argv = [str(program), f"-listen=127.0.0.1:{port}", f"-root={objects}"]
        if not _has_extended_attributes(objects):
            sidecar = directory / "metadata"
            sidecar.mkdir()
            argv.append(f"-sidecar={sidecar}")
        account = {"ROOT_ACCESS_KEY": self.access_key, "ROOT_SECRET_KEY": self.secret_key}
        self.process = ServerProcess(argv, directory=directory, log_path=directory / "s3.log", environment=account)

    def start(self) -> None:
        """Start and wait until the server answers. The same buckets are there after `kill` and another `start`."""
        self.process.start()
        self.process.wait_ready(self._is_healthy, deadline_s=READY_S)

    def stop(self) -> None:
        self.process.kill()

    def new_bucket(self) -> str:
        """The name of a bucket that exists and is empty."""
        name = f"bucket-{next(self._names)}"
        self.client().create_bucket(Bucket=name)
        return name

    def client(self) -> Any:
        """A boto3 client of this server (its class is made at run time): path-style addresses, no retries."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=self.region,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}),
        )

    def _is_healthy(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.endpoint}/health", timeout=5) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


def _has_extended_attributes(directory: Path) -> bool:
    try:
        os.setxattr(directory, "user.lodur-test", b"1")
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EPERM):
            return False
        raise
    return True
