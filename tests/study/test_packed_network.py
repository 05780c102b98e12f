"""A network in a record: small, and equal when it is read."""

import json

import pytest

from lionheart_opt.errors import InputError
from lionheart_opt.study.packed_network import packed_network, unpacked_network
from lionheart_opt.tracing import trace_model


def test_a_network_comes_back_equal_from_a_tenth_of_its_size():
    network = trace_model("resnet20")
    text = packed_network(network)
    assert unpacked_network(text) == network
    assert len(text) < len(json.dumps(network.to_json())) / 10


@pytest.mark.parametrize("text", ["", "abc", "not base 85: \\"])
def test_a_damaged_text_is_refused(text):
    with pytest.raises((ValueError, InputError)):
        unpacked_network(text)
