"""Tests of the main server."""
