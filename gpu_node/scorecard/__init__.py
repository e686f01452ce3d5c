"""Measures of a finished dub. Pure: values in, values out."""
