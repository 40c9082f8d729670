"""Build the S3 server that the tests start, and print the path of its program.

The server is versitygw behind the small main of tests/servers/s3: a real S3 front over a directory, with atomic
conditional writes. Versions and checksums are pinned by go.mod and go.sum there. It is built once per state of those
files into .cache/servers/. Exit status 1 and one line on stderr say why it cannot be built.
"""

from __future__ import annotations

import sys
from pathlib import Path

from scripts.go_programs import CACHE, ROOT, CannotBuild, GoProgram, build_program

S3_SERVER = GoProgram(
    "s3server", ROOT / "tests" / "servers" / "s3", ".", cache=CACHE / "servers", minutes="two minutes"
)


def main() -> int:
    try:
        print(install_s3_server())
    except CannotBuild as error:
        print(f"no S3 server for the tests: {error}", file=sys.stderr)
        return 1
    return 0


def install_s3_server() -> Path:
    """The path of the server's program, building it when it is not there yet. Raises CannotBuild."""
    return build_program(S3_SERVER)


if __name__ == "__main__":
    sys.exit(main())
