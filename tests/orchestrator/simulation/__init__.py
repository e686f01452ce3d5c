"""A whole fleet in one process, on a clock that the test moves."""

import pytest

pytest.register_assert_rewrite("tests.orchestrator.simulation.world")
