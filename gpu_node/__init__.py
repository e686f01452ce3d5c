"""The GPU node: dubs lessons by running graphs of stages. Importing it loads no engine."""

__version__ = "0.1.0"
