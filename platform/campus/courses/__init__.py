"""Courses and lessons: from a partner's upload to the catalogue."""
