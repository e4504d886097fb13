"""The command `clearspan`: options, commands, exit codes. What they do is elsewhere."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import click

from bridge import __version__
from bridge.cli import record
from bridge.cli.ending import INTERRUPTED, close_output, say
from bridge.cli.options import PATH, PortOrStdio, common_options, explicit_options, settings_from, socket_from
from bridge.errors import ClearspanError, ConfigurationError
from bridge.process import signals
from monitor.options import SPEED, has_terminal, monitor_options

RECEIVE_HANGUP = frozenset({"up", "serve", "demo", "simulate", "run"})
"""The commands that have something to do on SIGHUP."""


class Commands(click.Group):
    """The commands, none of which minds that its output is cut short."""

    def invoke(self, ctx: click.Context) -> Any:
        """Runs one."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:  # `clearspan tail | head`: whoever reads has seen enough
            close_output()
            ctx.exit(0)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="clearspan")
@click.pass_context
def cli(context: click.Context) -> None:
    """A streaming proxy for coding agents: key failover, byte-exact relay, and a view of what they think."""
    if context.invoked_subcommand not in RECEIVE_HANGUP:
        signals.let_go_of_hangup()


@cli.command()
@common_options
@click.pass_context
def up(context: click.Context, /, **_: Any) -> None:
    """Bridge and monitor in this terminal; the demo where no key is configured."""
    load = partial(settings_from, context, keys=True, tokens=True)
    loaded = load()
    if loaded.settings.has_keys:
        from bridge.cli import serve

        sys.exit(serve.up(loaded, load))
    from bridge.cli import demo
    from bridge.providers.kinds import KINDS

    variables = " or ".join(kind.key_variable for kind in KINDS.values())
    click.echo("No API key is configured, so this is the demo: simulated provider, scripted agents.", err=True)
    click.echo(f"Set {variables}, or write a configuration, to use the real ones.", err=True)
    sys.exit(demo.demo(loaded.settings, explicit=_place(context), config=loaded.file))


@cli.command()
@common_options
@click.pass_context
def serve(context: click.Context, /, **_: Any) -> None:
    """The bridge alone."""
    from bridge.cli import serve

    load = partial(settings_from, context, keys=True, tokens=True)
    sys.exit(serve.serve(load(), load))


@cli.command()
@common_options
@monitor_options("a log of `tail --json`, or a record's database")
@click.option("--web", is_flag=True, help="Serve the dashboard as a web page on loopback.")
@click.option("--plain", is_flag=True, help="A line in ASCII for each thing that happens, in place of the dashboard.")
@click.option("--web-port", type=click.IntRange(0, 65535), default=8486, show_default=True, help="Its port; 0: any.")
@click.pass_context
def monitor(
    context: click.Context,
    /,
    replay: Path | None,
    speed: float,
    theme: str | None,
    web: bool,
    plain: bool,
    web_port: int,
    **_: Any,
) -> None:
    """The terminal dashboard alone."""
    from bridge.cli import monitor

    if web and plain:
        raise click.UsageError("--web is a page, --plain is lines")
    port = web_port if web else None
    sys.exit(monitor.watch(settings_from(context), replay=replay, speed=speed, theme=theme, web_port=port, plain=plain))


@cli.command()
@common_options
@click.option("--headless", is_flag=True, help="Print event lines instead of showing the monitor.")
@click.option("--once", is_flag=True, help="Run every scenario once, then stop.")
@click.option("--seed", default=1, show_default=True, help="Seed for everything that varies.")
@click.option("--speed", type=SPEED, default=1.0, show_default=True, help="How fast time goes in the simulation.")
@click.option("--step", is_flag=True, help="A walkthrough in chapters: requests on their way, step by step.")
@click.pass_context
def demo(context: click.Context, /, headless: bool, once: bool, seed: int, speed: float, step: bool, **_: Any) -> None:
    """Bridge, simulated provider, scripted agents and monitor: no key, no network."""
    from bridge.cli import demo

    if step and (headless or not has_terminal()):
        raise click.UsageError("--step shows the monitor, which needs a terminal")
    if step and (once or (seed, speed) != (1, 1.0)):
        raise click.UsageError("--step goes at the pace of whoever reads: it takes no --once, --seed and --speed")
    loaded = settings_from(context)
    keep = explicit_options(context)["data_dir"] is not None  # whoever names a place wants to find something there
    explicit = _place(context)
    sys.exit(
        demo.demo(
            loaded.settings,
            headless=headless,
            once=once,
            seed=seed,
            speed=speed,
            keep=keep,
            step=step,
            explicit=explicit,
            config=loaded.file,
        )
    )


@cli.command()
@common_options
@click.option("--scenario", type=PATH, help="Scenario file (TOML): which answers, and the fate of each key.")
@click.option("--seed", default=1, show_default=True, help="Seed for ids and pauses.")
@click.option("--speed", type=SPEED, default=1.0, show_default=True, help="How fast time goes.")
@click.option("--mcp", type=PortOrStdio(), help="Also an MCP server on this port; stdio: that alone, on this input.")
@click.option("--one-organization", is_flag=True, help="All keys are one organization's, and share limits.")
@click.pass_context
def simulate(
    context: click.Context,
    /,
    scenario: Path | None,
    seed: int,
    speed: float,
    mcp: int | str | None,
    one_organization: bool,
    **_: Any,
) -> None:
    """A simulated provider alone: a real server that speaks the providers' APIs."""
    from bridge.cli import simulate

    if isinstance(mcp, str):
        sys.exit(simulate.simulate_tools())
    settings = settings_from(context).settings
    sys.exit(simulate.simulate(settings, scenario, seed=seed, speed=speed, mcp=mcp, one_organization=one_organization))


@cli.command()
@common_options
@click.option("--changed", is_flag=True, help="Only settings that are not left at their default.")
@click.pass_context
def check(context: click.Context, /, changed: bool, **_: Any) -> None:
    """Validate the configuration; print every setting in force, where it comes from, and the limits."""
    from bridge.cli.check import limits_table, settings_table
    from bridge.cli.paper import paper

    on = paper()
    lines = list(settings_table(settings_from(context, keys=True, tokens=True), on, changed=changed))
    on.put_whole(lines if changed else [*lines, *limits_table(on)])


@cli.command()
@common_options
@click.option("--json", "as_json", is_flag=True, help="The raw JSON lines, as they come from the socket.")
@click.option("--deltas", is_flag=True, help="Thoughts and answers piece by piece, as they come.")
@click.option(
    "--follow", metavar="ID", help="Only one session, by its id or a name such as 'codex 2', or one interception."
)
@click.pass_context
def tail(context: click.Context, /, as_json: bool, deltas: bool, follow: str | None, **_: Any) -> None:
    """Events as they happen: a line for each thought, answer and call, and for all that is done."""
    from bridge.cli.tail import tail

    if follow is not None and not follow.strip():
        raise click.UsageError("--follow takes a session's id or name, or an interception's id")
    tail(socket_from(context), deltas=deltas, follow=follow, as_json=as_json)


@cli.command()
@common_options
@click.option(
    "--json", "as_json", is_flag=True, help="As a JSON list of the fields of `key.changed`, and what else is known."
)
@click.option("--watch", is_flag=True, help="Go on showing it, until interrupted.")
@click.pass_context
def keys(context: click.Context, /, as_json: bool, watch: bool, **_: Any) -> None:
    """Key health as a table."""
    from datetime import UTC, datetime

    import orjson

    from bridge.cli.key_tables import key_lines, keys_json
    from bridge.cli.key_watch import watch_keys
    from bridge.cli.paper import paper
    from bridge.events.client import read_snapshot

    if watch:
        if as_json:
            raise click.UsageError("--watch shows a table; `clearspan tail --json` prints what happens as JSON")
        watch_keys(socket_from(context), paper())
        return
    found = read_snapshot(socket_from(context))
    now = datetime.now(UTC)
    if as_json:
        click.echo(orjson.dumps(keys_json(found, now), option=orjson.OPT_INDENT_2).decode())
        return
    on = paper()
    on.put_whole(key_lines(found, on, now))


@cli.command()
@common_options
@click.option("--json", "as_json", is_flag=True, help="As a JSON list of the servers with their tools.")
@click.pass_context
def tools(context: click.Context, /, as_json: bool, **_: Any) -> None:
    """MCP servers and their tools, as the running bridge has them; where none runs, as they are found now."""
    import orjson

    from bridge.cli.paper import paper
    from bridge.cli.tools import found_servers, tool_tables
    from bridge.events.wire import unstructured

    servers = found_servers(settings_from(context).settings)
    if as_json:
        click.echo(orjson.dumps(unstructured(servers), option=orjson.OPT_INDENT_2).decode())
        return
    on = paper()
    on.put_whole(tool_tables(servers, on))


@cli.command()
@common_options
@click.option("--flags", is_flag=True, help="As arguments for the agent's command line, where it takes any (codex).")
@click.option("--status-line", is_flag=True, help="The command that shows what the session used (claude).")
@click.argument("agent", required=False)
@click.pass_context
def env(context: click.Context, /, agent: str | None, flags: bool, status_line: bool, **_: Any) -> None:
    """The lines that point an agent at the bridge; those of all that take shell variables where none is named."""
    from bridge.cli.env import CannotPoint, UnknownAgent, pointer, status_pointer

    settings = settings_from(context).settings
    try:
        found = status_pointer(settings, agent) if status_line else pointer(settings, agent, flags=flags)
    except UnknownAgent as error:
        raise click.UsageError(str(error)) from None
    except CannotPoint as error:
        say(str(error))
        sys.exit(2)
    for remark in found.remarks:
        say(remark)
    for line in found.lines:
        click.echo(line)


@cli.command(name="status-line", hidden=True)
@click.argument("url")
def status_line(url: str) -> None:
    """What Claude Code's status line shows; `env claude --status-line` prints how it is called."""
    from bridge.cli import status_line

    click.echo(status_line.status_line(url, sys.stdin.buffer))


@cli.command(context_settings={"ignore_unknown_options": True})
@common_options
@click.argument("command", metavar="-- CMD...", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(context: click.Context, /, command: tuple[str, ...], **_: Any) -> None:
    """Run an agent, or any command, pointed at the bridge; a bridge is started if none runs."""
    from bridge.cli import run

    sys.exit(run.run(settings_from(context, tokens=True).settings, command, run.options_of(explicit_options(context))))


@cli.command()
@common_options
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.pass_context
def prove(_: click.Context, /, folder: Path, **__: Any) -> None:
    """Replay captured requests through a bridge and a provider of its own, and compare both ends."""
    from bridge.cli import prove

    sys.exit(prove.prove(folder))


for command in record.COMMANDS:
    cli.add_command(command)


def _place(context: click.Context) -> dict[str, Any]:
    """Where a demo is to listen, as far as somebody said so."""
    return {
        name: value for name in ("host", "port", "socket") if (value := explicit_options(context)[name]) is not None
    }


def main() -> NoReturn:
    """Runs the command line. Never shows a traceback for what a person can mend."""
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        try:
            error.show()
        except OSError:
            close_output()
        sys.exit(error.exit_code)
    except (click.Abort, KeyboardInterrupt):
        sys.exit(INTERRUPTED)
    except ConfigurationError as error:
        for fault in error.faults:
            say(str(fault))
        sys.exit(2)
    except ClearspanError as error:
        say(str(error))
        sys.exit(1)
    except OSError as error:  # the disk is full under our output, say
        close_output()
        say(error.strerror or str(error))
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
