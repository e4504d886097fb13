"""The agents that can be pointed at the bridge, and what each needs for it: one table for `clearspan env` and `run`.

Texts hold `$openai` and `$anthropic` for the base URL of the first provider of that kind (OpenAI's ends in `/v1`,
Anthropic's does not), `$word` for the credential (`$quoted`: as a text in
JSON or YAML), and `$folder` for a temporary folder of the agent's own. What stands
here was seen with the agents themselves, or is in their documentation.
"""

from __future__ import annotations

from collections.abc import Mapping

from attrs import Factory

from bridge.providers.kinds import KINDS
from bridge.value_classes import frozen

CODEX_KEY = "CLEARSPAN_KEY"
"""The variable in which Codex gets its credential: a provider of its own reads the one that it is told of."""

MODEL = "gpt-5.4"
CLAUDE = "claude-sonnet-4-5"
"""What agents start with that do nothing before somebody has named a model."""


@frozen
class OwnFile:
    """A configuration that `run` writes into a temporary folder: the agent's user keeps an untouched one."""

    path: str
    """Where the agent looks for it in the folder."""

    text: str
    variables: Mapping[str, str] = Factory(dict)
    arguments: tuple[str, ...] = ()
    """How the agent is told of the folder."""

    beside: str = ""
    """The folder that the agent has for this by default. What else lies in it (sessions, say) is linked into ours."""

    hidden: tuple[str, ...] = ()
    """What is not: stored credentials, which the agent would prefer."""


@frozen
class Agent:
    """One agent."""

    name: str
    title: str
    commands: tuple[str, ...] = ()
    """Its programs, and the packages that bring them (`npx`, `uvx`)."""

    variables: Mapping[str, str] = Factory(dict)
    defaults: Mapping[str, str] = Factory(dict)
    """Variables that count only where they are not set yet."""

    unset: tuple[str, ...] = ()
    """Variables that would lead around the bridge, or to another credential."""

    config: str = ""
    """What belongs into its file, where it has one that variables can't replace."""

    flags: tuple[str, ...] = ()
    """The same as arguments, without a space in them."""

    token_config: str = ""
    token_flags: tuple[str, ...] = ()
    """What comes to these where the bridge asks for a client token."""

    remarks: tuple[str, ...] = ()
    """What its user has to know besides."""

    run_variables: Mapping[str, str] = Factory(dict)
    """Variables that only `run` sets."""

    run_arguments: tuple[tuple[str, ...], ...] = ()
    """Options with their values that `run` adds, unless the command gives them itself."""

    own_file: OwnFile | None = None
    cannot: str = ""
    """Why it can't be pointed here at all."""


OPENCODE = """{
  "$$schema": "https://opencode.ai/config.json",
  "provider": {
    "openai": {"options": {"baseURL": "$openai", "apiKey": $quoted}},
    "anthropic": {"options": {"baseURL": "$anthropic/v1", "apiKey": $quoted}}
  }
}"""

KILO = OPENCODE.replace("opencode.ai", "app.kilo.ai")

OPENCODE_AUTH = '{"openai": {"type": "api", "key": $quoted}, "anthropic": {"type": "api", "key": $quoted}}'
"""Instead of the stored sign-ins, of which those with a plan call their provider directly."""

PI = """{
  "providers": {
    "openai": {"baseUrl": "$openai", "apiKey": $quoted},
    "anthropic": {"baseUrl": "$anthropic", "apiKey": $quoted}
  }
}"""

CLINE = """{
  "version": 1,
  "lastUsedProvider": "openai-compatible",
  "providers": {
    "openai-compatible": {
      "settings": {
        "provider": "openai-compatible",
        "apiKey": $quoted,
        "model": "MODEL",
        "baseUrl": "$openai"
      },
      "updatedAt": "2026-01-01T00:00:00.000Z",
      "tokenSource": "manual"
    }
  }
}""".replace("MODEL", MODEL)

CONTINUE = f"""name: Clearspan
version: 1.0.0
schema: v1
models:
  - name: {MODEL}
    provider: openai
    model: {MODEL}
    apiBase: $openai
    apiKey: $quoted
  - name: {CLAUDE}
    provider: anthropic
    model: {CLAUDE}
    apiBase: $anthropic/v1
    apiKey: $quoted"""

AGENTS: Mapping[str, Agent] = {
    agent.name: agent
    for agent in (
        Agent(
            "codex",
            "Codex",
            ("codex", "@openai/codex"),
            # A provider of its own, since the built-in one takes a ChatGPT sign-in before any key; the base URL of that
            # one too, which is asked for the models, and by whoever chooses it.
            config='model_provider = "clearspan"\n'
            'openai_base_url = "$openai"\n'
            'model_providers.clearspan.name = "Clearspan"\n'
            'model_providers.clearspan.base_url = "$openai"\n'
            'model_providers.clearspan.wire_api = "responses"',
            flags=(
                *("-c", "model_provider=clearspan"),
                *("-c", "openai_base_url=$openai"),
                *("-c", "model_providers.clearspan.name=Clearspan"),
                *("-c", "model_providers.clearspan.base_url=$openai"),
                *("-c", "model_providers.clearspan.wire_api=responses"),
            ),
            token_config=f'\nmodel_providers.clearspan.env_key = "{CODEX_KEY}"',
            token_flags=("-c", f"model_providers.clearspan.env_key={CODEX_KEY}"),
            remarks=(
                "these lines belong into ~/.codex/config.toml, above the first [table]",
                "or without that file: codex $$(clearspan env codex --flags) …",
            ),
            run_variables={CODEX_KEY: "$word", "CODEX_API_KEY": "$word"},
        ),
        Agent(
            "claude",
            "Claude Code",
            ("claude", "@anthropic-ai/claude-code"),
            {"ANTHROPIC_BASE_URL": "$anthropic", "ANTHROPIC_AUTH_TOKEN": "$word"},
            unset=(
                "ANTHROPIC_API_KEY",
                "ANTHROPIC_PROFILE",
                "ANTHROPIC_UNIX_SOCKET",
                "CLAUDE_CODE_OAUTH_TOKEN",
                "CLAUDE_CODE_USE_ANTHROPIC_AWS",
                "CLAUDE_CODE_USE_BEDROCK",
                "CLAUDE_CODE_USE_FOUNDRY",
                "CLAUDE_CODE_USE_GATEWAY",
                "CLAUDE_CODE_USE_MANTLE",
                "CLAUDE_CODE_USE_VERTEX",
            ),
            remarks=('what "env" in ~/.claude/settings.json says of these variables goes before them',),
        ),
        Agent(
            "opencode",
            "opencode",
            ("opencode", "opencode-ai"),
            config=OPENCODE,
            remarks=("this belongs into opencode.json of the project, or ~/.config/opencode/opencode.json",),
            run_variables={"OPENCODE_CONFIG_CONTENT": OPENCODE, "OPENCODE_AUTH_CONTENT": OPENCODE_AUTH},
        ),
        Agent(
            "kilo",
            "Kilo",
            ("kilo", "kilocode", "@kilocode/cli"),
            config=KILO,
            remarks=("this belongs into kilo.json of the project, or ~/.config/kilo/kilo.json",),
            run_variables={
                "KILO_CONFIG_CONTENT": KILO,
                "KILO_AUTH_CONTENT": OPENCODE_AUTH,
            },
        ),
        Agent(
            "aider",
            "Aider",
            ("aider", "aider-chat"),
            {
                "OPENAI_API_BASE": "$openai",
                "OPENAI_API_KEY": "$word",
                "ANTHROPIC_API_BASE": "$anthropic",
                "ANTHROPIC_BASE_URL": "$anthropic",
                "ANTHROPIC_API_KEY": "$word",
            },
            unset=("AIDER_OPENAI_API_BASE", "AIDER_OPENAI_API_KEY", "AIDER_ANTHROPIC_API_KEY"),
            remarks=("a .env or .aider.conf.yml that names a key or a base goes before these variables",),
        ),
        Agent(
            "copilot",
            "Copilot CLI",
            ("copilot", "@github/copilot"),
            {
                "COPILOT_OFFLINE": "true",
                "COPILOT_PROVIDER_TYPE": "openai",
                "COPILOT_PROVIDER_BASE_URL": "$openai",
                "COPILOT_PROVIDER_API_KEY": "$word",
                "COPILOT_PROVIDER_WIRE_API": "responses",
            },
            defaults={"COPILOT_MODEL": MODEL},
            unset=(
                "COPILOT_PROVIDER_BEARER_TOKEN",
                "COPILOT_PROVIDER_API_KEY_COMMAND",
                "COPILOT_PROVIDER_TRANSPORT",
            ),
            remarks=("COPILOT_MODEL names the model: choose yours",),
        ),
        Agent(
            "qwen",
            "Qwen Code",
            ("qwen", "@qwen-code/qwen-code"),
            {"OPENAI_BASE_URL": "$openai", "OPENAI_API_KEY": "$word"},
            defaults={"OPENAI_MODEL": MODEL},
            remarks=("start it as: qwen --auth-type openai …; OPENAI_MODEL names the model: choose yours",),
            run_arguments=(("--auth-type", "openai"),),
        ),
        Agent(
            "pi",
            "pi",
            ("pi", "@earendil-works/pi-coding-agent", "@mariozechner/pi-coding-agent"),
            config=PI,
            remarks=(
                "this belongs into ~/.pi/agent/models.json",
                "keys in ~/.pi/agent/auth.json, OPENAI_API_KEY and ANTHROPIC_API_KEY go before those in it",
            ),
            own_file=OwnFile(
                "models.json",
                PI,
                variables={"PI_CODING_AGENT_DIR": "$folder"},
                beside="~/.pi/agent",
                hidden=("auth.json",),
            ),
        ),
        Agent(
            "cline",
            "Cline",
            ("cline",),
            config=CLINE,
            remarks=(
                "this belongs into ~/.cline/data/settings/providers.json",
                f"the same is written there by: cline auth -p openai -k $word -m {MODEL} -b $openai",
            ),
            own_file=OwnFile(
                "settings/providers.json", CLINE, arguments=("--data-dir", "$folder"), beside="~/.cline/data"
            ),
        ),
        Agent(
            "continue",
            "Continue",
            ("cn", "@continuedev/cli"),
            config=CONTINUE,
            remarks=(
                "this belongs into ~/.continue/config.yaml, or a file of its own: cn --config FILE",
                "the models are yours to choose",
            ),
            own_file=OwnFile("config.yaml", CONTINUE, arguments=("--config", "$folder/config.yaml")),
        ),
        Agent(
            "openhands",
            "OpenHands",
            ("openhands", "openhands-ai"),
            {"LLM_BASE_URL": "$openai", "LLM_API_KEY": "$word"},
            defaults={"LLM_MODEL": f"openai/{MODEL}"},
            remarks=("start it as: openhands --override-with-envs …; LLM_MODEL names the model: choose yours",),
            run_arguments=(("--override-with-envs",),),
        ),
        Agent(
            "crush",
            "Crush",
            ("crush", "@charmland/crush"),
            {
                "OPENAI_API_ENDPOINT": "$openai",
                "OPENAI_API_KEY": "$word",
                "ANTHROPIC_API_ENDPOINT": "$anthropic",
                "ANTHROPIC_API_KEY": "$word",
            },
            remarks=("what its crush.json says of base_url and api_key goes before these variables",),
        ),
        Agent(
            "llm",
            "llm",
            ("llm",),
            {"OPENAI_BASE_URL": "$openai", "OPENAI_API_KEY": "$word"},
            remarks=(
                "a key that `llm keys set openai` has stored goes before this one; `llm --key $word …` before both",
            ),
        ),
        Agent(
            "aisdk",
            "programs built on the AI SDK",
            (),
            {
                "OPENAI_BASE_URL": "$openai",
                "OPENAI_API_KEY": "$word",
                "ANTHROPIC_BASE_URL": "$anthropic/v1",
                "ANTHROPIC_API_KEY": "$word",
            },
            unset=("ANTHROPIC_AUTH_TOKEN",),
        ),
        *(
            Agent(
                kind.name,
                f"programs built on {kind.title}'s SDKs",
                (),
                {kind.url_variables[0]: f"${kind.name}", kind.key_variable: "$word"},
                unset=kind.other_variables,
            )
            for kind in KINDS.values()
        ),
        Agent(
            "cursor",
            "Cursor",
            ("cursor", "cursor-agent"),
            cannot="Cursor calls models from its own servers, which can't reach a loopback address, and so it can't be "
            "pointed here",
        ),
    )
}
"""Every agent by the name that `clearspan env` knows it by."""
