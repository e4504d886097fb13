"""Builds the settings in force from command-line options, environment, a TOML file and defaults, in that order.

Every fault is told with the file, the line where it is known, the setting, what is wrong, and how to mend it. Values
of keys and tokens are never part of a message.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from attrs import evolve, field

from bridge.config import key_sources
from bridge.config.file import Faulty, Places, fault_line, parse, structure
from bridge.config.rules import broken_rules, doubts
from bridge.config.settings import LogFormat, LogLevel, ProviderSettings, Settings
from bridge.errors import ConfigurationError
from bridge.events.place import POOL_WORD, default_file, record_in
from bridge.keys.secret import Secret
from bridge.providers.kinds import KINDS
from bridge.value_classes import frozen


@frozen
class Options:
    """What the command line and its environment twins say; None where they say nothing.

    `sources` maps a setting's dotted name to where it was said, for example `server.port` to `--port`.
    """

    config: Path | None = None
    host: str | None = None
    port: int | None = None
    socket: Path | None = None
    data_dir: Path | None = None
    log_level: LogLevel | None = None
    log_format: LogFormat | None = None
    sources: Mapping[str, str] = field(factory=dict)


@frozen
class Loaded:
    """The settings in force, the file they were read from (None: there is none), and where each one came from.

    `warnings` are lines as those of faults, for what is used all the same.
    """

    settings: Settings
    file: Path | None
    sources: Mapping[str, str]
    warnings: tuple[str, ...] = ()

    @property
    def explicit_data_dir(self) -> Path | None:
        """The folder that an option or a variable names: it moves the record, wherever the file has it."""
        return self.settings.data_dir if "data_dir" in self.sources else None


def load(options: Options, environment: Mapping[str, str], *, keys: bool = True, tokens: bool = True) -> Loaded:
    """The settings in force. Raises ConfigurationError with one line per fault.

    Who needs no `keys` or no client `tokens` does not ask their sources, which may be prompts, and gets no keys and
    stand-ins for the tokens.
    """
    file = _file(options)
    text = _read(file) if file else ""
    places = Places(file, text)
    body = parse(text, file)
    sources = {name: places.where(name) for name in places.settings}
    resolve = partial(key_sources.resolve, environment=environment, named=key_sources.variables(text))
    try:
        settings = structure(body, places, resolve if keys else _nothing, resolve if tokens else _stand_in)
        found_faults, faulty = list[str](), frozenset[str]()
    except Faulty as error:
        settings, found_faults, faulty = error.rest, error.faults, error.names
    if "providers" not in body:
        try:
            settings, found = _default_providers(settings, environment if keys else {})
            sources |= found
        except ConfigurationError as error:
            found_faults += error.faults
    settings, ignored = _without_pool_word(_apply(settings, options))
    sources |= options.sources
    if "data_dir" in options.sources and settings.record.path is not None:
        sources["record.path"] = options.sources["data_dir"]

    def lines(found: Iterable[tuple[str, str]]) -> list[str]:
        return [fault_line(_where(name, sources, places), name, text) for name, text in found]

    found_faults += lines(
        (name, fault)
        for name, fault in broken_rules(settings)
        if not any(known.startswith(_needed(name)) for known in faulty)
    )
    if found_faults:
        raise ConfigurationError(found_faults)
    return Loaded(settings, file, sources, tuple(lines([*ignored, *doubts(settings)])))


def _needed(name: str) -> tuple[str, ...]:
    """The beginnings of settings that must be well before a rule about this can be known to be broken."""
    if name == "server.host":
        return ("server.client_tokens",)
    return (f"{name}.",) if name.startswith("mcp.servers.") else ()


def _without_pool_word(settings: Settings) -> tuple[Settings, list[tuple[str, str]]]:
    """The settings without pool keys that are the word for the pool, as an agent's environment may bring one."""
    ignored = []
    providers = {}
    for name, provider in settings.providers.items():
        keys = tuple(key for key in provider.keys if key.reveal() != POOL_WORD)
        if keys != provider.keys:
            why = f"the word {POOL_WORD!r} is ignored: agents send it in the place of a key, and it is none"
            ignored.append((f"providers.{name}.keys", f"{why}; put the provider's own here"))
        providers[name] = evolve(provider, keys=keys, groups=_renumbered(provider))
    return (evolve(settings, providers=providers), ignored) if ignored else (settings, [])


def _renumbered(provider: ProviderSettings) -> tuple[tuple[int, ...], ...]:
    """The groups by the places that keys have without the word, which is in no group."""
    ignored = [place for place, key in enumerate(provider.keys, 1) if key.reveal() == POOL_WORD]
    if not ignored:
        return provider.groups
    renumbered = (
        tuple(place - sum(before < place for before in ignored) for place in group if place not in ignored)
        for group in provider.groups
    )
    return tuple(group for group in renumbered if len(group) > 1)


def _nothing(_source: str) -> list[Secret]:
    return []


def _stand_in(_source: str) -> list[Secret]:
    return [Secret("not-asked-for")]


def _file(options: Options) -> Path | None:
    if options.config is not None:
        return options.config
    return default_file() if default_file().exists() else None


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError([f"{file}: cannot be read: {reason}"]) from None


def _where(name: str, sources: Mapping[str, str], places: Places) -> str:
    return sources.get(name) or places.where(name)


def _default_providers(settings: Settings, environment: Mapping[str, str]) -> tuple[Settings, dict[str, str]]:
    """Without any in the file, there is one of each kind, with the keys that their usual variables hold."""
    providers: dict[str, ProviderSettings] = {}
    sources: dict[str, str] = {}
    faults: list[str] = []
    for name, kind in KINDS.items():
        keys: list[Secret] = []
        for variable in (kind.key_variable, f"{kind.key_variable}S"):
            if not environment.get(variable):
                continue
            try:
                found = key_sources.from_list(environment[variable], f"the environment variable {variable}")
            except key_sources.SourceError as error:
                faults.append(f"environment: providers.{name}.keys: {error}")
                continue
            keys += [key for key in found if key not in keys]
            sources[f"providers.{name}.keys"] = variable
        providers[name] = ProviderSettings(type=name, base_url=kind.default_url, keys=tuple(keys))
    if faults:
        raise ConfigurationError(faults)
    return evolve(settings, providers=providers), sources


def _apply(settings: Settings, options: Options) -> Settings:
    """The options' word over the file's."""
    record = settings.record
    if options.data_dir is not None and record.path is not None:
        record = evolve(record, path=record_in(options.data_dir))
    return evolve(
        settings,
        server=evolve(settings.server, **_without_none(host=options.host, port=options.port, socket=options.socket)),
        record=record,
        log=evolve(settings.log, **_without_none(level=options.log_level, format=options.log_format)),
        **_without_none(data_dir=options.data_dir),
    )


def _without_none(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}
