"""What is wrong with a field, in our words: the sentences of the validation library are written for programmers."""

import re
from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic_core import ErrorDetails, core_schema

from atelier_gateway.web.problems import Problem

FIELD_ERRORS_MAX = 20
FIELD_CHARS_MAX = 200
NOT_VALID = "it is not valid"
BUILT_IN = frozenset(get_args(core_schema.ErrorType))
"""Kinds of error that the library words; every other is raised by a validator of ours, in our words."""
_PLACE = re.compile(r"line (\d+) column (\d+)$")

Context = Mapping[str, Any]
Sentence = str | Callable[[Context], str]


def _join_words(context: Context) -> str:
    words = str(context["expected"]).replace("'", "")
    return f"one of {words} is required" if " or " in words else f"it can only be {words}"


def _json(context: Context) -> str:
    why = str(context["error"])
    if why.startswith("recursion limit"):
        return NESTED
    place = _PLACE.search(why)
    return f"it is not JSON, from line {place[1]}, column {place[2]} on" if place else "it is not JSON"


TEXT = "a text is required"
WHOLE = "a whole number is required"
NUMBER = "a number is required"
BOOLEAN = "true or false is required"
LIST = "a list is required"
OBJECT = "an object is required"
ID = "a UUID is required"
URL = "a URL is required"
DATE = "a date like 2026-01-31 is required"
TIME = "a time like 12:30:00 is required"
MOMENT = "a date and time like 2026-01-31T12:30:00Z is required"
NESTED = "it is nested too deeply"
FORMS: Mapping[str, str] = {
    r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$": "a size like 1024x1024 is required",
    r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$": "a quote as it was given is required",
    r"^[^@\s]{1,64}@[^@\s]{1,255}$": "an e-mail address like ann@example.com is required",
    r"^[\x21-\x7e]{1,255}$": "1 to 255 visible ASCII characters are required",
    r"^[0-9]{1,9}$": "a whole number is required",
    r"^[0-9a-f]{24}$": "24 hexadecimal digits are required",
    r"^[a-z][a-z0-9-]{0,39}$": "1 to 40 characters a-z, 0-9 and -, a letter first, are required",
}
"""What the patterns of the requests demand, in words; a test finds a pattern that has none."""


def _describe_form(context: Context) -> str:
    return FORMS.get(context["pattern"], f"it does not have the form {context['pattern']}")


SENTENCES: Mapping[str, Sentence] = {
    "missing": "it is required",
    "extra_forbidden": "there is no such field",
    "none_required": "it must be left out",
    "string_type": TEXT,
    "string_unicode": "half of a surrogate pair is no character",
    "string_pattern_mismatch": _describe_form,
    "string_not_ascii": "only ASCII characters are taken",
    "literal_error": _join_words,
    "enum": _join_words,
    "int_type": WHOLE,
    "int_parsing": WHOLE,
    "int_parsing_size": WHOLE,
    "int_from_float": WHOLE,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": NUMBER,
    "greater_than": lambda context: f"it must be more than {context['gt']}",
    "greater_than_equal": lambda context: f"it must be {context['ge']} or more",
    "less_than": lambda context: f"it must be less than {context['lt']}",
    "less_than_equal": lambda context: f"it must be {context['le']} or less",
    "multiple_of": lambda context: f"it must be a multiple of {context['multiple_of']}",
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "list_type": LIST,
    "tuple_type": LIST,
    "set_type": LIST,
    "dict_type": OBJECT,
    "mapping_type": OBJECT,
    "model_type": OBJECT,
    "model_attributes_type": OBJECT,
    "uuid_type": ID,
    "uuid_parsing": ID,
    "is_instance_of": lambda context: ID if context["class"] == "UUID" else NOT_VALID,
    "date_type": DATE,
    "date_parsing": DATE,
    "time_type": TIME,
    "time_parsing": TIME,
    "datetime_type": MOMENT,
    "datetime_parsing": MOMENT,
    "datetime_object_invalid": MOMENT,
    "datetime_from_date_parsing": MOMENT,
    "timezone_aware": "a time zone is required, as in 2026-01-31T12:30:00Z",
    "url_type": URL,
    "url_parsing": URL,
    "json_invalid": _json,
    "json_type": "it is not JSON",
    "recursion_loop": NESTED,
    "recursion_depth_exceeded": NESTED,
}
"""By the library's name for the kind of error; lengths are below, since they depend on what is too long."""


def problem_of(errors: list[ErrorDetails]) -> Problem:
    """400, naming each field at fault. ``errors`` with their input and context."""
    fields = [{"field": _place_of(error), "message": sentence_of(error)} for error in errors[:FIELD_ERRORS_MAX]]
    first = fields[0]
    return Problem("invalid_request", f"{first['field']}: {first['message']}", details={"errors": fields})


def sentence_of(error: ErrorDetails) -> str:
    """What is wrong, for the author of the request."""
    kind, context = error["type"], error.get("ctx", {})
    if kind not in BUILT_IN:
        return error["msg"]
    if kind.endswith(("too_short", "too_long")):
        return _length(error["input"], context)
    sentence = SENTENCES.get(kind, NOT_VALID)
    return sentence if isinstance(sentence, str) else sentence(context)


def _length(given: object, context: Context) -> str:
    """Characters of a text, else entries of a list or an object."""
    is_text = isinstance(given, str | bytes)
    unit = " characters" if is_text else ""
    if (most := context.get("max_length")) is not None:
        return f"at most {most}{unit} are allowed" + (f", not {len(given)}" if isinstance(given, str) else "")
    least = context.get("min_length", 1)
    if least > 1:
        return f"at least {least}{unit} are required"
    return "it must not be empty" if is_text else "at least one is required"


def _place_of(error: ErrorDetails) -> str:
    return ".".join(map(str, error["loc"]))[:FIELD_CHARS_MAX] or "body"
