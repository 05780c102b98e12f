"""A traced network as a short text, which a record holds."""

from __future__ import annotations

import base64
import json
import zlib

from lionheart_opt.workload import Workload


def packed_network(network: Workload) -> str:
    """The text of a workload: compressed, as the layers of a network are much alike."""
    return base64.b85encode(zlib.compress(json.dumps(network.to_json()).encode(), 9)).decode()


def unpacked_network(text: str) -> Workload:
    """The workload of `packed_network`'s text.

    Raises:
        ValueError: The text is damaged.
        InputError: It describes no workload.
    """
    try:
        return Workload.from_json(json.loads(zlib.decompress(base64.b85decode(text))))
    except zlib.error as error:
        raise ValueError(f"not a packed network: {error}") from error
