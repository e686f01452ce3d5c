"""Dubs of lessons: asked for, under way, done."""
