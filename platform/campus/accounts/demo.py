"""The people of the demo: one of each role."""

from __future__ import annotations

from dataclasses import dataclass

from campus.accounts.models import User
from campus.accounts.roles import Role


@dataclass(frozen=True, slots=True)
class DemoUser:
    role: Role
    username: str


_NAMES = {
    Role.PARTNER: "Paula Partner",
    Role.REVIEWER: "Remy Reviewer",
    Role.ADMIN: "Ada Admin",
    Role.OPS: "Otto Ops",
}


def ensure_demo_users(password: str) -> list[DemoUser]:
    """One user of each role, named as the role, with this password from now on."""
    for role, name in _NAMES.items():
        email = f"{role}@example.org"
        user = User.objects.filter(username=role.value).first()
        if user is None:
            User.objects.create_user(role.value, password, role, email=email, name=name)
        elif not user.check_password(password) or user.role != role or not user.is_active:
            user.role, user.is_active = role.value, True
            user.set_password(password)
            user.save(update_fields=["role", "is_active", "password"])
    return [DemoUser(role, role.value) for role in _NAMES]
