"""The real planner, reconciler and job rules against a cloud, workers and people made of a seed.

Virtual time, discrete events, one process, no threads: the same seed is always the same history.
"""
