"""Subtitles: nothing of what is said may get lost, whatever the file looks like."""
