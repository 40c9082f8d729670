"""One tenant's day in one run of the compactor: delete, plan, claim, merge, commit. Start at `DayCompaction.run`."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import structlog

from lodur.kernels.segment import Segment
from lodur.model.clock import Clock
from lodur.model.durations import NS_PER_MINUTE
from lodur.model.errors import CorruptData
from lodur.store.compaction.deleting import Effect, TenantDeletes, removals_of
from lodur.store.compaction.merging import MergeOutcome, Merger
from lodur.store.compaction.options import CompactorOptions, RetentionPeriods
from lodur.store.compaction.policy import Compaction, CompactionReason, plan_compactions, rewriting
from lodur.store.compaction.retention import AskedSegments, is_worth_rewriting, keep_rules, plan_retention
from lodur.store.days import day_name, day_of
from lodur.store.manifest import (
    Claim,
    Manifest,
    RemovedSegment,
    Replaced,
    SegmentMeta,
    has_replaced,
    with_claim,
    with_cleared,
    with_replaced,
    without_claim,
    without_removed,
)
from lodur.store.manifest_store import Committed, commit
from lodur.store.object_store import ObjectStore
from lodur.store.store import Store
from lodur.store.tenant_store import TenantStore
from lodur.store.whole_segments import DamagedSegment, MissingSegment, damage_of
from lodur.telemetry.compaction_metrics import CompactionMetrics

CLAIM_NS = 10 * NS_PER_MINUTE
"""How long a process that says no more is left its day: longer than one merge takes, so that it is dead by then."""

STEPS_MAX = 1000
"""Compactions of one day in one run; more are left to the next."""

RECENT_DAYS = 2
"""Days whose manifests are read anew at each run: other processes write to them."""

Change = Callable[[Manifest], Manifest]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class DayCompaction:
    """Works on one day of one tenant. `periods` say what has expired; it is looked for only where `expires`."""

    store: Store
    tenant_store: TenantStore
    day: int
    options: CompactorOptions
    periods: RetentionPeriods
    expires: bool
    merger: Merger
    deletes: TenantDeletes | None
    asked: AskedSegments
    stopped: threading.Event
    is_gone: Callable[[str], bool]
    clock: Clock
    metrics: CompactionMetrics

    def run(self) -> None:
        """Do what is to be done, until nothing is left, another process has the day, or the server stops.

        Raises as `ObjectStore`, CorruptData for a manifest, DeadlineExceeded where a merge was broken off.
        """
        known = self._known()
        if known is None:
            return
        known = self._cleared(self._delete_due(known))
        if not self._plan(known.manifest):
            return
        known = self._with_claim(known)
        if known.manifest.claim is None or known.manifest.claim.owner != self.merger.owner:
            _log.info("day is being compacted by another process", **self._place())
            return
        try:
            for _ in range(STEPS_MAX):
                plan = self._plan(known.manifest)
                if not plan or self.stopped.is_set():
                    break
                known = self._carry_out(known, plan[0], left=len(plan) - 1)
        finally:
            self._commit(known, partial(_unclaimed, self.merger.owner))

    def _known(self) -> Committed | None:
        if self.day > day_of(self.clock.now_ns()) - RECENT_DAYS:
            return self.store.refresh(self.tenant_store, self.day)
        return self.tenant_store.known_day(self.day)

    def _with_claim(self, known: Committed) -> Committed:
        """The manifest with a claim of this process, or of another that has the day."""
        claimed = partial(_claimed, self._claim(), self.clock.now_ns())
        known = self._commit(known, claimed)
        claim = known.manifest.claim
        if claim is None or claim.owner == self.merger.owner or not self.is_gone(claim.owner):
            return known
        _log.info("day is taken over from a process that has ended", owner=claim.owner, **self._place())
        owner = claim.owner
        return self._commit(known, lambda manifest: claimed(without_claim(manifest, owner)))

    def _claim(self) -> Claim:
        return Claim(self.merger.owner, self.clock.now_ns() + CLAIM_NS)

    def _commit(self, known: Committed, change: Change) -> Committed:
        store = self.store.writer.stores.of_day(self.day)
        committed = commit(store, self.tenant_store.tenant, self.day, known, change)
        self.store.adopt(self.tenant_store, self.day, committed)
        return committed

    def _delete_due(self, known: Committed) -> Committed:
        """Delete the objects of segments that were removed long enough ago."""
        if not self._due(known):
            return known
        # Where another process has rebuilt the manifest, they may be live again.
        known = self.store.refresh(self.tenant_store, self.day) or known
        gone = self._due(known)
        if not gone:
            return known
        if self.deletes is not None:
            # When they are forgotten here, the trail must have them.
            self.deletes.record(gone)
        due = [removed.path for removed in gone]
        store = self.store.writer.stores.of_day(self.day)
        for path in due:
            store.delete(path)
        self.metrics.deleted.inc(len(due))
        _log.info("segments deleted that were replaced or expired", segments=len(due), **self._place())
        return self._commit(known, partial(_forgotten, frozenset(due)))

    def _due(self, known: Committed) -> list[RemovedSegment]:
        now_ns = self.clock.now_ns()
        return [removed for removed in known.manifest.removed if removed.delete_at_ns <= now_ns]

    def _cleared(self, known: Committed) -> Committed:
        """Remember of which segments delete requests have nothing to take."""
        effects = self._effects(known.manifest.segments, frozenset(self.store.set_aside()))
        clear = frozenset(path for path, effect in effects.items() if effect.clears())
        if not clear or self.deletes is None:
            return known
        return self._commit(known, partial(_with_cleared, clear, self.deletes.through))

    def _effects(self, segments: Sequence[SegmentMeta], busy: frozenset[str]) -> dict[str, Effect]:
        """What delete requests do to the segments that they concern, by path."""
        store = self.store.writer.stores.of_day(self.day)
        found: dict[str, Effect] = {}
        for segment in segments if self.deletes is not None else ():
            assert self.deletes is not None
            effect = None if segment.path in busy else self._effect(self.deletes, store, segment)
            if effect is not None:
                found[segment.path] = effect
        return found

    def _effect(self, deletes: TenantDeletes, store: ObjectStore, segment: SegmentMeta) -> Effect | None:
        """None too where the segment is damaged: the others of its day go on."""
        try:
            return deletes.effect(self.store, store, segment)
        except CorruptData as error:
            self._put_aside(DamagedSegment(segment, str(error)))
            return None

    def _plan(self, manifest: Manifest) -> list[Compaction]:
        """What is gone as a whole goes first: it need not be merged any more. Merges leave out what was deleted; only
        segments that are merged with no others are written anew for that."""
        aside = frozenset(self.store.set_aside())
        live = [segment for segment in manifest.segments if segment.path not in aside]
        now_ns, policy = self.clock.now_ns(), self.options.policy
        planned: list[Compaction] = []
        if self.expires:
            # What is set aside goes by its times like all else: nobody need read it for that.
            retention = plan_retention(manifest.segments, self.periods, now_ns)
            if retention.dropped:
                planned.append(Compaction(retention.dropped, (), 0, CompactionReason.EXPIRED))
            expired = self._opened([one for one in retention.suspects if one.path not in aside])
            planned += [rewriting(self.day, one, policy, now_ns, CompactionReason.EXPIRED) for one in expired]
        busy = aside | _inputs(planned)
        effects = self._effects(manifest.segments, busy)
        touched = [one for one in live if one.path in effects and not effects[one.path].clears()]
        gone = [one for one in touched if effects[one.path].drops(one)]
        planned += [Compaction((one,), (), 0, CompactionReason.DELETED) for one in gone]
        busy = aside | _inputs(planned)
        planned += plan_compactions(self.day, manifest.segments, policy, now_ns, busy=busy)
        busy = aside | _inputs(planned)
        alone = [one for one in touched if one.path not in busy]
        return planned + [rewriting(self.day, one, policy, now_ns, CompactionReason.DELETED) for one in alone]

    def _opened(self, suspects: Sequence[SegmentMeta]) -> list[SegmentMeta]:
        """Those of the segments whose directories show that it is time to rewrite them."""
        store, now_ns = self.store.writer.stores.of_day(self.day), self.clock.now_ns()
        rules = keep_rules(self.periods, now_ns)
        day_rules = keep_rules(self.periods, now_ns, whole_days=True)

        def has_expired(meta: SegmentMeta) -> bool:
            for opened in self.store.open_segments([(store, meta)]).segments:
                segment = opened if isinstance(opened, Segment) else opened.segment
                expired_rows, _ = rules.expired(segment)
                expired_day_rows, _ = day_rules.expired(segment)
                return is_worth_rewriting(expired_rows, expired_day_rows, segment.rows)
            return False

        return [meta for meta in suspects if self.asked.answer(meta.path, now_ns, partial(has_expired, meta))]

    def _carry_out(self, known: Committed, compaction: Compaction, *, left: int) -> Committed:
        """Merge and commit; the manifest as it is then."""
        store, tenant = self.store.writer.stores.of_day(self.day), self.tenant_store.tenant
        begun_s = self.clock.monotonic_s()
        _log.info(
            "compacting", segments=len(compaction.inputs), reason=compaction.reason.value, left=left, **self._place()
        )
        try:
            keep = keep_rules(self.periods, self.clock.now_ns())
            outcome = self.merger.merge(store, tenant, self.day, compaction, keep, self.deletes)
        except DamagedSegment as error:
            self._put_aside(error)
            return known
        except MissingSegment as error:
            return self._without(known, error.segment)
        if compaction.reason is CompactionReason.DELETED and not compaction.spans:
            outcome = replace(outcome, rows_deleted=self._dropped_rows(compaction))
        replaced = self._replaced(compaction, outcome)
        # Where the answer is lost, the commit may have been made: then the outputs must stay.
        committed = self._commit(known, partial(_replaced, replaced, self._claim(), self.clock.now_ns()))
        if has_replaced(committed.manifest, replaced):
            self._count(compaction, outcome, self.clock.monotonic_s() - begun_s)
            if self.deletes is not None and outcome.deleted_rows:
                gone = {segment.path for segment in compaction.inputs}
                self.deletes.record([removed for removed in committed.manifest.removed if removed.path in gone])
        else:
            self.metrics.lost_races.inc()
            _log.info("another process has merged these segments, its work stays", **self._place())
            self.merger.discard(store, list(outcome.outputs))
        return committed

    def _dropped_rows(self, compaction: Compaction) -> dict[str, dict[str, int]]:
        """By path and request, of segments that are dropped as a whole."""
        found: dict[str, dict[str, int]] = {}
        for path, effect in self._effects(compaction.inputs, frozenset()).items():
            counted = zip(effect.requests, effect.covered, strict=True)
            found[path] = {request.id: rows for request, rows in counted if rows}
        return found

    def _replaced(self, compaction: Compaction, outcome: MergeOutcome) -> Replaced:
        now_ns, into = self.clock.now_ns(), tuple(segment.id for segment in outcome.outputs)
        removals = removals_of(outcome.rows_deleted, at_ns=now_ns, by=self.merger.owner, into=into)
        return Replaced(compaction.inputs, outcome.outputs, self._delete_at_ns(compaction, outcome), removals)

    def _put_aside(self, error: DamagedSegment) -> None:
        """Leave a damaged segment alone; what only came damaged is whole when it is read again."""
        store = self.store.writer.stores.of_day(self.day)
        with suppress(MissingSegment):
            if damage_of(store, error.segment) is None:
                path = error.segment.path
                _log.warning("segment was damaged on the way, it is read again", path=path, err=str(error))
            else:
                self.store.put_aside(error.segment, str(error))

    def _without(self, known: Committed, missing: SegmentMeta) -> Committed:
        """The manifest as it is now; where it names the missing segment still, that is set aside."""
        found = self.store.refresh(self.tenant_store, self.day) or known
        if any(segment.path == missing.path for segment in found.manifest.segments):
            self.store.put_aside(missing, "there is no such object")
        return found

    def _delete_at_ns(self, compaction: Compaction, outcome: MergeOutcome) -> int:
        delay_ns = self.options.reader_grace_ns
        if outcome.rows_expired or compaction.reason is CompactionReason.EXPIRED:
            delay_ns = max(delay_ns, self.options.retention_delete_delay_ns)
        return self.clock.now_ns() + delay_ns

    def _count(self, compaction: Compaction, outcome: MergeOutcome, seconds: float) -> None:
        metrics, tenant = self.metrics, self.tenant_store.tenant.value
        read_bytes = sum(segment.file_bytes for segment in compaction.inputs)
        expired_rows, deleted_rows = outcome.rows_expired, outcome.deleted_rows
        if compaction.spans:
            metrics.read_bytes.inc(read_bytes)
        elif compaction.reason is CompactionReason.EXPIRED:
            expired_rows = sum(segment.rows for segment in compaction.inputs)
        metrics.compactions.labels(compaction.reason.value).inc()
        metrics.written_bytes.inc(outcome.written_bytes)
        metrics.copied_rows.inc(outcome.rows_copied)
        metrics.seconds.observe(seconds)
        if outcome.rows_repeated:
            metrics.repeated_rows.labels(tenant).inc(outcome.rows_repeated)
        if deleted_rows:
            metrics.deletes.deleted(tenant, deleted_rows)
        if expired_rows:
            metrics.expired_rows.labels(tenant).inc(expired_rows)
        _log.info(
            "compacted",
            reason=compaction.reason.value,
            inputs=len(compaction.inputs),
            outputs=len(outcome.outputs),
            rows=outcome.rows_read,
            copied_rows=outcome.rows_copied,
            repeated_rows=outcome.rows_repeated,
            expired_rows=expired_rows,
            deleted_rows=deleted_rows,
            read_bytes=read_bytes if compaction.spans else 0,
            written_bytes=outcome.written_bytes,
            seconds=round(seconds, 3),
            **self._place(),
        )

    def _place(self) -> dict[str, str]:
        return {"tenant": self.tenant_store.tenant.value, "day": day_name(self.day)}


def _inputs(planned: Sequence[Compaction]) -> frozenset[str]:
    return frozenset(segment.path for compaction in planned for segment in compaction.inputs)


def _claimed(claim: Claim, now_ns: int, manifest: Manifest) -> Manifest:
    return with_claim(manifest, claim, now_ns)


def _unclaimed(owner: str, manifest: Manifest) -> Manifest:
    return without_claim(manifest, owner)


def _forgotten(paths: frozenset[str], manifest: Manifest) -> Manifest:
    return without_removed(manifest, paths)


def _with_cleared(paths: frozenset[str], through: int, manifest: Manifest) -> Manifest:
    return with_cleared(manifest, paths, through)


def _replaced(replaced: Replaced, claim: Claim, now_ns: int, manifest: Manifest) -> Manifest:
    """The merge, and the claim made anew: a day may take longer than one claim lasts."""
    return with_claim(with_replaced(manifest, replaced), claim, now_ns)
