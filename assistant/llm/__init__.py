"""Any OpenAI-compatible model."""
