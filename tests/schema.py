"""schema.py FILE SCHEMA: is the JSON in FILE as SCHEMA says?

JSON Schema, as much of it as this project's schemas use. A word that this does
not know is an error, so that nothing is taken for checked that was not."""
import json
import re
import sys

TYPES = {"object": dict, "array": list, "string": str, "boolean": bool,
         "integer": int, "number": (int, float)}


class Invalid(Exception):
    pass


def need(ok, where, what):
    if not ok:
        raise Invalid("%s %s" % (where, what))


def is_type(value, name):
    return isinstance(value, TYPES[name]) and (name == "boolean" or not isinstance(value, bool))


def is_number(value):
    return is_type(value, "number")


# What each word asks of a value. A word for objects says nothing of a number,
# and so on.

def properties(value, parts, schema, root, where):
    if not isinstance(value, dict):
        return
    more = schema.get("additionalProperties", True)
    for key, item in value.items():
        part = parts.get(key, more)
        need(part is not False, where, "has %s, which is not in the schema" % key)
        check(item, {} if part is True else part, root, "%s.%s" % (where, key))


def one_of(value, parts, schema, root, where):
    wrong = []
    for part in parts:
        try:
            check(value, part, root, where)
        except Invalid as e:
            wrong.append(str(e))
    need(len(wrong) == len(parts) - 1, where, "is not one of: %s" % "; ".join(wrong))


def all_of(value, parts, schema, root, where):
    for part in parts:
        check(value, part, root, where)


def items(value, part, schema, root, where):
    for i, item in enumerate(value if isinstance(value, list) else ()):
        check(item, part, root, "%s[%d]" % (where, i))


def ref(value, name, schema, root, where):
    part = root
    for step in name.removeprefix("#/").split("/"):
        part = part[step]
    check(value, part, root, where)


WORDS = {"oneOf": one_of, "allOf": all_of, "items": items, "$ref": ref, "properties": properties}
SIMPLE = {
    "type": is_type,
    "const": lambda v, want: v == want,
    "enum": lambda v, words: v in words,
    "minimum": lambda v, least: not is_number(v) or v >= least,
    "pattern": lambda v, p: not isinstance(v, str) or re.search(p, v) is not None,
    "required": lambda v, keys: not isinstance(v, dict) or all(k in v for k in keys),
    "minProperties": lambda v, n: not isinstance(v, dict) or len(v) >= n,
    "minItems": lambda v, n: not isinstance(v, list) or len(v) >= n,
    "maxItems": lambda v, n: not isinstance(v, list) or len(v) <= n,
}
SAID_ONLY = ("$schema", "title", "description", "definitions", "additionalProperties")


def check(value, schema, root, where):
    for word, what in schema.items():
        if word in SIMPLE:
            need(SIMPLE[word](value, what), where, "is not right: %s %s" % (word, what))
        elif word in WORDS:
            WORDS[word](value, what, schema, root, where)
        elif word not in SAID_ONLY:
            sys.exit("schema.py does not know '%s' at %s" % (word, where))
    if "additionalProperties" in schema and "properties" not in schema:
        properties(value, {}, schema, root, where)


def validate(value, schema):
    check(value, schema, schema, "it")


if __name__ == "__main__":
    with open(sys.argv[1]) as f, open(sys.argv[2]) as s:
        try:
            validate(json.load(f), json.load(s))
        except Invalid as e:
            sys.exit("%s: %s" % (sys.argv[1], e))
