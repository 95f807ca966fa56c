"""Servers that somebody else runs and that have an API of their own beside OpenAI's: Ollama, LM Studio."""
