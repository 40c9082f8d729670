"""Where rules are kept: in the object store, or in files that somebody else writes.

A tenant's rules are one object, replaced by conditional write, so that groups which two people change at the same time
are not lost and limits hold. Calls block. Start at `RuleStore`; format: docs/formats/rules.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeAlias

import msgspec
import structlog

from lodur.model.errors import InvalidRequest, LodurError, NotFound, Unauthenticated, Unavailable
from lodur.model.tenant import TenantId
from lodur.ruler.checks import repeated_names
from lodur.ruler.written import NotRules, WrittenGroup, decode_file
from lodur.store.object_store import ObjectStore
from lodur.store.summed_json import (
    SUMMED_VERSION,
    DamagedJson,
    Sound,
    check_summed,
    read_sound,
    report_damage,
    with_sum,
)
from lodur.wire.yaml_nodes import YAML_BYTES_MAX

WRITE_ATTEMPTS_MAX = 20
"""Each lost attempt means that somebody else has changed the tenant's rules."""

_log = structlog.get_logger(__name__)

Namespaces: TypeAlias = dict[str, tuple[WrittenGroup, ...]]
"""Groups by namespace, both sorted by name."""


class ReadOnly(LodurError):
    """Rules that are files are changed where the files are."""


class RuleStore(Protocol):
    """Rules of all tenants. Raises as ObjectStore, and CorruptData for rules that cannot be read."""

    def tenants(self) -> list[TenantId]:
        """Tenants that may have rules."""

    def groups(self, tenant: TenantId) -> Namespaces:
        """The rules of a tenant."""

    def change(self, tenant: TenantId, change: Callable[[Namespaces], Namespaces]) -> None:
        """Replace the rules of a tenant by what a pure function makes of them."""


@dataclass(frozen=True, slots=True)
class _Stored:
    version: int
    namespaces: dict[str, list[WrittenGroup]]


@dataclass(frozen=True, slots=True)
class _Found:
    """A tenant's rules (None: they cannot be read), and their version in the store that is written to."""

    namespaces: Namespaces | None
    version: str | None


_DECODER = msgspec.json.Decoder(_Stored)


def rules_path(tenant: TenantId) -> str:
    return f"{tenant}/rules/groups.json"


class ObjectRules:
    """Rules in object stores: read from all of them, those of later periods first, written to the last."""

    def __init__(self, stores: Sequence[ObjectStore]) -> None:
        self._stores = tuple(reversed(stores))

    def tenants(self) -> list[TenantId]:
        found: set[TenantId] = set()
        for name in {name for store in self._stores for name in store.list_folders("")}:
            try:
                found.add(TenantId(name))
            except (InvalidRequest, Unauthenticated):
                continue
        return sorted(found)

    def groups(self, tenant: TenantId) -> Namespaces:
        found = self._read(tenant)
        if found.namespaces is None:
            raise _unreadable(tenant)
        return found.namespaces

    def change(self, tenant: TenantId, change: Callable[[Namespaces], Namespaces]) -> None:
        path = rules_path(tenant)
        for _ in range(WRITE_ATTEMPTS_MAX):
            found = self._read(tenant)
            known = found.namespaces or {}
            changed = change(known)
            if changed == known:
                if found.namespaces is None:
                    raise _unreadable(tenant)
                return
            if self._stores[0].replace_if(path, _encoded(changed), found.version) is not None:
                return
        raise Unavailable(f"{path}: {WRITE_ATTEMPTS_MAX} attempts to write met with other writers")

    def _read(self, tenant: TenantId) -> _Found:
        path = rules_path(tenant)
        for store in self._stores:
            found = read_sound(store, path, _decoded)
            if found is not None:
                version = found.version
                if found.damaged is not None:
                    report_damage(store, tenant, "rules", path, found)
                    version = _mended(store, path, found)
                return _Found(found.value, version if store is self._stores[0] else None)
        return _Found({}, None)


def _mended(store: ObjectStore, path: str, found: Sound[Namespaces]) -> str:
    """Write restored rules anew, where this process may write and is the first to do so; the object's version then."""
    with suppress(LodurError):
        if found.value is not None:
            return store.replace_if(path, _encoded(found.value), found.version) or found.version
    return found.version


def _unreadable(tenant: TenantId) -> DamagedJson:
    return DamagedJson(
        rules_path(tenant),
        f"neither the rules nor the copy in it are whole; its bytes are kept in {tenant}/damaged; "
        "put the object back from a backup, or load all rules anew",
    )


def _encoded(namespaces: Namespaces) -> bytes:
    lists = {name: list(groups) for name, groups in sorted(namespaces.items()) if groups}
    return with_sum(msgspec.json.encode(_Stored(SUMMED_VERSION, lists)))


def _decoded(data: bytes, path: str) -> Namespaces:
    check_summed(data, path, "rules")
    try:
        stored = _DECODER.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DamagedJson(path, f"no rules: {error}") from error
    return {name: tuple(groups) for name, groups in stored.namespaces.items()}


class LocalRules:
    """Rules in files, `<directory>/<tenant>/<namespace>`; they cannot be changed here.

    A file that is wrong is logged, and the rules that it had before stay in force.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._good: dict[Path, tuple[WrittenGroup, ...]] = {}
        self._bad: dict[Path, str] = {}

    def tenants(self) -> list[TenantId]:
        try:
            names = [entry.name for entry in self._directory.iterdir() if entry.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise Unavailable(f"unable to read rule dir {self._directory}: {_reason(error)}") from error
        found: list[TenantId] = []
        for name in sorted(names):
            try:
                found.append(TenantId(name))
            except (InvalidRequest, Unauthenticated):
                continue
        return found

    def groups(self, tenant: TenantId) -> Namespaces:
        folder = self._directory / tenant.value
        try:
            files = sorted(entry for entry in folder.iterdir() if entry.is_file() and not entry.name.startswith("."))
        except OSError as error:
            raise Unavailable(f"unable to read rule dir {folder}: {_reason(error)}") from error
        namespaces = {file.name: self._file(file) for file in files}
        return {name: groups for name, groups in namespaces.items() if groups}

    def change(self, tenant: TenantId, change: Callable[[Namespaces], Namespaces]) -> None:
        raise ReadOnly("SetRuleGroup unsupported in rule local store")

    def _file(self, file: Path) -> tuple[WrittenGroup, ...]:
        try:
            with file.open("rb") as opened:
                raw = opened.read(YAML_BYTES_MAX + 1)
            groups = decode_file(raw.decode("utf-8"))
            if repeated := repeated_names(groups):
                raise NotRules(repeated)
        except (OSError, UnicodeDecodeError, NotRules) as error:
            if self._bad.get(file) != str(error):
                _log.error("rule file is wrong, its last good rules stay", file=str(file), err=str(error))
                self._bad[file] = str(error)
            return self._good.get(file, ())
        self._bad.pop(file, None)
        self._good[file] = groups
        return groups


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def with_group(namespaces: Namespaces, namespace: str, group: WrittenGroup) -> Namespaces:
    """The rules with a group put in, or in the place of one of its name."""
    others = [known for known in namespaces.get(namespace, ()) if known.name != group.name]
    groups = tuple(sorted([*others, _without_lines(group)], key=lambda one: one.name))
    return {**namespaces, namespace: groups}


def without_group(namespaces: Namespaces, namespace: str, name: str) -> Namespaces:
    """The rules without a group."""
    left = tuple(group for group in namespaces.get(namespace, ()) if group.name != name)
    return {key: groups for key, groups in {**namespaces, namespace: left}.items() if groups}


def without_namespace(namespaces: Namespaces, namespace: str) -> Namespaces:
    """The rules without those of a namespace. Raises NotFound where it has none."""
    if namespace not in namespaces:
        raise NotFound("group namespace does not exist")
    return {key: groups for key, groups in namespaces.items() if key != namespace}


def _without_lines(group: WrittenGroup) -> WrittenGroup:
    rules = tuple(replace(rule, line=0) for rule in group.rules)
    return replace(group, rules=rules, line=0)
