"""Packages that only some commands need: taken when they are there, and named when they are not."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from lodur.model.errors import InvalidRequest

if TYPE_CHECKING:
    import duckdb


def arrow(what: str, module: str = "pyarrow") -> Any:
    """Apache Arrow, which publishes no types, or one of its modules. Raises InvalidRequest where it is missing."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(what, "parquet") from error


def duck(what: str) -> duckdb.DuckDBPyConnection:
    """An empty database in memory. Raises InvalidRequest where DuckDB is missing."""
    try:
        import duckdb
    except ImportError as error:
        raise missing(what, "sql") from error
    return duckdb.connect()


def missing(what: str, extra: str) -> InvalidRequest:
    """The error of a package that is not installed."""
    return InvalidRequest(f"{what} needs packages that are not installed: pip install 'lodur[{extra}]'")
