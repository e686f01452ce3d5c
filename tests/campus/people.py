"""Who uses the site in tests."""

from __future__ import annotations

from dataclasses import dataclass

from campus.accounts.models import User
from campus.accounts.roles import Role

PASSWORD = "a password of the tests"  # noqa: S105  nobody else's


@dataclass(frozen=True, slots=True)
class People:
    """One of each role, and a second partner who must not see the first one's."""

    partner: User
    other_partner: User
    reviewer: User
    admin: User
    ops: User

    def of(self, role: str) -> User:
        found: User = getattr(self, role)
        return found


def make_people() -> People:
    made = {
        name: User.objects.create_user(
            name, PASSWORD, role, email=f"{name}@example.org", name=f"The {name}"
        )
        for name, role in (
            ("partner", Role.PARTNER),
            ("other_partner", Role.PARTNER),
            ("reviewer", Role.REVIEWER),
            ("admin", Role.ADMIN),
            ("ops", Role.OPS),
        )
    }
    return People(**made)
