"""Settings of records that choose streams: a selector, and a priority among those that choose the same stream."""

from __future__ import annotations

from lodur.config.errors import BadValue, Problem
from lodur.config.kinds import COUNT, TEXT
from lodur.config.schema import Setting
from lodur.config.values import Values
from lodur.logql.parser import parse_selector
from lodur.model.errors import QuerySyntaxError
from lodur.model.matcher import Matcher

SELECTOR = Setting("selector", TEXT, "", "Streams.")
PRIORITY = Setting("priority", COUNT, "0", "The highest wins.")


def chosen_by(values: Values) -> tuple[Matcher, ...]:
    """The matchers of a record's selector. Raises BadValue."""
    try:
        return parse_selector(values.get(SELECTOR)).matchers
    except QuerySyntaxError as error:
        raise BadValue(Problem(0, f"invalid labels matchers: {error}")) from error
