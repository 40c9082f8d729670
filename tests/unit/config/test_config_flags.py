"""Flags: both dashes, both ways to give a value, every setting, and what is said about wrong ones."""

from __future__ import annotations

import pytest

from lodur.config.blocks.all_blocks import CONFIG_FILE
from lodur.config.blocks.other import AUTH_ENABLED, TARGET
from lodur.config.blocks.server import LISTEN_PORT, LOG_LEVEL
from lodur.config.errors import ConfigError
from lodur.config.flags import SWITCHES, TEXT_FLAGS, Actions, Flags, parse_flags
from lodur.config.kinds import MASK


def flags(*argv: str) -> Flags:
    return parse_flags(argv, CONFIG_FILE)


@pytest.mark.parametrize(
    "argv",
    [
        ("-server.http-listen-port=3200",),
        ("--server.http-listen-port=3200",),
        ("-server.http-listen-port", "3200"),
        ("--server.http-listen-port", "3200"),
        ("-server.http-listen-port=1", "-server.http-listen-port=3200"),
    ],
)
def test_a_value_can_be_given_in_four_ways_and_the_last_wins(argv: tuple[str, ...]) -> None:
    assert flags(*argv).values.get(LISTEN_PORT) == 3200


@pytest.mark.parametrize(
    ("argv", "enabled"),
    [
        (("-auth.enabled",), True),
        (("-auth.enabled=true",), True),
        (("-auth.enabled=F",), False),
        (("--auth.enabled=0",), False),
        (("-auth-enabled=false",), False),
    ],
)
def test_switches_need_no_value(argv: tuple[str, ...], enabled: bool) -> None:
    assert flags(*argv).values.get(AUTH_ENABLED) is enabled


def test_a_switch_does_not_take_the_next_argument() -> None:
    read = flags("-auth.enabled", "-log.level", "debug", "-target=read,write")
    assert read.values.get(AUTH_ENABLED) is True
    assert read.values.get(LOG_LEVEL) == "debug"
    assert read.values.get(TARGET) == ("read", "write")


def test_flags_that_are_no_settings() -> None:
    read = flags("-config.file=a.yaml, b.yaml", "-config.expand-env", "--verify-config", "-print-config-stderr=true")
    assert read.config_files == ("a.yaml", "b.yaml")
    assert read.expand_env
    assert read.actions == Actions(verify_config=True, print_config=True)
    assert flags("-version", "-list-targets", "-log-config-reverse-order", "-health").actions == Actions(
        version=True, list_targets=True, log_config_reversed=True, health=True
    )


def test_flags_of_ignored_keys_are_listed() -> None:
    read = flags(
        "-server.grpc-listen-port=9096", "--memberlist.join", "loki:7946", "-ingester.lifecycler.id", "-version"
    )
    assert [ignored.path for ignored in read.ignored] == [
        "-server.grpc-listen-port",
        "-memberlist.join",
        "-ingester.lifecycler.id",
    ]
    assert read.actions.version


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ("-server.http-listen-prt=1",),
            "flag provided but not defined: -server.http-listen-prt, did you mean -server.http-listen-port?",
        ),
        (("--verfy-config",), "flag provided but not defined: -verfy-config, did you mean -verify-config?"),
        (("-zzz",), "flag provided but not defined: -zzz"),
        (("serve",), "unexpected argument 'serve': flags are written -name=value or -name value"),
        (("-",), "unexpected argument '-': flags are written -name=value or -name value"),
        (("---x",), "unexpected argument '---x': flags are written -name=value or -name value"),
        (("-config.file",), "flag needs an argument: -config.file"),
        (("-server.http-listen-port",), "flag needs an argument: -server.http-listen-port"),
        (
            ("-server.http-listen-port=abc",),
            'invalid value "abc" for flag -server.http-listen-port: '
            "cannot unmarshal !!str `abc` into int (use a whole number)",
        ),
        (("-auth.enabled=maybe",), 'invalid boolean value "maybe" for -auth.enabled: use true or false'),
        (("-verify-config=2",), 'invalid boolean value "2" for -verify-config: use true or false'),
        (
            ("-log.level=loud",),
            'invalid value "loud" for flag -log.level: '
            "unrecognized value 'loud', use one of debug, info, warn, error",
        ),
    ],
)
def test_wrong_flags(argv: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        flags(*argv)
    assert str(caught.value) == message


def test_every_setting_has_a_flag_and_no_two_share_one() -> None:
    names = [flag for setting in CONFIG_FILE.settings() for flag in setting.all_flags()]
    assert len(names) == len(set(names))
    assert not set(names) & (set(SWITCHES) | set(TEXT_FLAGS))


def test_every_default_can_be_given_as_a_flag() -> None:
    for setting in CONFIG_FILE.settings():
        for flag in setting.all_flags():
            read = flags(f"-{flag}={setting.default}")
            assert read.values.get(setting) == setting.kind.parse(setting.default_node())


def test_secrets_in_flags_are_not_repeated() -> None:
    with pytest.raises(ConfigError) as caught:
        flags("-storage-config.aws.secret-access-kez=hush")
    assert "hush" not in str(caught.value)
    assert MASK not in str(caught.value)
