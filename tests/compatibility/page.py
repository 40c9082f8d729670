"""The page, made of tables. Start at `page`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.schema import InertKey, MisplacedKey, RemovedKey, Setting
from lodur.logql.template_syntax import FUNCTIONS
from lodur.logql.tokens import AGGREGATIONS, CALLS, KEYWORDS, OPERATORS
from tests.compatibility import notes
from tests.compatibility.evidence import ROOT, Evidence
from tests.fuzz_routes.routes import lodur_routes
from tests.system.limit_probes import PROBES, PROVEN_ELSEWHERE

PAGE = ROOT / "docs" / "reference" / "compatibility.md"

WORKS, DIFFERS, IGNORED, REFUSED, ABSENT, OWN = "works", "differs", "ignored", "refused", "not served", "Lodur's own"

EVERY_ROUTE = ("tests/system/test_every_route.py", "tests/system/test_fuzz_routes.py")
"""They ask every route there is."""

SCHEMA_TEST = "tests/unit/config/test_config_reference.py"
"""Reads every key there is."""

LIMITS_TEST = "tests/system/test_every_limit.py"
"""Gives each limit to a tenant of its own, which meets it; another does not."""

GRAMMAR_TEST = "tests/property/logql/test_differential.py"
"""Draws queries from the whole grammar."""

_INTRODUCTION = """\
# Compatibility

What Lodur has of Grafana Loki's interface, point by point, and the tests that show it. *Works* is: as Loki 3.7.6
answers; *differs* says how; *ignored* is accepted and has no effect, with the reason; *refused* is an error, in Loki
too. What differs on purpose is explained in [differences](../differences.md).

A number of recorded answers is that of requests to Loki whose answers Lodur must give as well
(`tests/system/test_logql_conformance.py`); up to three test files are named beside it. A key that only
`unit/config/test_config_reference.py` stands beside is read and handed on, which that test shows; what it does has no
test that names it.

<!-- Written by `python -m tests.compatibility`; do not edit. Notes stand in tests/compatibility/notes.py. -->
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table."""

    subject: str
    status: str
    note: str
    recorded: int
    tests: tuple[str, ...]

    def text(self) -> str:
        recorded = f"{self.recorded} recorded" if self.recorded else ""
        files = ", ".join(f"`{name.removeprefix('tests/')}`" for name in self.tests)
        note = self.note.replace("|", "\\|")
        subject = self.subject.replace("|", "\\|")
        return f"| `{subject}` | {self.status} | {note} | {', '.join(filter(None, (recorded, files)))} |"


def page() -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for title, rows in sections().items():
        parts += [f"## {title}\n", "| what | state | note | tests |\n|---|---|---|---|"]
        parts += [row.text() for row in rows]
        parts.append("")
    return "\n".join(parts)


def sections() -> dict[str, list[Row]]:
    """The rows of each table by its title."""
    evidence = Evidence()
    limits = [row for row in _keys(evidence) if row.subject.startswith("limits_config.")]
    others = [row for row in _keys(evidence) if not row.subject.startswith("limits_config.")]
    return {
        "HTTP endpoints": [*_endpoints(evidence), *_absent()],
        "LogQL: operators": list(_words(evidence, OPERATORS)),
        "LogQL: keywords and stages": list(_words(evidence, KEYWORDS)),
        "LogQL: functions": list(_words(evidence, {**CALLS, **AGGREGATIONS})),
        "LogQL: functions of templates": list(_template_functions(evidence)),
        "Limits": limits,
        "Configuration": others,
    }


def _endpoints(evidence: Evidence) -> Iterator[Row]:
    methods: dict[str, set[str]] = {}
    for route in lodur_routes():
        methods.setdefault(route.path, set()).update(("WebSocket",) if route.is_websocket else route.methods)
    for path, allowed in methods.items():
        own, differs = notes.OWN_ENDPOINTS.get(path), notes.ENDPOINTS.get(path)
        status = OWN if own else DIFFERS if differs else WORKS
        subject = f"{' '.join(sorted(allowed))} {path}"
        yield Row(
            subject,
            status,
            own or differs or "",
            evidence.recorded_at(path),
            tuple(_distinct((*evidence.asking(path), *EVERY_ROUTE)))[:3],
        )


def _absent() -> Iterator[Row]:
    for subject, reason in notes.NOT_SERVED.items():
        yield Row(subject, ABSENT, reason, 0, ())


def _words(evidence: Evidence, words: Mapping[str, object]) -> Iterator[Row]:
    for word in sorted(words):
        note = _note(notes.WORDS.get(word), word, evidence)
        tests = evidence.naming([word]) if word.isidentifier() else []
        found = (GRAMMAR_TEST, *(name for name in tests if "logql" in name or "query" in name))
        yield Row(word, DIFFERS if note else WORKS, note, evidence.recorded_words[word], found[:3])


def _template_functions(evidence: Evidence) -> Iterator[Row]:
    for name in sorted(FUNCTIONS, key=lambda name: (name.lower(), name)):
        note = notes.WORDS.get(name, "")
        tests = [file for file in evidence.naming([name]) if "template" in file or "line_format" in file]
        yield Row(name, DIFFERS if note else WORKS, note, evidence.recorded_functions[name], (GRAMMAR_TEST, *tests)[:3])


def _note(kept: str | None, word: str, evidence: Evidence) -> str:
    """The note of a word, with how many of its recorded answers are others on purpose."""
    if kept is None:
        return ""
    differing = evidence.differing_words[word]
    return f"{kept} ({differing} of its recorded answers)" if differing else kept


def _keys(evidence: Evidence) -> Iterator[Row]:
    for entry in CONFIG_FILE.entries.values():
        match entry:
            case Setting(path=path, ignored=reason) if reason:
                yield Row(path, IGNORED, reason, 0, (SCHEMA_TEST,))
            case Setting(path=path):
                note = notes.KEYS.get(path, "")
                status = OWN if path.startswith("lodur.") else DIFFERS if note else WORKS
                yield Row(path, status, note, 0, _tests_of_key(path, evidence))
            case InertKey(path=path, reason=reason):
                yield Row(path, IGNORED, reason, 0, (SCHEMA_TEST,))
            case RemovedKey(path=path, instead=instead):
                yield Row(path, REFUSED, instead, 0, (SCHEMA_TEST,))
            case MisplacedKey(path=path, belongs=belongs):
                yield Row(path, REFUSED, f"belongs at `{belongs}`", 0, (SCHEMA_TEST,))


def _tests_of_key(path: str, evidence: Evidence) -> tuple[str, ...]:
    """Tests that name the key and the block that it stands in."""
    if proof := _proof_of_limit(path):
        return proof, SCHEMA_TEST
    parts = [part for part in path.split(".") if part != "*"]
    named = evidence.naming(_distinct((*parts[:1], parts[-1])))
    return (*(name for name in named if name != SCHEMA_TEST), SCHEMA_TEST)[:3]


def _proof_of_limit(path: str) -> str | None:
    """The test that meets a limit on a running server."""
    block, _, key = path.partition(".")
    if block != "limits_config":
        return None
    return LIMITS_TEST if key in PROBES else PROVEN_ELSEWHERE.get(key)


def _distinct(words: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(words))
