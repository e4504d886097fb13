"""An MCP server on standard streams that is not as it should be. Run by itself, with what is odd about it as words.

TOOL…           lists these tools, each answering with its name; `name=TEXT` one with that description
env             its tool `env` answers with the names and values of its environment
noise           says what is no message before each answer, and remarks on standard error
long            its tool `long` answers with a line of 20 MB
endless         its tool `endless` says a line without an end
deaf            never answers, not even the greeting
loop            its list of tools has no last page
twins           lists a tool twice
answer=JSON     answers each call with this, `ID` in it standing for the id of the call
child=FILE      starts a child that sleeps, writes both process ids to the file, and does not end by itself
"""

import json
import os
import pathlib
import subprocess
import sys
import time
from typing import Any

WORDS = sys.argv[1:]
OPTIONS = {"noise", "deaf", "loop", "twins"}
TOOLS = [word for word in WORDS if word not in OPTIONS and not word.startswith(("child=", "answer="))]
ANSWER = next((word.removeprefix("answer=") for word in WORDS if word.startswith("answer=")), None)


def say(message: object) -> None:
    if "noise" in WORDS:
        sys.stdout.write('Listening for requests ...\n{"half": \n[1, 2]\n\n')
        sys.stderr.write("a remark with sk-canary-remark-000001 in it\n")
        sys.stderr.flush()
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def listed() -> list[object]:
    tools: list[object] = [
        {"name": name, "description": text or f"Does {name}.", "inputSchema": {"$defs": {"a": True}}}
        for name, _, text in (word.partition("=") for word in TOOLS)
    ]
    return tools * 2 if "twins" in WORDS else tools


def call(name: str) -> dict[str, object]:
    if name == "env":
        return {"content": [{"type": "text", "text": json.dumps(dict(os.environ))}]}
    if name == "long":
        return {"content": [{"type": "text", "text": "x" * 20_000_000}]}
    if name == "endless":
        while True:
            sys.stdout.write("x" * 65536)
    return {"content": [{"type": "text", "text": name}], "isError": False, "_meta": {"odd": 1}}


def answer(message: dict[str, Any]) -> dict[str, object]:
    params = message.get("params", {})
    match message["method"]:
        case "initialize":
            return {
                "protocolVersion": "2025-06-18",
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "odd", "version": "0"},
            }
        case "tools/list":
            return {"tools": listed(), **({"nextCursor": "again"} if "loop" in WORDS else {})}
        case "tools/call":
            return call(params["name"])
    return {}


def main() -> None:
    for word in WORDS:
        if word.startswith("child="):
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
            pathlib.Path(word.removeprefix("child=")).write_text(f"{os.getpid()} {child.pid}")
    while "deaf" in WORDS:
        time.sleep(1000)
    for line in sys.stdin:
        message = json.loads(line)
        if ANSWER is not None and message["method"] == "tools/call":
            sys.stdout.write(ANSWER.replace("ID", str(message["id"])) + "\n")
            sys.stdout.flush()
        elif "id" in message:
            say({"jsonrpc": "2.0", "id": message["id"], "result": answer(message)})
    while any(word.startswith("child=") for word in WORDS):
        time.sleep(1000)


main()
