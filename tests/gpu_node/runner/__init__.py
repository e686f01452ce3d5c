"""The runner gives what a simple loop would give, sooner, and does no work twice."""

import pytest

for name in ("graphs", "reference"):
    pytest.register_assert_rewrite(f"{__name__}.{name}")
