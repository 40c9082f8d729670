"""What every push endpoint does with its body: read it, hand it on, and answer a refusal no sooner than its time."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request

from lodur.api.push_bodies import PushBodies
from lodur.ingest.writer import TOO_MUCH, PushOutcome, Writer
from lodur.model.errors import InvalidRequest, LimitExceeded
from lodur.model.tenant import TenantId
from lodur.wire.push_body import PushForm


@dataclass(frozen=True, slots=True)
class Pushing:
    """The writer, and how bodies for it are read."""

    writer: Writer
    bodies: PushBodies

    async def push(self, tenant: TenantId, request: Request, form: PushForm, *, empty_text: str = "") -> PushOutcome:
        """Read a body and keep what may be kept of it. `empty_text` refuses one without any bytes.

        Raises as `PushBodies.read` and `Writer.push`.
        """
        try:
            outcome = await self._pushed(tenant, request, form, empty_text)
        except LimitExceeded as error:
            if error.retryable:
                # What the traceback knows of is the body, which nobody counts any more.
                error.__traceback__ = None
                await asyncio.sleep(self.writer.refusals.wait_s(tenant))
            raise
        if outcome.status == TOO_MUCH:
            await asyncio.sleep(self.writer.refusals.wait_s(tenant))
        return outcome

    async def _pushed(self, tenant: TenantId, request: Request, form: PushForm, empty_text: str) -> PushOutcome:
        with self.writer.bodies.one(tenant) as held:
            body = await self.bodies.read(request, held)
            if empty_text and not body:
                raise InvalidRequest(empty_text)
            return await self.writer.push(tenant, body, form)
