"""What a server listens to, as the kernel has it."""

import ipaddress
import socket
from pathlib import Path

_LISTEN = "0A"


def listening(port):
    """The local addresses at which something listens to a TCP port of this computer."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *_ = line.split()
            address, _, number = local.rpartition(":")
            if state == _LISTEN and int(number, 16) == port:
                found.add(str(ipaddress.ip_address(_bytes(address))))
    return found


def _bytes(words):
    """The kernel writes an address as words of four bytes, the lowest first."""
    return b"".join(bytes.fromhex(words[i : i + 8])[::-1] for i in range(0, len(words), 8))


def free_port():
    """Return a TCP port of this computer that nothing listens to just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
