"""Which store a command reads by itself, without a server: options, and how they become a store."""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from lodur.config.server_config import ServerConfig
    from lodur.store.object_stores import ObjectStores
    from lodur.store.options import StorageOptions


@dataclass(frozen=True, slots=True)
class StorePlace:
    """A store as the options name it; nothing is read yet."""

    config_file: Path | None
    expand_env: bool
    directory: Path | None

    @property
    def is_named(self) -> bool:
        """Whether the options say anything."""
        return self.config_file is not None or self.directory is not None

    def config(self) -> ServerConfig | None:
        """The server's configuration; None where a directory stands in its place. Raises ConfigError."""
        # Imported here, as below: most commands need none of it.
        from lodur.config.loading import load_server_config

        if self.directory is not None:
            return None
        arguments = [f"-config.file={self.config_file}"] if self.config_file else []
        arguments += ["-config.expand-env=true"] if self.expand_env else []
        return load_server_config(arguments, os.environ, Path.cwd()).config

    def storage(self, config: ServerConfig | None) -> StorageOptions:
        """Where the segments are."""
        from lodur.store.options import FilesystemOptions, PeriodOptions, StorageOptions

        if self.directory is not None:
            return StorageOptions((PeriodOptions(0, FilesystemOptions(self.directory)),))
        assert config is not None
        return config.storage


@contextmanager
def spool_directory() -> Iterator[Path]:
    """A folder for what a remote store's client keeps on the disk meanwhile."""
    with tempfile.TemporaryDirectory(prefix="lodur-") as folder:
        yield Path(folder)


@contextmanager
def opened_stores(place: StorePlace) -> Iterator[ObjectStores]:
    """The object stores that are meant. Raises as `StorePlace.config`, InvalidRequest for useless credentials."""
    from lodur.store.object_stores import ObjectStores

    with spool_directory() as spool:
        yield ObjectStores.of(place.storage(place.config()), spool_directory=spool)


_OPTIONS = (
    click.option(
        "--config-file",
        type=click.Path(exists=True, dir_okay=False, path_type=Path),
        help="Read the store of this server configuration, without a server.",
    ),
    click.option("--expand-env", is_flag=True, help="Replace ${VAR} in that file before it is read."),
    click.option(
        "--directory",
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Read a store on disk, in place of the configuration's.",
    ),
)


def store_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; the command receives them as `place`."""

    @functools.wraps(function)
    def collect(*, config_file: Path | None, expand_env: bool, directory: Path | None, **others: object) -> None:
        function(place=StorePlace(config_file, expand_env, directory), **others)

    decorated: Callable[..., None] = collect
    for option in reversed(_OPTIONS):
        decorated = option(decorated)
    return decorated
