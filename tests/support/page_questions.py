"""What a server asks in the middle of a call, as the back end tells the page."""

from typing import Any

from tests.support.page_backend import Step, call, done

FORM: dict[str, Any] = {
    "type": "object",
    "required": ["name", "seats"],
    "properties": {
        "name": {"type": "string", "title": "Your name", "minLength": 2},
        "mail": {"type": "string", "format": "email"},
        "seats": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2},
        "smoking": {"type": "boolean", "default": False},
        "day": {"type": "string", "format": "date"},
        "menu": {
            "type": "string",
            "oneOf": [{"const": "v", "title": "Vegetarian"}, {"const": "m", "title": "Meat"}],
        },
        "table": {"type": "string", "enum": ["in", "out"], "enumNames": ["Inside", "Outside"]},
        "extras": {
            "type": "array",
            "maxItems": 2,
            "items": {"type": "string", "enum": ["bread", "water", "wine"]},
            "default": ["bread"],
        },
    },
}


def question(id: str = "q1", of: str = "c1", **more: Any) -> Step:
    """A question of a call, as the back end tells it."""
    told = {
        "server": "shop",
        "message": "How many\nseats?",
        "schema": FORM,
        "url": "",
        "state": f"sealed {id}",
    }
    return ("question", {"id": id, "call": of, **told, "code": None, "params": {}, **more})


def asks(*questions: Step) -> list[Step]:
    return [*call("c1", "book", {}), *questions, *done("question")]


def goes_on(*steps: Step) -> list[Step]:
    """Return the events of the call that goes on with its answer."""
    _, told = call("c1", "book", {})
    return [told, *steps]
