"""FastAPI, whose models of an OpenAPI document are built when somebody asks for the document."""

from serving.importing import built_when_used

with built_when_used():
    import fastapi  # noqa: F401
