"""Samples: measured, trimmed, joined, written."""
