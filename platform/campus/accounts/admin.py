"""Users: made and switched off by admins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.contrib.auth.models import Group
from django.contrib.auth.password_validation import validate_password
from django.http import HttpRequest
from typing_extensions import override
from unfold.admin import ModelAdmin
from unfold.decorators import display
from unfold.widgets import UnfoldAdminPasswordWidget

from campus.accounts.models import User

admin.site.unregister(Group)


if TYPE_CHECKING:
    _UserModelForm = forms.ModelForm[User]
else:
    # Django's own class takes no parameter; its stubs want one.
    _UserModelForm = forms.ModelForm


class NewUserForm(_UserModelForm):
    """A user and a first password."""

    password = forms.CharField(widget=UnfoldAdminPasswordWidget)

    class Meta:
        model = User
        fields = ["username", "name", "email", "role", "password"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if cleaned.get("password"):
            try:
                validate_password(cleaned["password"], User(username=cleaned.get("username", "")))
            except forms.ValidationError as error:
                self.add_error("password", error)
        return cleaned

    def save(self, commit: bool = True) -> User:
        self.instance.set_password(self.cleaned_data["password"])
        user: User = super().save(commit=commit)
        return user


class UserForm(NewUserForm):
    """A user; a new password only if one is typed."""

    password = forms.CharField(
        widget=UnfoldAdminPasswordWidget, required=False, label="New password"
    )

    def save(self, commit: bool = True) -> User:
        if self.cleaned_data["password"]:
            return super().save(commit=commit)
        self.instance.password = User.objects.values_list("password", flat=True).get(
            pk=self.instance.pk
        )
        user: User = _UserModelForm.save(self, commit=commit)
        return user


@admin.register(User)
class UserAdmin(ModelAdmin):
    """The people of the site. Nobody is deleted: what they did stays theirs."""

    form = UserForm
    list_display = ["username", "name", "email", "role_label", "is_active", "last_login"]
    list_filter = ["role", "is_active"]
    search_fields = ["username", "name", "email"]

    @display(description="role", label=True)
    def role_label(self, user: User) -> str:
        return user.role

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> type[_UserModelForm]:
        form = UserForm if obj else NewUserForm
        fields = ["username", "name", "email", "role", "password"] + (["is_active"] if obj else [])
        kwargs |= {"form": form, "fields": fields}
        made: type[_UserModelForm] = super().get_form(request, obj, change, **kwargs)
        return made

    @override
    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        fields = ["username", "name", "email", "role", "password"] + (["is_active"] if obj else [])
        return [(None, {"fields": fields})]

    @override
    def has_delete_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        return False
