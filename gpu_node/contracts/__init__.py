"""What crosses a boundary: between processes, machines and versions of this code.

Standard library and pydantic only, so that the main server, the node and a foreign client can all
import it. Every model that is stored or sent carries `contract_version` at its root.
"""
