"""Whoever listens."""
