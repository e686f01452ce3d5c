"""Approved dubs on their way to the video host."""
