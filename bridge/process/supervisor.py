"""Runs a command in a process group of its own, and kills the whole group when a line ends or the command does.

The line is a descriptor whose other end is with whoever wants the command, and which the system closes when that
process ends, in whatever way. What the command starts ends too, as long as it stays in the group. Where the line is
standard input itself, the command gets neither input nor a place for its errors; else it gets all three streams. This
file is run by itself (`python -I -S`), so it imports nothing that takes time.
"""

import contextlib
import os
import select
import signal
import sys

DEFAULT_AGAIN = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGPIPE, signal.SIGCHLD)

SILENT = (
    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
)


def supervise(line: int, words: list[str]) -> int:
    """The command's exit code. Where it can't be started, the error's number is written to standard error, or to the
    line where that is another."""
    os.set_inheritable(line, line == 0)
    children, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda _number, _frame: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        command = os.posix_spawnp(
            words[0],
            words,
            os.environ,
            file_actions=SILENT if line == 0 else (),
            setpgroup=0,
            setsigdef=DEFAULT_AGAIN,
        )
    except OSError as error:
        os.write(line or 2, str(error.errno).encode())
        return 127
    while True:
        ready, _, _ = select.select([line, children], [], [])
        ended, status = os.waitpid(command, os.WNOHANG)
        if ended or line in ready:
            with contextlib.suppress(OSError):  # nobody is left in it
                os.killpg(command, signal.SIGKILL)
            code = os.waitstatus_to_exitcode(status) if ended else -signal.SIGKILL
            return code if code >= 0 else 128 - code
        os.read(children, 512)


if __name__ == "__main__":
    sys.exit(supervise(int(sys.argv[1]), sys.argv[2:]))
