"""Jobs of the second kind, for workers and attempts to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.node_api import Site, SiteJob

IGNORED = "the of"


@dataclass(frozen=True)
class Text:
    """A text to be counted, watched through its diary and held by its gate."""

    folder: Path
    lines: Sequence[str]

    @property
    def diary(self) -> Path:
        return self.folder / "diary"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def submit(self, site: Site) -> SiteJob:
        self.folder.mkdir(exist_ok=True)
        payload = {
            "kind": "count",
            "version": 1,
            "diary": str(self.diary),
            "gate": str(self.gate),
        }
        text = "".join(f"{line}\n" for line in self.lines)
        inputs = {
            "text": site.store(text.encode(), ".txt"),
            "ignored": site.store(IGNORED.encode(), ".txt"),
        }
        return site.submit(payload, inputs)

    def close_gate(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self.gate.touch()

    def open_gate(self) -> None:
        self.gate.unlink()

    def counted(self) -> list[str]:
        """The lines whose counting has begun, in order, repetitions too."""
        return self.diary.read_text().splitlines() if self.diary.exists() else []


def words(job: SiteJob) -> object:
    """What the accepted result says."""
    assert job.state == "succeeded"
    return job.completions[0].result["words"]
