"""Synthesizers."""
