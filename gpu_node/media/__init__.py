"""Media files: FFmpeg and what surrounds it. Knows nothing of dubbing."""
