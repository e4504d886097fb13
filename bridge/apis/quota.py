"""The words by which providers say that an account has nothing left to spend, in bodies and in streams alike."""

from __future__ import annotations

QUOTA_CODES = frozenset(
    {
        "billing_error",
        "billing_hard_limit_reached",
        "credit_balance_exhausted",
        "credit_balance_too_low",
        "enforced_spend_limit_reached",
        "insufficient_quota",
        "organization_spend_limit_exceeded",
        "organization_usage_limit_exceeded",
        "project_spend_limit_exceeded",
    }
)
"""Error codes and types, of both providers (`behaviour.md` section 2, point 2)."""
