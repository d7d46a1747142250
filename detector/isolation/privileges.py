"""Privilege dropping: resource limits, Landlock and seccomp, applied in a worker before it reads.

Each layer is effective by itself and is skipped where the system lacks it:

- resource limits (POSIX): memory, processor time, open files, no writing, no core dump;
- Landlock (Linux 5.13): file access to Python's own files and the one to read;
- a seccomp filter (Linux, x86-64 and ARM64): no sockets, programs, other processes or writing.
  Refused calls fail with "not permitted", as on a system that forbids them.

A worker that reads from a connection may connect to one TCP port and nothing else.

No layer needs a privilege, and all work inside an unprivileged container."""

import contextlib
import ctypes
import os
import platform
import resource
import struct
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from detector.isolation.types import Limits

_WRITTEN = 8 * 1024**3  # bytes of the largest file that a worker may write, if any


def drop_privileges(
    limits: Limits, reads: Sequence[str] = (), writes: str | None = None, port: int | None = None
) -> list[str]:
    """Drop all access but reading the files `reads` and writing to the folder `writes`, and return
    the effective layers: "limits", "memory", "landlock", "seccomp". Missing files are skipped.

    `port` is the one TCP port that may be connected to; where Landlock does not restrict ports
    (before Linux 6.7) any TCP port may be."""
    layers = _limit(limits, writes is not None)
    if sys.platform != "linux":
        return layers
    libc = ctypes.CDLL(None, use_errno=True)
    # Required by both for unprivileged processes.
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        return layers
    if _landlock(libc, reads, writes, port):
        layers.append("landlock")
    if _seccomp(libc, may_write=writes is not None, may_connect=port is not None):
        layers.append("seccomp")
    return layers


def _limit(limits: Limits, may_write: bool) -> list[str]:
    layers = ["limits"]
    bounds = [
        (resource.RLIMIT_CORE, 0),  # a core dump would be a copy of somebody's pictures
        (resource.RLIMIT_CPU, limits.cpu),
        (resource.RLIMIT_NOFILE, limits.files),
        (resource.RLIMIT_FSIZE, _WRITTEN if may_write else 0),
    ]
    for what, bound in bounds:
        _, most = resource.getrlimit(what)
        bound = bound if most == resource.RLIM_INFINITY else min(bound, most)
        # A second between the signal and the kill, if the hard limit allows it.
        hard = bound + 1 if what == resource.RLIMIT_CPU and most != bound else bound
        resource.setrlimit(what, (bound, hard))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
        layers.append("memory")
        # If the machine runs out of memory all the same, this process is killed first.
        with contextlib.suppress(OSError):
            Path("/proc/self/oom_score_adj").write_text("1000")
    return layers


# --- Landlock: which files ------------------------------------------------------------------------

_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP = 38, 22
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on all architectures
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_MAKE_AND_REMOVE = 0x1FF0  # bits 4 to 12
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_BENEATH, _PORT = 1, 2  # kinds of rules
_BIND, _CONNECT = 1 << 0, 1 << 1
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL

_SYSTEM = (
    "/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/usr/share/zoneinfo",
    "/etc/ld.so.cache", "/etc/localtime", "/dev/null", "/dev/urandom",
    "/sys/devices/system/cpu", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
)  # fmt: skip
"""System files that libraries read; none with personal data."""


def _landlock(
    libc: ctypes.CDLL, reads: Sequence[str], writes: str | None, port: int | None
) -> bool:
    version = libc.syscall(_CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = _EXECUTE | _WRITE_FILE | _READ_FILE | _READ_DIR | _MAKE_AND_REMOVE
    handled |= _REFER * (version >= 2) | _TRUNCATE * (version >= 3) | _IOCTL * (version >= 5)
    rules = struct.pack("=Q", handled)
    if version >= 4:  # TCP: neither bind nor connect, except to one port
        rules += struct.pack("=Q", _BIND | _CONNECT)
    if version >= 6:  # no abstract sockets and no signals to processes outside
        rules += struct.pack("=Q", 3)
    ruleset = libc.syscall(_CREATE_RULESET, rules, len(rules), 0)
    if ruleset < 0:
        return False
    try:
        for path in (*_program(), *_SYSTEM, *reads):
            _allow(libc, ruleset, path, _READ_FILE | _READ_DIR)
        if writes is not None:
            _allow(libc, ruleset, writes, handled & ~(_EXECUTE | _IOCTL))
        if port is not None and version >= 4:
            libc.syscall(_ADD_RULE, ruleset, _PORT, struct.pack("=QQ", _CONNECT, port), 0)
        return bool(libc.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
    finally:
        os.close(ruleset)


def _program() -> Iterator[str]:
    yield str(Path(__file__).resolve().parents[1])
    yield from (sys.prefix, sys.base_prefix)
    for entry in sys.path:
        if Path(entry).name in ("site-packages", "dist-packages"):
            yield entry


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, access: int) -> None:
    try:
        place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            access &= _OF_FILES
        libc.syscall(_ADD_RULE, ruleset, _BENEATH, struct.pack("=Qi", access, place), 0)
    finally:
        os.close(place)


# --- seccomp: which system calls ------------------------------------------------------------------

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}
_X32 = 0x40000000

# Number on x86-64, number on ARM64; None if there is no such call.
_REFUSED: dict[str, tuple[int | None, int | None]] = {
    # the network
    "socket": (41, 198), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242),
    # programs, other processes and shared memory
    "fork": (57, None), "vfork": (58, None), "execve": (59, 221), "execveat": (322, 281),
    "kill": (62, 129), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_send_signal": (424, 424), "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438), "ptrace": (101, 117), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "kcmp": (312, 272), "process_madvise": (440, 440),
    "shmget": (29, 194), "shmat": (30, 196), "shmctl": (31, 195), "msgget": (68, 186),
    "semget": (64, 190), "mq_open": (240, 180), "add_key": (248, 217), "request_key": (249, 218),
    "keyctl": (250, 219),
    # ways around this filter, and to more rights
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "unshare": (272, 97), "setns": (308, 268), "bpf": (321, 280), "userfaultfd": (323, 282),
    "perf_event_open": (298, 241), "personality": (135, 92), "open_by_handle_at": (304, 265),
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51),
    "open_tree": (428, 428), "move_mount": (429, 429), "fsopen": (430, 430),
}  # fmt: skip
_CONNECTING = ("socket", "connect")
"""System calls of a worker that may connect; `socket` for TCP over IPv4 only."""
_CHANGES: dict[str, tuple[int | None, int | None]] = {
    "creat": (85, None), "truncate": (76, 45), "ftruncate": (77, 46),
    "rename": (82, None), "renameat": (264, 38), "renameat2": (316, 276),
    "mkdir": (83, None), "mkdirat": (258, 34), "rmdir": (84, None),
    "mknod": (133, None), "mknodat": (259, 33),
    "link": (86, None), "linkat": (265, 37), "symlink": (88, None), "symlinkat": (266, 36),
    "unlink": (87, None), "unlinkat": (263, 35),
    "chmod": (90, None), "fchmod": (91, 52), "fchmodat": (268, 53), "fchmodat2": (452, 452),
    "chown": (92, None), "lchown": (94, None), "fchown": (93, 55), "fchownat": (260, 54),
    "utime": (132, None), "utimes": (235, None), "futimesat": (261, None), "utimensat": (280, 88),
    "setxattr": (188, 5), "lsetxattr": (189, 6), "fsetxattr": (190, 7),
    "removexattr": (197, 14), "lremovexattr": (198, 15), "fremovexattr": (199, 16),
}  # fmt: skip
"""System calls that change files."""
_HIDDEN = {"clone3": 435, "openat2": 437}
"""System calls whose flags a filter can't inspect; libraries fall back to older ones."""
_OPEN = {"x86_64": ((2, 1), (257, 2)), "aarch64": ((56, 2),)}  # (call, which argument is the flags)
_CLONE = {"x86_64": 56, "aarch64": 220}
_OWN_ONLY = {"x86_64": ((302, 0), (234, None)), "aarch64": ((261, 0), (131, None))}
"""prlimit64 on oneself (0), tgkill within the process (None: its own id)."""
_CLONE_THREAD = 0x10000
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_EPERM, _ENOSYS = 1, 38
_LOAD, _EQUAL, _ATLEAST, _ANYBIT, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in the filter's input


def _seccomp(libc: ctypes.CDLL, *, may_write: bool, may_connect: bool) -> bool:
    machine = platform.machine()
    if machine not in _ARCHITECTURES or sys.byteorder != "little":
        return False
    code = b"".join(_filter(machine, may_write=may_write, may_connect=may_connect))
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HxxxxxxP", len(code) // 8, ctypes.addressof(buffer))
    return bool(libc.prctl(_PR_SET_SECCOMP, 2, program, 0, 0) == 0)


def _filter(machine: str, *, may_write: bool, may_connect: bool) -> Iterator[bytes]:
    """Yield the BPF instructions. Every test either returns or falls through to the next."""

    def step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
        return struct.pack("=HBBI", code, if_true, if_false, value)

    refuse, allow = step(_RETURN, _ERRNO | _EPERM), step(_RETURN, _ALLOW)
    architecture, column = _ARCHITECTURES[machine]
    yield step(_LOAD, _ARCHITECTURE) + step(_EQUAL, architecture, 1) + step(_RETURN, _KILL)
    yield step(_LOAD, _NUMBER)
    if machine == "x86_64":
        yield step(_ATLEAST, _X32, 0, 1) + refuse
    calls = _REFUSED if may_write else _REFUSED | _CHANGES
    for name, numbers in calls.items():
        number = numbers[column]
        if number is not None and not (may_connect and name in _CONNECTING):
            yield step(_EQUAL, number, 0, 1) + refuse
    if may_connect:  # AF_INET; SOCK_STREAM, whatever its flags; TCP, no kin that Landlock misses
        yield step(_EQUAL, _REFUSED["socket"][column] or 0, 0, 12) + step(_LOAD, _ARGUMENTS)
        yield step(_EQUAL, 2, 1) + refuse + step(_LOAD, _ARGUMENTS + 8) + step(_AND, 0xF)
        yield step(_EQUAL, 1, 1) + refuse + step(_LOAD, _ARGUMENTS + 16)
        yield step(_EQUAL, 0, 2) + step(_EQUAL, 6, 1) + refuse + allow
    for number in _HIDDEN.values():
        yield step(_EQUAL, number, 0, 1) + step(_RETURN, _ERRNO | _ENOSYS)
    yield step(_EQUAL, _CLONE[machine], 0, 4) + step(_LOAD, _ARGUMENTS)
    yield step(_ANYBIT, _CLONE_THREAD, 1) + refuse + allow
    for number, argument in () if may_write else _OPEN[machine]:
        yield step(_EQUAL, number, 0, 4) + step(_LOAD, _ARGUMENTS + 8 * argument)
        yield step(_ANYBIT, _WRITING, 0, 1) + refuse + allow
    for number, whom in _OWN_ONLY[machine]:
        yield step(_EQUAL, number, 0, 4) + step(_LOAD, _ARGUMENTS)
        yield step(_EQUAL, os.getpid() if whom is None else whom, 1) + refuse + allow
    yield allow
