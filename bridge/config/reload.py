"""Takes over a changed configuration while the bridge runs: on SIGHUP, and when the file has changed.

A file with a fault changes nothing; its faults are logged, and `clearspan check` shows them. Nor does one that is just
being written: an editor that empties a file before it writes it would leave the bridge without keys in between. Only a
regular file is read again: a pipe (`--config <(...)`) has nothing to say the second time, or makes its reader wait.
Where the bridge listens and records can't change under it: that is said too, and takes effect with the next start.
"""

from __future__ import annotations

import signal
import stat
from collections.abc import Callable
from pathlib import Path

import trio
from attrs import evolve

from bridge.config.load import Loaded
from bridge.config.rules import broken_rules
from bridge.config.settings import Settings
from bridge.errors import ConfigurationError
from bridge.events.place import default_file
from bridge.observe.logs import logger
from bridge.process.receiver import receiver

log = logger("configuration")

LOOK_S = 1.0
"""A change is taken over when two looks, so long apart, have found the same file."""


async def follow_configuration(
    reconfigure: Callable[[Settings], None],
    load: Callable[[], Loaded],
    first: Loaded,
    refused: Callable[[], None] = lambda: None,
) -> None:
    """Runs until cancelled. `reconfigure` takes over what changed in a running bridge.

    `load` reads everything anew, in a thread: a key may come from a slow command, which is ended with this task.
    `first` is what it began with; `refused` is told of one with a fault.
    """
    file = first.file or default_file()
    seen = latest = _stamp(file)
    in_force = first.settings
    _tell_of_special(file)
    with receiver(signal.SIGHUP) as hangups:
        while True:
            received = False
            with trio.move_on_after(LOOK_S):
                await anext(hangups)
                received = True
            before, latest = latest, _stamp(file)
            if not received and (latest == seen or latest != before):
                continue
            seen = latest
            try:
                loaded = await trio.to_thread.run_sync(_read_again, load, file)
            except ConfigurationError as error:
                for fault in error.faults:
                    log.warning("the changed configuration is refused", fault=fault)
                refused()
                continue
            if _stamp(file) != latest:  # changed while it was read, which the next looks find
                continue
            here = evolve(loaded.settings, server=evolve(loaded.settings.server, host=first.settings.server.host))
            if faults := list(broken_rules(here)):  # such as no tokens any more, where others can still reach us
                for name, fault in faults:
                    log.warning("the changed configuration is refused", fault=f"{name}: {fault}")
                refused()
                continue
            for name in fixed_settings(in_force, loaded.settings):
                log.warning("this setting takes effect with the next start", setting=name)
            for doubt in loaded.warnings:
                log.warning("a setting is likely a mistake", setting=doubt)
            reconfigure(loaded.settings)
            in_force = loaded.settings
            log.info("the configuration was read again", file=str(file))


def fixed_settings(old: Settings, new: Settings) -> list[str]:
    """The settings that differ and can't be changed in a running bridge."""
    server = [name for name in ("host", "port", "socket") if getattr(old.server, name) != getattr(new.server, name)]
    others = [name for name in ("record", "log", "data_dir") if getattr(old, name) != getattr(new, name)]
    return [f"server.{name}" for name in server] + others


def _tell_of_special(file: Path) -> None:
    if _is_special(file):
        log.warning("the configuration is read only once: it is no regular file", file=str(file))


def _read_again(load: Callable[[], Loaded], file: Path) -> Loaded:
    if _is_special(file):
        raise ConfigurationError([f"{file}: it is no regular file; only such a one can be read again"])
    return load()


def _is_special(file: Path) -> bool:
    """Whether it is there, and a pipe, a folder or a device."""
    return file.exists() and not file.is_file()


def _stamp(file: Path) -> tuple[int, int, int] | None:
    """What changes with a file, also when another is put in its place; None where there is no regular one."""
    try:
        status = file.stat()
    except OSError:
        return None
    if not stat.S_ISREG(status.st_mode):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
