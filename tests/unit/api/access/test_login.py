"""Passwords are checked once, beside the loop, and not as often as somebody likes to guess."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest
from passlib.context import CryptContext

from lodur.api.access.failures import FOR_ALL_USERS, KEPT_MAX, Failures, network_of
from lodur.api.access.login import Login, TooManyFailures
from lodur.api.access.options import AccessOptions
from lodur.api.access.passwords import REMEMBERED_S, WAITING_MAX, Passwords
from lodur.model.clock import ManualClock
from lodur.model.errors import Unauthenticated, Unavailable

KEY = bytes(range(32))
_BCRYPT = CryptContext(["bcrypt"], bcrypt__rounds=4)
HASH = _BCRYPT.hash("right")
SLOW_HASH = CryptContext(["bcrypt"], bcrypt__rounds=8).hash("right")


def test_one_check_for_all_who_ask_at_once_and_none_for_a_while() -> None:
    clock = ManualClock(10**9)
    passwords = Passwords(key=KEY, clock=clock)

    async def asked() -> list[bool]:
        same = [passwords.is_right("ana", b"right", SLOW_HASH) for _ in range(WAITING_MAX * 3)]
        return list(await asyncio.gather(*same))

    assert asyncio.run(asked()) == [True] * WAITING_MAX * 3
    assert passwords.costs_nothing("ana", b"right", SLOW_HASH)
    for others in (("ana", b"wrong", SLOW_HASH), ("bo", b"right", SLOW_HASH), ("ana", b"right", HASH)):
        assert not passwords.costs_nothing(*others)
    clock.advance(REMEMBERED_S + 1)
    assert not passwords.costs_nothing("ana", b"right", SLOW_HASH)
    passwords.close()


def test_checks_that_wait_are_bounded() -> None:
    passwords = Passwords(key=KEY, clock=ManualClock())

    async def asked() -> list[bool | BaseException]:
        others = [passwords.is_right("ana", str(number).encode(), SLOW_HASH) for number in range(WAITING_MAX + 5)]
        return list(await asyncio.gather(*others, return_exceptions=True))

    answers = asyncio.run(asked())
    assert [type(answer) for answer in answers] == [bool] * WAITING_MAX + [Unavailable] * 5
    assert True not in answers
    passwords.close()


def test_a_client_that_goes_away_leaves_the_check_to_the_others() -> None:
    passwords = Passwords(key=KEY, clock=ManualClock())

    async def asked() -> bool:
        first = asyncio.ensure_future(passwords.is_right("ana", b"right", SLOW_HASH))
        second = asyncio.ensure_future(passwords.is_right("ana", b"right", SLOW_HASH))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert asyncio.run(asked())
    passwords.close()


@pytest.mark.parametrize("password", [b"", b"\0", b"right\0", b"x" * 10_000, b"\xff\xfe"])
def test_odd_passwords_are_wrong(password: bytes) -> None:
    passwords = Passwords(key=KEY, clock=ManualClock())
    assert not asyncio.run(passwords.is_right("ana", password, HASH))
    passwords.close()


def test_bcrypt_looks_at_72_bytes_as_htpasswd_does() -> None:
    passwords = Passwords(key=KEY, clock=ManualClock())
    hashed = _BCRYPT.hash("x" * 72)
    assert asyncio.run(passwords.is_right("ana", b"x" * 80, hashed))
    assert not asyncio.run(passwords.is_right("ana", b"x" * 71, hashed))
    passwords.close()


def test_failures_come_back_with_time() -> None:
    clock = ManualClock(10**12)
    failures = Failures(6, clock)
    for _ in range(6):
        assert failures.wait_s("10.0.0.1", "ana") == 0
        failures.count("10.0.0.1", "ana")
    assert failures.wait_s("10.0.0.1", "ana") == pytest.approx(10)
    assert failures.wait_s("10.0.0.1", "bo") == 0
    assert failures.wait_s("10.0.0.2", "ana") == 0
    clock.advance(10)
    assert failures.wait_s("10.0.0.1", "ana") == pytest.approx(0, abs=1e-6)
    failures.count("10.0.0.1", "ana")
    assert failures.wait_s("10.0.0.1", "ana") > 9
    failures.forgive("10.0.0.1", "ana")
    assert failures.wait_s("10.0.0.1", "ana") == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("names", [[f"user-{number}" for number in range(FOR_ALL_USERS * 2)], [""] * FOR_ALL_USERS])
def test_names_are_not_guessed_without_end(names: list[str]) -> None:
    failures = Failures(2, ManualClock(10**12))
    for name in names:
        failures.count("10.0.0.1", name)
    if len(set(names)) == 1:
        # The user without a name has a bucket of its own, not that of the address.
        assert failures.wait_s("10.0.0.1", "somebody") == 0
    else:
        assert failures.wait_s("10.0.0.1", "somebody") > 0
    assert failures.wait_s("10.0.0.2", "somebody") == 0


def test_no_failures_are_counted_where_nobody_wants_it() -> None:
    failures = Failures(0, ManualClock())
    for _ in range(1000):
        failures.count("10.0.0.1", "ana")
    assert failures.wait_s("10.0.0.1", "ana") == 0


def test_memory_of_failures_is_bounded() -> None:
    failures = Failures(1, ManualClock(10**12))
    for number in range(KEPT_MAX):
        failures.count(f"host-{number}", "ana")
    assert failures.wait_s("host-0", "ana") == 0
    assert failures.wait_s(f"host-{KEPT_MAX - 1}", "ana") > 0


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("", ""),
        ("somewhere", "somewhere"),
    ],
)
def test_networks(address: str, network: str) -> None:
    assert network_of(address) == network


def test_guesses_at_once_count_as_so_many(tmp_path: Path) -> None:
    (tmp_path / "htpasswd").write_text(f"ana:{HASH}\n")
    options = AccessOptions(htpasswd_file=tmp_path / "htpasswd", failures_per_minute=5)
    login = Login(options, key=KEY, clock=ManualClock(10**12))

    def scope(user: str, password: str) -> dict[str, object]:
        value = b"Basic " + base64.b64encode(f"{user}:{password}".encode())
        return {"type": "http", "headers": [(b"authorization", value)], "client": ("10.0.0.1", 1)}

    async def asked() -> list[str | BaseException]:
        right = [login.user_of(scope("ana", "right")) for _ in range(20)]
        assert set(await asyncio.gather(*right)) == {"ana"}
        wrong = [login.user_of(scope("ana", f"guess-{number}")) for number in range(20)]
        guessed = await asyncio.gather(*wrong, return_exceptions=True)
        assert await login.user_of(scope("ana", "right")) == "ana"
        return list(guessed)

    answers = asyncio.run(asked())
    assert [type(answer) for answer in answers] == [Unauthenticated] * 5 + [TooManyFailures] * 15
    login.close()
