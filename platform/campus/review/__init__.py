"""Comparing original and dub, and deciding."""
