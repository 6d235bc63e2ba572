"""Hosts as network namespaces on a bridge, whose cables can be pulled; they vanish with the process that made them."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

HUB = "10.77.0.1"
_INSIDE = "TAXI_TESTS_INSIDE_THE_HUB"


def enter_hub() -> None:
    """Start this program again in a namespace of its own, the hub's, unless it is in one."""
    if _INSIDE in os.environ:
        return
    arguments = ["unshare", "--net", "--", sys.executable, "-m", "taxi_assets_tests.scale", *sys.argv[1:]]
    os.execvpe(arguments[0], arguments, {**os.environ, _INSIDE: "1"})  # noqa: S606


@dataclass(frozen=True)
class Host:
    """A namespace, and the port of the hub's bridge that its cable is in.

    Attributes:
        name: of the host.
        address: of the host.
        process: whose namespace it is.
    """

    name: str
    address: str
    process: "subprocess.Popen[bytes]"

    @property
    def prefix(self) -> Sequence[str]:
        """A command that runs another one on the host."""
        return "nsenter", "--target", str(self.process.pid), "--net", "--"

    def cut(self) -> None:
        """Pull the cable: packets are lost in both directions, and no side is told."""
        _ip("link", "set", f"port-{self.name}", "nomaster")

    def restore(self) -> None:
        """Put the cable back."""
        _ip("link", "set", f"port-{self.name}", "master", "bridge")


@contextmanager
def hosts(number: int) -> Iterator[list[Host]]:
    """So many hosts beside the hub, which this process is on."""
    _ip("link", "set", "lo", "up")
    _ip("link", "add", "bridge", "type", "bridge")
    _ip("addr", "add", f"{HUB}/24", "dev", "bridge")
    _ip("link", "set", "bridge", "up")
    made = []
    try:
        for index in range(1, number + 1):
            process = subprocess.Popen(["unshare", "--net", "--", "sleep", "infinity"])
            host = Host(f"h{index}", f"10.77.0.{10 + index}", process)
            made.append(host)
            _connect(host)
        yield made
    finally:
        for host in made:
            _ip("link", "delete", f"port-{host.name}")
            host.process.kill()
            host.process.wait()
        _ip("link", "delete", "bridge")


def _connect(host: Host) -> None:
    own = os.readlink("/proc/self/ns/net")  # noqa: PTH115
    while os.readlink(f"/proc/{host.process.pid}/ns/net") == own:  # noqa: PTH115
        pass  # it has not entered its namespace yet
    port = f"port-{host.name}"
    _ip("link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.process.pid))
    _ip("link", "set", port, "up", "master", "bridge")
    for command in (
        ("link", "set", "lo", "up"),
        ("addr", "add", f"{host.address}/24", "dev", "eth0"),
        ("link", "set", "eth0", "up"),
    ):
        subprocess.run([*host.prefix, "ip", *command], check=True)


def _ip(*command: str) -> None:
    subprocess.run(["ip", *command], check=True)
