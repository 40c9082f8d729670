"""Write the reference page of the configuration from the schema.

`python -m lodur.config.reference docs/reference/configuration.md` writes it; a test holds the file against `page()`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.flags import SWITCHES, TEXT_FLAGS
from lodur.config.loading import BUILT_IN_FILE
from lodur.config.schema import InertKey, MisplacedKey, RemovedKey, Setting
from lodur.config.targets import ROLES_OF_TARGETS, Role

_INTRODUCTION = """\
# Configuration

`lodur serve` reads Loki's configuration file and takes Loki's flags. A site's own file starts it as it is: keys that
mean something here are honoured, keys that cannot are accepted and listed once at start-up with the reason, and all
others are errors.

<!-- Written by `python -m lodur.config.reference docs/reference/configuration.md`; do not edit. -->

## Where settings come from

Defaults, then the file, then flags; the later wins. The file is the one of `-config.file`, else `config.yaml` or
`config/config.yaml` in the working directory. Without any, this one is built in, and data lie in `./data`:

```yaml
{built_in}```

With a file, the defaults of the tables below hold. A file that says nothing about where data lie
(`common.path_prefix`, `common.storage`, `storage_config`, `schema_config`, `ingester.wal.dir`) keeps them in `./data`
too. Relative paths start at the working directory.

Every setting has a flag, its path with dashes for underscores: `server.http_listen_port` is
`-server.http-listen-port=3200`, `--server.http-listen-port 3200` or any other mixture of one or two dashes, `=` or a
space. Switches need no value. Where Loki's own flag has another name, that is understood as well and stands in the
table.

## What is wrong in a file

Unknown keys, duplicate keys and values of the wrong type are listed together, each with its line, in Loki's words, with
the key that was probably meant; `-verify-config` does nothing else. Keys that Loki 3 no longer reads name what to write
instead, keys in the wrong block name the right one. Below a key that is ignored as a whole nothing else is looked at.

Durations are `30s`, `1h30m`, `7d` (Prometheus) or `1.5h`, `100ms` (Go); a number alone is refused, except 0. Sizes
are `512KB`, `64MiB`, `1.5GB` or a number of bytes; KB and KiB are both 1024 bytes. A list of strings may be one string
with commas.

## Environment variables

Only with `-config.expand-env=true`, in the text of the file, before it is read as YAML:

| text | result |
|---|---|
| `${{VAR}}` | the value, or nothing |
| `${{VAR:-text}}`, `${{VAR:=text}}` | the value, or the text where it is unset or empty |
| `${{VAR:?text}}` | the value, or the text where it is unset or empty |
| `${{VAR^^}}`, `${{VAR,,}}` | in upper case, in lower case |
| `${{#VAR}}` | its length |
| `${{VAR:0:3}}` | three characters from the first on |
| `${{VAR/old/new}}` | with the first `old` replaced |
| `$VAR` | left alone |
| `$${{VAR}}`, `$$VAR` | `${{VAR}}`, `$VAR` |

## Where Lodur differs from Loki

* `schema_config` may be left out: then one period holds for all time, with the store that `storage_config` or
  `common.storage` describes, or the local disk.
* `ingester.chunk_encoding` is `zstd` where nothing is said. `flate` is written as gzip, and all `lz4` forms as one.
* A bare number other than 0 is no duration; Loki takes it for nanoseconds.
* A file with more than one YAML document is refused.
* `bucketnames` names one bucket.
* A host in `s3: s3://key:secret@host:9000/bucket` is addressed with the bucket in the path.
* The block `lodur` holds what Loki has no key for.

## Secrets

Keys and passwords are masked in what `-print-config-stderr` prints and stand in no message.
"""


def page() -> str:
    """The whole page."""
    sections = [_INTRODUCTION.format(built_in=BUILT_IN_FILE), *_flags(), *_targets(), *_settings(), *_other_keys()]
    return "\n".join(sections)


def _flags() -> Iterator[str]:
    yield "## Flags that are no settings\n"
    yield "| flag | what it does |\n|---|---|"
    for name, doc in (*TEXT_FLAGS.items(), *SWITCHES.items()):
        yield f"| `-{name}` | {doc} |"
    yield ""


def _targets() -> Iterator[str]:
    yield "## Targets\n"
    yield "`-target` takes a comma list of roles, or of Loki's module names, which start the role they are part of.\n"
    yield "| role | targets |\n|---|---|"
    yield "| all | `all` |"
    for role in Role:
        names = (f"`{name}`" for name, roles in ROLES_OF_TARGETS.items() if roles == {role})
        yield f"| {role} | {', '.join(names)} |"
    yield ""


def _settings() -> Iterator[str]:
    settings = CONFIG_FILE.settings()
    for block in dict.fromkeys(_block(setting.path) for setting in settings):
        yield f"## {'Top level' if block is None else f'`{block}`'}\n"
        yield "| key | kind | default | meaning | Loki's flag |\n|---|---|---|---|---|"
        for setting in settings:
            if _block(setting.path) == block:
                yield _setting_row(setting)
        yield ""


def _setting_row(setting: Setting[object]) -> str:
    default = f"`{setting.default}`" if setting.default else ""
    flags = ", ".join(f"`-{flag}`" for flag in setting.flags)
    doc = f"{setting.doc} Ignored: {setting.ignored}." if setting.ignored else setting.doc
    return f"| `{setting.path}` | {setting.kind.name} | {default} | {doc} | {flags} |"


def _other_keys() -> Iterator[str]:
    entries = CONFIG_FILE.entries.values()
    yield "## Keys that have no effect\n"
    yield "| key | why | keys below |\n|---|---|---|"
    for entry in entries:
        if isinstance(entry, InertKey):
            yield f"| `{entry.path}` | {entry.reason} | {', '.join(entry.keys)} |"
    yield "\n## Keys that are errors\n"
    yield "| key | what to do |\n|---|---|"
    for entry in entries:
        match entry:
            case RemovedKey(path=path, instead=instead):
                yield f"| `{path}` | {instead} |"
            case MisplacedKey(path=path, belongs=belongs):
                yield f"| `{path}` | write it at `{belongs}` |"
            case _:
                pass
    yield ""


def _block(path: str) -> str | None:
    return path.partition(".")[0] if "." in path else None


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(page(), encoding="utf-8")
