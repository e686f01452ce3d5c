"""The node's own guard: puts its server to sleep once nobody can need it.

A program of its own for a timer, once a minute: `python -m gpu_node.guard`. It shares neither
Celery nor the worker's process with the node. docs/decisions/0016-guards.md says what it goes
by.
"""
