import os

import pytest

# The arrays of the tests are tiny: more threads only wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")
pytest.register_assert_rewrite("lionheart_opt.testing")
