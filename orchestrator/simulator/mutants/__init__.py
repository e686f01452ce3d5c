"""Bugs planted on purpose: each is one that a fleet has had, and the simulator must find it."""

from orchestrator.simulator.mutants import calls, jobs, nodes
from orchestrator.simulator.mutants.planting import Mutant

MUTANTS = (*jobs.MUTANTS, *calls.MUTANTS, *nodes.MUTANTS)

__all__ = ["MUTANTS", "Mutant"]
