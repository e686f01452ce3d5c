"""Speech over HTTP: Chatterbox, or eSpeak NG, behind an API that says what is true."""

from __future__ import annotations

__version__ = "0.1.0"
