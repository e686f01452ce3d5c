"""Whoever speaks."""
