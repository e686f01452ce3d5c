"""People and failed logins."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.db import models
from django.utils import timezone

from campus.accounts.roles import PERMISSIONS, STAFF, Role, allows


class UserManager(BaseUserManager["User"]):
    """Makes users."""

    def create_user(
        self, username: str, password: str | None, role: Role, email: str = "", name: str = ""
    ) -> User:
        user = self.model(
            username=self.model.normalize_username(username),
            email=self.normalize_email(email),
            role=role,
            name=name,
        )
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, username: str, password: str | None, **fields: Any) -> User:
        """What `manage.py createsuperuser` calls: the first admin."""
        return self.create_user(username, password, Role.ADMIN, email=fields.get("email", ""))


class User(AbstractBaseUser):
    """Somebody who can log in. What they may do follows from `role` alone."""

    username = models.CharField(
        max_length=150, unique=True, validators=[UnicodeUsernameValidator()]
    )
    name = models.CharField("full name", max_length=150, blank=True)
    email = models.EmailField(blank=True)
    role = models.CharField(max_length=32, choices=[(r.value, r.value) for r in Role])
    is_active = models.BooleanField("active", default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects: ClassVar[UserManager] = UserManager()

    USERNAME_FIELD = "username"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = ["email"]

    class Meta:
        ordering = ["username"]

    def __str__(self) -> str:
        return self.name or self.username

    @property
    def is_staff(self) -> bool:
        return Role(self.role) in STAFF

    @property
    def is_superuser(self) -> bool:
        """Nobody is above the table."""
        return False

    def get_full_name(self) -> str:
        return str(self)

    def get_short_name(self) -> str:
        return self.username

    def has_perm(self, perm: str, _obj: object = None) -> bool:
        return self.is_active and allows(Role(self.role), perm)

    def has_perms(self, perm_list: Iterable[str], _obj: object = None) -> bool:
        return all(self.has_perm(perm) for perm in perm_list)

    def has_module_perms(self, app_label: str) -> bool:
        return self.is_active and any(
            permission.startswith(f"{app_label}.") for permission in PERMISSIONS[Role(self.role)]
        )


class LoginFailure(models.Model):
    """A password that was wrong. Kept for as long as the throttle looks back."""

    username = models.CharField(max_length=150)
    address = models.CharField(max_length=45)
    at = models.DateTimeField()

    class Meta:
        indexes = [
            models.Index(fields=["username", "at"], name="login_failure_name"),
            models.Index(fields=["address", "at"], name="login_failure_address"),
        ]

    def __str__(self) -> str:
        return f"{self.username} from {self.address}"
