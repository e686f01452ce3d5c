"""Checks passwords; what somebody may do stands in `roles.PERMISSIONS`."""

from __future__ import annotations

from django.contrib.auth.backends import ModelBackend


class RoleBackend(ModelBackend):
    """Django's password check (equally slow for unknown names), without its permission tables."""

    def has_perm(self, user_obj: object, perm: str, obj: object = None) -> bool:
        return False
