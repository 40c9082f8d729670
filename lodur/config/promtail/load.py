"""Find and read a Promtail file. Start at `load_agent`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from lodur.config.environment import ExpansionError, expand_env
from lodur.config.errors import ConfigError
from lodur.config.promtail.document import LoadedAgent, build_agent
from lodur.config.yaml_nodes import YAML_BYTES_MAX


def load_agent(
    names: Sequence[str], *, environ: Mapping[str, str], expands_env: bool, client_urls: tuple[str, ...] = ()
) -> LoadedAgent:
    """The agent of the first of `names` that exists. Raises ConfigError."""
    path = next((name for name in names if Path(name).exists()), None)
    if path is None:
        raise ConfigError(f"config file not found: {', '.join(names) or 'no name given'}")
    try:
        if Path(path).stat().st_size > YAML_BYTES_MAX:
            raise ConfigError(f"{path}: more than {YAML_BYTES_MAX} bytes")
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error
    if expands_env:
        text = _expand(text, path, environ)
    return build_agent(text, name=path, environ=environ, client_urls=client_urls)


def _expand(text: str, path: str, environ: Mapping[str, str]) -> str:
    try:
        # As in Promtail, `\\` becomes `\` where variables are expanded.
        return expand_env(text.replace("\\\\", "\\"), environ)
    except ExpansionError as error:
        raise ConfigError(f"{path}: line {error.line}: {error.problem}") from error
