"""How the command line names a network; wrong options are refused in tests/cli/test_systems.py."""

import pytest

from lionheart_opt.cli.networks import traced
from lionheart_opt.errors import InputError


def test_a_network_of_the_zoo_with_its_arguments():
    workload = traced("mlp", "16", None, ["width=16"], None)
    assert workload.layers[0].input_shapes[0] == (1, 16)
    with pytest.raises(InputError, match="choose one"):
        traced("mlp", "16", "a:b", None, None)
    with pytest.raises(InputError, match="KEY=VALUE"):
        traced("mlp", "16", None, ["hidden"], None)
