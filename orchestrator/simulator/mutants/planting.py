"""How a bug is planted: other functions in the place of the right ones, for as long as it lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import ModuleType

from orchestrator.simulator.surroundings import replaced

Patch = tuple[ModuleType | type, str, object]


@dataclass(frozen=True, slots=True)
class Mutant:
    """`sentence` says what is wrong with it."""

    name: str
    sentence: str
    patches: Callable[[], Sequence[Patch]]
    shows: tuple[str, ...]
    """What is said of it when it is found: a violation of another sort does not count."""

    def explains(self, violation: str) -> bool:
        return any(words in violation for words in self.shows)

    def planted(self) -> AbstractContextManager[None]:
        """Raises LookupError when what it replaces is not there any more."""
        patches = self.patches()
        for where, name, _ in patches:
            if name not in vars(where):
                raise LookupError(f"{self.name}: {where.__name__} has no {name} any more")
        return _planted(patches)


@contextmanager
def _planted(patches: Sequence[Patch]) -> Iterator[None]:
    with ExitStack() as stack:
        for where, name, value in patches:
            stack.enter_context(replaced(where, name, value))
        yield
