"""The base of the orchestrator's models: an ordinary Django model whose rows `store` may move."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, NoReturn, Self, TypeVar

from django.db import models
from django.db.models.base import ModelBase

from orchestrator import store

_Row = TypeVar("_Row", bound=models.Model, covariant=True)


class StoredManager(models.Manager[_Row]):
    """Django's own, unless `store.use` says otherwise."""

    def get_queryset(self) -> models.QuerySet[_Row]:
        rows = store.rows()
        return super().get_queryset() if rows is None else rows.queryset(self.model)


class StoredModel(models.Model):
    """What is saved, and read again, one row at a time."""

    objects: ClassVar[StoredManager[Self]] = StoredManager()

    class Meta:
        abstract = True
        # Foreign keys are followed through it as well.
        base_manager_name = "objects"

    def save(
        self,
        *,
        force_insert: bool | tuple[ModelBase, ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        rows = store.rows()
        if rows is None:
            super().save(
                force_insert=force_insert,
                force_update=force_update,
                using=using,
                update_fields=update_fields,
            )
            return
        if force_update or using is not None:
            raise NotImplementedError("force_update and using are Django's alone")
        rows.save(self, update_fields, insert=bool(force_insert))

    def refresh_from_db(
        self,
        using: str | None = None,
        fields: Iterable[str] | None = None,
        from_queryset: models.QuerySet[Self] | None = None,
    ) -> None:
        rows = store.rows()
        if rows is None:
            super().refresh_from_db(using, fields, from_queryset)
            return
        if using is not None or from_queryset is not None:
            raise NotImplementedError("using and from_queryset are Django's alone")
        rows.refresh(self, fields)

    def delete(
        self, using: str | None = None, keep_parents: bool = False
    ) -> tuple[int, dict[str, int]]:
        if store.rows() is not None:
            self._not_here()
        return super().delete(using, keep_parents)

    def _not_here(self) -> NoReturn:
        raise NotImplementedError(f"a {type(self).__name__} is deleted in a database only")
