"""What can keep the site from starting here."""

from __future__ import annotations


class StandaloneError(Exception):
    """The site cannot run here; the text is one sentence for whoever started it."""
