"""Several hosts on one machine: network namespaces, with cables to a switch that can be pulled."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from uuid import uuid4


def missing() -> str:
    """What the tests lack; empty if nothing."""
    if shutil.which("ip") is None:
        return "ip is not installed (Debian: iproute2)"
    probe = f"probe{uuid4().hex[:6]}"
    if (
        os.getuid() != 0
        or subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode
    ):
        return "network namespaces take the rights of root"
    _ip("netns", "delete", probe)
    return ""


@dataclass
class Network:
    """Hosts that reach each other through a switch, which lies in a namespace of its own.

    Args:
        names: Names of the hosts.
    """

    names: tuple[str, ...]
    prefix: str = field(default_factory=lambda: f"lo{uuid4().hex[:6]}")

    def __post_init__(self) -> None:
        try:
            self._build()
        except BaseException:
            self.remove()
            raise

    def address(self, name: str) -> str:
        """The IP address of a host."""
        return f"10.73.0.{self.names.index(name) + 1}"

    def on(self, name: str) -> list[str]:
        """What a command begins with that is to run on a host."""
        return ["ip", "netns", "exec", self._namespace(name)]

    def cut(self, name: str) -> None:
        """Pull the cable of a host."""
        self._set_port(name, "down")

    def mend(self, name: str) -> None:
        """Put the cable back."""
        self._set_port(name, "up")

    def remove(self) -> None:
        """Kill what still runs on the hosts, and take them away."""
        for name in ("switch", *self.names):
            namespace = self._namespace(name)
            listed = subprocess.run(
                ["ip", "netns", "pids", namespace], capture_output=True, text=True
            )
            for pid in listed.stdout.split():
                os.kill(int(pid), 9)
            subprocess.run(["ip", "netns", "delete", namespace], capture_output=True)

    def _build(self) -> None:
        switch = self._namespace("switch")
        _ip("netns", "add", switch)
        _ip("-n", switch, "link", "add", "bridge", "type", "bridge")
        _ip("-n", switch, "link", "set", "bridge", "up")
        for name in self.names:
            host = self._namespace(name)
            _ip("netns", "add", host)
            _ip(
                "-n",
                switch,
                "link",
                "add",
                "name",
                name,
                "type",
                "veth",
                "peer",
                "name",
                "eth0",
                "netns",
                host,
            )
            _ip("-n", switch, "link", "set", "dev", name, "master", "bridge", "up")
            _ip("-n", host, "address", "add", f"{self.address(name)}/24", "dev", "eth0")
            for device in ("lo", "eth0"):
                _ip("-n", host, "link", "set", device, "up")

    def _set_port(self, name: str, state: str) -> None:
        _ip("-n", self._namespace("switch"), "link", "set", "dev", name, state)

    def _namespace(self, name: str) -> str:
        return f"{self.prefix}-{name}"


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)
