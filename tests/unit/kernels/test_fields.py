"""Fields of entries with structured metadata, and of hostile lines."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from lodur.kernels.fields import detect_fields, field_values
from lodur.kernels.head import Head
from lodur.kernels.plan import PipelinePlan
from lodur.kernels.push_decode import ContentEncoding, PushFormat, PushLimits, decode_push
from lodur.kernels.scan import Cancel, LogResult, Scan
from lodur.kernels.scan_plan import Logs, ScanPlan, encode

EVERYTHING = ScanPlan((), PipelinePlan((), None), Logs(0, 2**62, limit=1000, backward=False))


def entries(*lines: tuple[str, Mapping[str, str]]) -> LogResult:
    values: Sequence[object] = [[str(10**18 + k), line, dict(metadata)] for k, (line, metadata) in enumerate(lines)]
    decoded = decode_push(
        json.dumps({"streams": [{"stream": {"app": "x"}, "values": values}]}).encode(),
        format=PushFormat.LOKI_JSON,
        encoding=ContentEncoding.IDENTITY,
        limits=PushLimits(reject_old_samples=False, discover_service_name=[]),
        now_ns=10**18,
    )
    head = Head()
    head.insert(decoded)
    return Scan.compile(encode(EVERYTHING)).run_logs([head.snapshot()], cancel=Cancel(), threads=1, bytes_max=2**28)


def fields(result: LogResult, limit: int = 1000) -> dict[str, tuple[str, int, list[str]]]:
    found = detect_fields(result, parsers=[], limit=limit, cancel=Cancel())
    return {field.name: (field.kind, field.cardinality, field.parsers) for field in found}


def test_metadata_has_no_parser_and_joins_what_lines_say() -> None:
    result = entries(
        ("level=info tier=line app=inner", {"tier": "sm", "app": "outer", "retries": "3"}),
        ("level=warn tier=line", {"tier": "sm", "retries": "11"}),
    )
    assert fields(result) == {
        "tier": ("string", 2, ["logfmt"]),
        "app_extracted": ("string", 2, ["logfmt"]),
        "retries": ("int", 2, []),
        "detected_level": ("string", 2, []),
        "level": ("string", 2, ["logfmt"]),
    }
    assert field_values(result, name="tier", parsers=[], limit=10, cancel=Cancel()) == ["sm", "line"]
    assert field_values(result, name="retries", parsers=[], limit=1, cancel=Cancel()) == ["3"]


def test_lines_of_both_kinds_name_both_parsers() -> None:
    result = entries(("status=200", {}), ('{"status":"2.5"}', {}))
    assert fields(result)["status"] == ("float", 2, ["logfmt", "json"])


def test_names_of_hostile_lines_are_passed_over() -> None:
    deep = '{"a":' * 300 + "1" + "}" * 300
    long_name = json.dumps({"n" * 2000: 1, "short": 2})
    found = fields(entries((deep, {}), (long_name, {})))
    assert found.keys() == {"short", "detected_level"}


def test_the_first_fields_count() -> None:
    result = entries((" ".join(f"k{k}=v" for k in range(50)), {}))
    assert list(fields(result, limit=3)) == ["detected_level", "k0", "k1"]
