"""What the admin's classes have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.contrib import admin
from django.db.models import Model
from django.http import Http404, HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from typing_extensions import override
from unfold.admin import ModelAdmin, TabularInline

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    # Unfold ships no types; what it adds is not called from here by name.
    class _Admin(admin.ModelAdmin[M]): ...

    class _Inline(admin.TabularInline[M, Model]): ...

else:

    class _Admin(ModelAdmin, Generic[M]): ...

    class _Inline(TabularInline, Generic[M]): ...


class ReadOnlyAdmin(_Admin[M]):
    """To be looked at. Who may look follows from the table of roles."""

    deletable = False
    """Whether roles may be allowed to delete it."""

    list_per_page = 50
    show_full_result_count = False

    @override
    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return self.deletable and super().has_delete_permission(request, obj)

    def found(self, request: HttpRequest, object_id: str) -> M:
        """The object of one of our own pages. Raises Http404, also for what cannot be an id."""
        obj = self.get_object(request, object_id)
        if obj is None:
            raise Http404
        return obj

    def page(
        self, request: HttpRequest, template: str, title: str, obj: M, **context: Any
    ) -> HttpResponse:
        """A page of our own within the admin's frame."""
        given = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": obj,
            **context,
        }
        return TemplateResponse(request, template, given)


class ReadOnlyInline(_Inline[M]):
    """Rows that belong to an object, to be looked at."""

    extra = 0
    can_delete = False
    show_change_link = True

    @override
    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @override
    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    @override
    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
