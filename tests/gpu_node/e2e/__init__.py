"""The real command, run as a process on real files."""

import pytest

for name in ("checks", "desk", "films", "measures"):
    pytest.register_assert_rewrite(f"{__name__}.{name}")
