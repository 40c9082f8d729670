"""The file of `lodur.access.users_file`: who may do what, read again while the server runs."""

from __future__ import annotations

from pathlib import Path

from lodur.api.access.options import Grant
from lodur.config.blocks.access import USERS
from lodur.config.errors import ConfigError
from lodur.config.loading import listed_problems
from lodur.config.reading import read_block
from lodur.config.schema import Schema, Setting
from lodur.config.yaml_nodes import YamlError, parse_yaml

FILE_BYTES_MAX = 1024 * 1024
"""Some ten thousand users, as a file of credentials holds them."""

_USERS = Setting("users", USERS.kind, "{}", "As `lodur.access.users`.")

_FILE = Schema.of((_USERS,), {"": "lodur.AccessUsersFile"})


def read_users(file: Path) -> dict[str, Grant]:
    """The users of a file. Raises ConfigError with all that is wrong in it, by line, and OSError."""
    try:
        root = parse_yaml(file.read_bytes().decode("utf-8-sig"), bytes_max=FILE_BYTES_MAX)
    except UnicodeDecodeError as error:
        raise ConfigError(f"{file}: invalid UTF-8") from error
    except YamlError as error:
        raise ConfigError(f"{file}: yaml: line {error.line}: {error.problem}") from error
    if root is None:
        return {}
    reading = read_block(_FILE, root)
    if reading.problems:
        raise ConfigError(f"{file}: {listed_problems(reading.problems)}")
    return dict(reading.values().get(_USERS))
