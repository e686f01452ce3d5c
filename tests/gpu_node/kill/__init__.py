"""The real command killed with SIGKILL, as the kernel kills whoever takes too much memory.

Only the Python process is killed: what it had started is left to itself. The same command, run
again, must give the same bytes, must not speak a line that had been spoken, and must leave nothing
behind.
"""

import pytest

pytest.register_assert_rewrite(f"{__name__}.rooms")
