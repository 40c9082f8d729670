"""The ruler of a server, put together from its parts."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version

from prometheus_client import CollectorRegistry
from starlette.routing import Route

from lodur.api import loki_rules, prometheus_rules
from lodur.api.tenant import Tenancy
from lodur.app.limits_in_force import LimitsInForce
from lodur.model.clock import Clock
from lodur.query.engine import Engine
from lodur.ruler.configuration import RuleConfiguration
from lodur.ruler.leases import Leases
from lodur.ruler.options import RulerOptions
from lodur.ruler.outputs import Outputs
from lodur.ruler.queries import EngineQueries
from lodur.ruler.rule_store import LocalRules, ObjectRules, RuleStore
from lodur.ruler.ruler import Ruler, RulerParts
from lodur.store.object_stores import ObjectStores
from lodur.telemetry.ruler_metrics import RulerMetrics


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules as they are evaluated, and as they are changed."""

    ruler: Ruler
    configuration: RuleConfiguration
    enable_api: bool

    def routes(self, tenancy: Tenancy) -> Sequence[Route]:
        """The API of rules, if it is to be served."""
        if not self.enable_api:
            return ()
        return (*loki_rules.routes(self.configuration, tenancy), *prometheus_rules.routes(self.ruler.groups, tenancy))


def build_rules(
    options: RulerOptions,
    stores: ObjectStores,
    engine: Engine,
    limits: LimitsInForce,
    *,
    owner: str,
    clock: Clock,
    registry: CollectorRegistry,
) -> Rules:
    """The ruler over these stores; `owner` is a name for this process that a restart keeps."""
    directory = options.local_directory
    rules: RuleStore = ObjectRules(stores.each()) if directory is None else LocalRules(directory)
    metrics = RulerMetrics(registry)
    rng = random.Random()
    outputs = Outputs(options, limits.ruler, user_agent=_user_agent(), clock=clock, rng=rng, metrics=metrics)
    # Where the periods end lies what is written from now on.
    leases = Leases(stores.each()[-1], owner, clock)
    ask = EngineQueries(engine)
    ruler = Ruler(RulerParts(options, limits.ruler, rules, ask, leases, outputs, clock, metrics))
    return Rules(ruler, RuleConfiguration(rules, limits.of, ruler.notice), options.enable_api)


def _user_agent() -> str:
    try:
        return f"lodur-ruler/{version('lodur')}"
    except PackageNotFoundError:
        return "lodur-ruler"
