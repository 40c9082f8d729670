"""The steps of a history that make and cancel delete requests. Start at `DeleteSteps`."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from lodur.model.clock import ManualClock
from lodur.model.durations import NS_PER_HOUR, NS_PER_S
from lodur.model.errors import InvalidRequest, NotFound
from lodur.model.limits import DeletionMode
from lodur.model.tenant import TenantId
from lodur.model.time_span import TimeSpan
from lodur.store.days import NS_PER_DAY
from lodur.store.deletes.request_store import read_log
from lodur.store.deletes.requests import DeleteLog
from lodur.store.filesystem_store import FilesystemStore
from tests.compacting_node import Row
from tests.faults.deleted import Asked, Deleted, Names
from tests.faults.faulty_store import Bucket
from tests.faults.process import CANCEL_PERIOD_NS, Process
from tests.faults.violation import Violation

MODES = (DeletionMode.FILTER_AND_DELETE,) * 3 + (DeletionMode.FILTER_ONLY,)


def _number(row: Row) -> int:
    return int(row[2].split()[1].removeprefix("n="))


def _pad(row: Row) -> str:
    return row[2].rpartition("pad=")[2]


QUERIES: tuple[tuple[str, Names], ...] = (
    ('{app="x"}', lambda row: row[0] == "x"),
    ('{app=~"x|y"} |= "7 pad"', lambda row: row[0] in "xy" and "7 pad" in row[2]),
    ('{app="z"} !~ "n=.*1 "', lambda row: row[0] == "z" and "1" not in str(_number(row))[-1:]),
    ('{app!=""} | logfmt | n > 20', lambda row: _number(row) > 20),
    ('{app="y"} | logfmt | pad=~"x{3,9}"', lambda row: row[0] == "y" and 3 <= len(_pad(row)) <= 9),
    ('{app=~".+"} |= "nowhere to be found"', lambda _: False),
    ('{app=~".+"}', lambda _: True),
)


class DeleteSteps:
    """Requests of one tenant over the processes of one history."""

    def __init__(
        self,
        tenant: TenantId,
        deleted: Deleted,
        bucket: Bucket,
        clock: ManualClock,
        processes: Mapping[str, Process],
    ) -> None:
        self._tenant = tenant
        self._deleted = deleted
        self._truth = FilesystemStore(bucket.directory)
        self._clock = clock
        self._processes = processes

    def delete(self, process: Process, chance: Random) -> str:
        """Make a request; what it asks for. Raises as `DeleteService.add`, Crash."""
        text, matches = chance.choice(QUERIES)
        span = self._span(chance)
        process.next_id = f"{len(self._deleted.asked) + 1:08x}"
        asked = self._deleted.asked[process.next_id] = Asked(text, span.start_ns, span.end_ns, matches)
        told = f"{process.next_id}: {text} {span}"
        new = process.deletes.new_request(text, span, max_interval_ns=0, by="bench")
        process.deletes.add(self._tenant, new)
        asked.is_acknowledged = True
        return told

    def _span(self, chance: Random) -> TimeSpan:
        """Some hours or days, or the time of one entry, which lies within a segment or in memory."""
        now_ns, known = self._clock.now_ns(), sorted(self._deleted.sent_ns)
        if known and chance.random() < 0.4:
            ts_ns = chance.choice(known)[1]
            return TimeSpan(ts_ns - chance.choice([0, NS_PER_S]), ts_ns + chance.choice([0, NS_PER_S, NS_PER_DAY]))
        start_ns = now_ns - chance.randint(1, 60) * NS_PER_HOUR
        return TimeSpan(start_ns, min(now_ns, start_ns + chance.randint(1, 60) * NS_PER_HOUR))

    def cancel(self, process: Process, chance: Random) -> str:
        """Cancel a request, by force or not; which. Raises as `DeleteService.cancel`, Crash, Violation."""
        if not self._deleted.asked:
            return ""
        request_id, force = chance.choice(sorted(self._deleted.asked)), chance.random() < 0.3
        asked, request = self._deleted.asked[request_id], self._deleted.in_force.get(request_id)
        was_possible, asked.may_be_cancelled = asked.may_be_cancelled, True
        told = f"{request_id} force={force}"
        try:
            process.deletes.cancel(self._tenant, request_id, force=force, by="bench")
        except NotFound:
            if request is not None:
                raise Violation(f"a request in force is not found: {request}") from None
        except InvalidRequest:
            asked.may_be_cancelled = was_possible
            is_late = request is not None and self._clock.now_ns() > request.created_at_ns + CANCEL_PERIOD_NS
            is_refused = request is not None and (request.is_processed or not force)
            if not is_refused or request is None or not (request.is_started or is_late):
                raise Violation(f"a request cannot be cancelled: {request}") from None
        else:
            asked.is_cancelled = True
        return told

    def choose_mode(self, chance: Random) -> None:
        """Whether requests only hide, or delete, in all processes."""
        mode = chance.choice(MODES)
        for process in self._processes.values():
            process.mode = mode

    def observe(self) -> None:
        """Take in what the store says, and what each process knows of it. Raises Violation."""
        self._deleted.observe(self._log(), self._clock.now_ns())
        for process in self._processes.values():
            known = {request.id for request in process.deletions.known(self._tenant).requests}
            self._deleted.seen_by.setdefault(process.name, set()).update(known)

    def check_processed(self, process: Process) -> None:
        """Nothing waits any more. Raises Violation."""
        waiting = [one for one in self._log().requests if not one.is_processed]
        if waiting and process.mode is DeletionMode.FILTER_AND_DELETE:
            raise Violation(f"requests are not processed: {waiting}")

    def _log(self) -> DeleteLog:
        return read_log(self._truth, self._tenant).log
