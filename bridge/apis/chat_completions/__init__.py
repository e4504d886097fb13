"""OpenAI Chat Completions, which many other servers speak too."""
