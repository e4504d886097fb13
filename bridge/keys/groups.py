"""Which keys share limits, and whose limit a response speaks of (docs/behaviour.md, Key pool).

Answers name the organisation and the project that paid, and the owner may say that keys share limits. Where one of them
is limited, the others would only hear the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Literal

from attrs import evolve

from bridge.keys.rate_limits import Headers
from bridge.value_classes import frozen

LimitScope = Literal["key", "project", "organization"]
"""Whose limit it is that a response speaks of."""

NAMED_BY: dict[bytes, LimitScope] = {
    b"openai-organization": "organization",
    b"anthropic-organization-id": "organization",
    b"openai-project": "project",
}
"""Headers of answers that name whose the key is."""

_NAME = re.compile(rb"[\x21-\x7e]{1,128}")

_SCOPES: tuple[tuple[LimitScope, re.Pattern[str]], ...] = (
    ("key", re.compile(r"\b(?:api|access|this|your|each|per)[ -]key\b|\bworkspace\b")),
    ("project", re.compile(r"\bprojects?\b|\bproj_\w")),
    ("organization", re.compile(r"\borgani[sz]ations?\b|\borg-\w|\bcredit balance\b")),
)
"""Words of an error, the narrowest first: a limit "of this project in your organization" is the project's. No answer
says whose else a workspace is, so that its limit is taken for the key's own."""

ORGANIZATION_CODES = frozenset(
    {
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "credit_balance_too_low",
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
    }
)
"""Codes that speak of the account's money, which all its keys spend."""

PROJECT_CODES = frozenset({"project_spend_limit_exceeded"})


@frozen
class Account:
    """Whose a key is, as far as answers or the owner have said. `configured` is the number of the owner's group."""

    organization: str | None = None
    project: str | None = None
    configured: int | None = None

    def shares(self, other: Account, scope: LimitScope) -> bool:
        """Whether a limit of that scope on this one is the other's too."""
        if scope == "key":
            return False
        same_project = self.project is not None and self.project == other.project
        same_organization = self.organization is not None and self.organization == other.organization
        same_group = self.configured is not None and self.configured == other.configured
        return same_group or same_project or (scope == "organization" and same_organization)


def read_account(headers: Headers, before: Account) -> Account:
    """The account as these headers name it; what they do not name stays."""
    organization, project = before.organization, before.project
    for name, value in headers:
        kind = NAMED_BY.get(name.lower())
        if kind is not None and _NAME.fullmatch(value.strip(b" \t")):
            named = value.strip(b" \t").decode("ascii")
            organization, project = (named, project) if kind == "organization" else (organization, named)
    if (organization, project) == (before.organization, before.project):
        return before
    return evolve(before, organization=organization, project=project)


def scope_of(codes: Collection[str], message: str) -> LimitScope | None:
    """Whose limit an error speaks of by its words, else by its codes; None where it does not say."""
    words = message.lower()
    for scope, pattern in _SCOPES:
        if pattern.search(words):
            return scope
    if PROJECT_CODES.intersection(codes):
        return "project"
    return "organization" if ORGANIZATION_CODES.intersection(codes) else None


def limited_with(account: Account, scope: LimitScope | None, headers: Headers) -> tuple[Account, LimitScope]:
    """As whose the limit counts that a response with these headers tells of.

    One that does not say whose limit it is speaks for the project or organisation that its headers name, and for the
    owner's group; what former answers named is not enough, since resting a good key costs more than asking it once.
    """
    if scope is not None:
        return account, scope
    here = read_account(headers, Account(configured=account.configured))
    return here, "organization" if here.project is None else "project"


def grouped(accounts: Sequence[Account]) -> list[list[int]]:
    """The groups of two and more that share limits of any scope, as places in that list."""
    groups: list[list[int]] = []
    for place, account in enumerate(accounts):
        akin = [group for group in groups if any(account.shares(accounts[other], "organization") for other in group)]
        merged = sorted([place, *(other for group in akin for other in group)])
        groups = [group for group in groups if group not in akin] + [merged]
    return sorted(group for group in groups if len(group) > 1)
