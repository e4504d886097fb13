"""OpenAI as the simulator plays it: its HTTP manners, Responses and Chat Completions."""
