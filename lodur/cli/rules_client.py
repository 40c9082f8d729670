"""A server's rules, over Loki's API."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from lodur.cli.client import Answer, LokiClient, refusal
from lodur.cli.connection import Connection
from lodur.model.errors import InvalidRequest
from lodur.ruler.rule_store import Namespaces
from lodur.ruler.written import NotRules, WrittenGroup, decode_namespaces, group_yaml

RULES_PATH = "/loki/api/v1/rules"

_NO_RULES = "no rule groups found"
_NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class RulesClient:
    """Reads and changes the rules of a tenant; raises the errors of `lodur.model.errors`."""

    connection: Connection
    client: LokiClient

    def namespaces(self) -> Namespaces:
        """All groups."""
        answer = self.client.ask(RULES_PATH)
        if answer.status == _NOT_FOUND and _NO_RULES in answer.text:
            return {}
        self._check(answer)
        try:
            return decode_namespaces(answer.body.decode("utf-8"))
        except (NotRules, UnicodeDecodeError) as error:
            raise InvalidRequest(f"{self.client.url} answered with what are no rules: {error}") from error

    def put(self, namespace: str, group: WrittenGroup) -> None:
        """Keep a group."""
        body = group_yaml(group).encode()
        self._check(self.client.post(_path(namespace), body, content_type="application/yaml"))

    def delete(self, namespace: str, group: str | None) -> None:
        """Forget a group, or all of a namespace."""
        self._check(self.client.delete(_path(namespace, *([group] if group is not None else []))))

    def _check(self, answer: Answer) -> None:
        if not 200 <= answer.status < 300:
            raise refusal(self.connection, answer)


def _path(*names: str) -> str:
    return "/".join([RULES_PATH, *(quote(name, safe="") for name in names)])
