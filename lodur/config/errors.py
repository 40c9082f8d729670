"""The one error of this package, and the places that it names."""

from __future__ import annotations

from dataclasses import dataclass

from lodur.model.errors import InvalidRequest


class ConfigError(InvalidRequest):
    """The configuration cannot be used; the text lists everything that was found to be wrong, and no secret."""


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong at a line of the file (0 where no line applies)."""

    line: int
    text: str


class BadValue(Exception):
    """A value does not fit its setting; caught in this package, never seen by a caller."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.text for problem in problems))
        self.problems = problems
