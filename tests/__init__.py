"""All tests."""

import pytest

# A failed assertion in a helper then says which values differ.
pytest.register_assert_rewrite("tests.support")
