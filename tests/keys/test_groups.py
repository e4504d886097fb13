"""Keys that share limits: how they are known, whose limit an answer speaks of, and who rests for it."""

from __future__ import annotations

import orjson
import pytest

from bridge.events.values import FailureReason, KeyState
from bridge.events.vocabulary import PoolChanged
from bridge.keys.groups import Account, grouped, read_account, scope_of
from bridge.keys.key import PROBE_S
from bridge.keys.rate_limits import Headers
from bridge.keys.verdict import Failure, judge, judge_stream_failure
from tests.keys.clocks import ALPHA, BRAVO, CHARLIE, NOON, Bench
from tests.keys.failures import QUOTA, limited

ORG_A = [(b"openai-organization", b"org-a")]
ORG_B = [(b"openai-organization", b"org-b")]
IN_A = Failure(FailureReason.RATE_LIMITED, 20.0, "header", scope="organization")
OF_THE_KEY = Failure(FailureReason.RATE_LIMITED, 20.0, "header", scope="key")


def learned(*owners: Headers) -> Bench:
    """A pool of three keys, each of which has served once with these headers."""
    bench = Bench.of(ALPHA, BRAVO, CHARLIE)
    for key, headers in zip(bench.pool.keys, owners, strict=True):
        bench.pool.succeed(key, headers)
    return bench


def resting(bench: Bench) -> list[bool]:
    """Which keys rest."""
    return [key.state is KeyState.TEMPORARY for key in bench.pool.keys]


@pytest.mark.parametrize(
    ("codes", "message", "scope"),
    [
        (
            (),
            "Rate limit reached for gpt-5 in organization org-7aB on tokens per min (TPM): Limit 30000",
            "organization",
        ),
        ((), "This request would exceed your organization's rate limit of 50 requests per minute", "organization"),
        ((), "Limit reached for org-7aB", "organization"),
        ((), "Your organisation has reached its limit", "organization"),
        ((), "Rate limit reached for gpt-5 in project proj_9 of organization org-7 on requests per min", "project"),
        ((), "Your project has used its budget", "project"),
        ((), "Rate limit reached for this API key in organization org-7", "key"),
        ((), "The limit per key of your organization is reached", "key"),
        ((), "This request would exceed your workspace's rate limit", "key"),
        ((), "Visit https://platform.openai.com/account/api-keys to see your keys", None),
        ((), "Too many requests", None),
        ((), "reorganization of the forge-1 is under way", None),
        (("insufficient_quota",), "You exceeded your current quota", "organization"),
        (("organization_usage_limit_exceeded",), "", "organization"),
        (("project_spend_limit_exceeded",), "", "project"),
        (("rate_limit_exceeded",), "", None),
        (("insufficient_quota",), "This key has a budget of its own", "key"),
    ],
)
def test_an_error_says_whose_limit_it_is(codes: tuple[str, ...], message: str, scope: str | None) -> None:
    assert scope_of(codes, message) == scope


def test_a_verdict_has_the_scope_of_its_error() -> None:
    body = orjson.dumps({"error": {"message": "Limit reached in organization org-7", "code": "rate_limit_exceeded"}})

    failure = judge(429, [], body, NOON)
    late = judge_stream_failure(FailureReason.RATE_LIMITED, "the limit of your organization")

    assert failure is not None
    assert late is not None
    assert (failure.scope, late.scope) == ("organization", "organization")


def test_an_answer_names_whose_a_key_is() -> None:
    headers = [(b"OpenAI-Organization", b" org-7 "), (b"openai-project", b"proj_9"), (b"x", b"y")]

    account = read_account(headers, Account(configured=3))

    assert account == Account("org-7", "proj_9", 3)
    assert read_account([], account) is account
    assert read_account([(b"anthropic-organization-id", b"uuid")], account).organization == "uuid"


@pytest.mark.parametrize("value", [b"", b"a b", b"\x01", "ü".encode(), b"x" * 129])
def test_a_name_that_is_none_says_nothing(value: bytes) -> None:
    assert read_account([(b"openai-organization", value)], Account()) == Account()


def test_groups_are_what_hangs_together() -> None:
    accounts = [Account("a"), Account("b", "p"), Account(None, "p"), Account("c"), Account("a", configured=1)]

    assert grouped(accounts) == [[0, 4], [1, 2]]
    assert grouped([*accounts, Account("b", configured=1)]) == [[0, 1, 2, 4, 5]]


def test_a_limit_of_the_organisation_rests_its_keys_and_no_other() -> None:
    bench = learned(ORG_A, ORG_A, ORG_B)

    bench.pool.fail(bench.pool.keys[0], IN_A)

    assert resting(bench) == [True, True, False]
    assert bench.used_by_new_walk() == [CHARLIE.hint]
    assert bench.pool.keys[1].cooling == bench.pool.keys[0].cooling


def test_a_limit_of_the_key_rests_it_alone() -> None:
    bench = learned(ORG_A, ORG_A, ORG_A)

    bench.pool.fail(bench.pool.keys[0], OF_THE_KEY, ORG_A)

    assert resting(bench) == [True, False, False]


def test_a_limit_of_a_project_leaves_others_of_its_organisation() -> None:
    bench = learned(
        [*ORG_A, (b"openai-project", b"proj_1")],
        [*ORG_A, (b"openai-project", b"proj_1")],
        [*ORG_A, (b"openai-project", b"proj_2")],
    )

    bench.pool.fail(bench.pool.keys[0], Failure(FailureReason.RATE_LIMITED, 20.0, "header", scope="project"))

    assert resting(bench) == [True, True, False]


def test_an_answer_that_does_not_say_whose_limit_it_is_speaks_for_what_its_headers_name() -> None:
    told, untold = learned(ORG_A, ORG_A, ORG_B), learned(ORG_A, ORG_A, ORG_B)

    told.pool.fail(told.pool.keys[0], limited(20), ORG_A)
    untold.pool.fail(untold.pool.keys[0], limited(20))

    assert resting(told) == [True, True, False]
    assert resting(untold) == [True, False, False]


def test_a_group_of_the_owners_rests_together() -> None:
    bench = Bench.of(ALPHA, BRAVO, CHARLIE, groups=[[1, 3]])

    bench.pool.fail(bench.pool.keys[2], limited(20))

    assert resting(bench) == [True, False, True]


@pytest.mark.parametrize(
    "failure",
    [
        Failure(FailureReason.OVERLOADED, 5.0, "header"),
        Failure(FailureReason.UNAUTHORIZED, permanent=True),
        Failure(FailureReason.FORBIDDEN, recheck=True),
    ],
)
def test_what_is_no_limit_is_of_one_key(failure: Failure) -> None:
    bench = learned(ORG_A, ORG_A, ORG_A)

    bench.pool.fail(bench.pool.keys[0], failure, ORG_A)

    assert [key.state for key in bench.pool.keys[1:]] == [KeyState.VALID, KeyState.VALID]


def test_a_shared_rest_shortens_nobodys_own() -> None:
    bench = learned(ORG_A, ORG_A, ORG_B)
    bench.pool.fail(bench.pool.keys[1], Failure(FailureReason.RATE_LIMITED, 90.0, "header", scope="key"))

    bench.pool.fail(bench.pool.keys[0], IN_A)
    bench.clocks.pass_time(20)
    bench.pool.expire()

    assert resting(bench) == [False, True, False]


def test_one_key_of_a_group_that_rests_long_is_tried_for_all() -> None:
    bench = learned(ORG_A, ORG_A, ORG_A)
    bench.pool.fail(bench.pool.keys[0], Failure(QUOTA.reason, QUOTA.cooldown_s, "default", scope="organization"))
    bench.clocks.pass_time(PROBE_S)

    probe = bench.pool.walk()
    key = probe.next()

    assert key is bench.pool.keys[0]
    assert bench.used_by_new_walk() == []
    bench.pool.succeed(key)
    assert resting(bench) == [False, False, False]


def test_the_pool_tells_its_groups() -> None:
    bench = learned(ORG_A, ORG_A, ORG_B)

    bench.pool.fail(bench.pool.keys[0], IN_A)

    told = [event for event in bench.others if isinstance(event, PoolChanged)]
    assert told[-1].groups == [[ALPHA.hint, BRAVO.hint]]
    assert (told[-1].valid, told[-1].total) == (1, 3)
    assert told[-1].next_at is not None
    assert (told[-1].next_at - NOON).total_seconds() == pytest.approx(20)


def test_groups_are_learned_anew_from_what_was_saved() -> None:
    salt = b"0123456789abcdef"
    bench = learned(ORG_A, ORG_A, ORG_B)
    again = Bench.of(ALPHA, BRAVO, CHARLIE, clocks=bench.clocks, groups=[[1, 3]])

    again.pool.restore_state(bench.pool.export_state(salt), salt)

    assert [key.account for key in again.pool.keys] == [
        Account("org-a", None, 0),
        Account("org-a"),
        Account("org-b", None, 0),
    ]
