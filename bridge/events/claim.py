"""Which bridge owns the path of the event socket, and that there is a socket for as long as it does.

A lock beside the socket decides, so a stale file is cleared away and a live bridge's is not; the lock's file says the
owner's process id. Somebody who tidies up the directory removes what programs still need: the owner looks every few
seconds, and makes again what is missing.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import socket
import stat
from pathlib import Path

from bridge.errors import StartError

PATH_LIMIT = 103
"""The longest socket path every platform takes (macOS: 104 bytes with the final NUL)."""


class Claim:
    """A path that is ours. `listening` is the socket that lies there, for who accepts from it to close."""

    def __init__(self, path: Path) -> None:
        """Takes the path. Raises StartError where it is another's, or can't be used."""
        if len(os.fsencode(path)) > PATH_LIMIT:
            raise StartError(
                f"the socket path is longer than {PATH_LIMIT} bytes: {path}; choose a shorter one with --socket"
            )
        self._path = path
        self._lock_path = path.with_name(path.name + ".lock")
        _private_directory(path.parent)
        self._lock = self._locked()
        try:
            self.listening = self._bound()
        except BaseException:
            os.close(self._lock)
            raise
        self._socket_id = _identity(path.lstat())

    def is_whole(self) -> bool:
        """Whether socket and lock still lie where they were made."""
        return self._has_lock() and self._has_socket()

    def renew(self) -> None:
        """Makes again what is missing. Raises StartError where another has taken the path meanwhile."""
        _private_directory(self._path.parent)
        if not self._has_lock():
            lock = self._locked()
            os.close(self._lock)
            self._lock = lock
        self.listening = self._bound()
        self._socket_id = _identity(self._path.lstat())

    def release(self) -> None:
        """Gives the path back, unless it is another's by now."""
        if self._has_socket():
            self._path.unlink(missing_ok=True)
        os.close(self._lock)

    def _has_lock(self) -> bool:
        return _lies_at(self._lock_path, _identity(os.fstat(self._lock)))

    def _has_socket(self) -> bool:
        return _lies_at(self._path, self._socket_id)

    def _locked(self) -> int:
        lock = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(lock, 20).decode(errors="replace").strip()
            os.close(lock)
            who = f" (process {owner})" if owner.isdecimal() else ""
            raise StartError(
                f"another bridge already uses the event socket {self._path}{who}: see it with 'clearspan monitor', "
                "stop it, or choose another with --socket"
            ) from None
        os.truncate(lock, 0)
        os.write(lock, b"%d\n" % os.getpid())
        return lock

    def _bound(self) -> socket.socket:
        path = self._path
        if _has_listener(path):
            raise StartError(f"another program answers on the event socket {path}; choose another with --socket")
        if path.exists() and not path.is_socket():
            raise StartError(f"{path} exists and is no socket; choose another place with --socket")
        path.unlink(missing_ok=True)  # nobody answers on it and the lock is ours: a bridge that was killed left it
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # The file appears with bind(), so the mask must be tight at that moment: no window in which others may connect.
        mask = os.umask(0o177)
        try:
            listening.bind(os.fspath(path))
        except OSError as error:
            listening.close()
            raise StartError(f"cannot make the event socket {path}: {error.strerror}") from error
        finally:
            os.umask(mask)
        listening.listen(64)
        return listening


def _private_directory(directory: Path) -> None:
    try:
        for missing in reversed([ancestor for ancestor in (directory, *directory.parents) if not ancestor.exists()]):
            missing.mkdir(mode=0o700, exist_ok=True)  # its parents too: one may be the user's runtime directory
        status = directory.lstat()
    except OSError as error:
        raise StartError(f"cannot make {directory} for the event socket: {error.strerror}") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise StartError(f"{directory} must be a directory of your own, to hold the event socket")
    if stat.S_IMODE(status.st_mode) & 0o022:
        is_shared = status.st_mode & stat.S_ISVTX  # as /tmp is: everybody's, and of no use to anybody when it is closed
        close = "" if is_shared else f"run {shlex.join(['chmod', '700', str(directory)])!r} or "
        raise StartError(
            f"other users may write to {directory} (mode {stat.S_IMODE(status.st_mode):o}), so none of its sockets can "
            f"be trusted; {close}choose another place with --socket"
        )


def _has_listener(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(os.fspath(path))
        except OSError:
            return False
        return True


def _lies_at(path: Path, identity: tuple[int, int]) -> bool:
    try:
        return _identity(path.lstat()) == identity
    except OSError:
        return False


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
