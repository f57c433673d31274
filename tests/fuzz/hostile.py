"""Hostile values, and seeded mutations of data and of bytes."""

import copy
import json
import math

STRINGS = (
    "",
    " ",
    "..",
    ".",
    "a/b",
    "../../escaped",
    "/tmp/escaped-by-cpbench",
    "~/x",
    "nul\0byte",
    "new\nline",
    "tab\tbed",
    "\x1b[31mred\x1b[0m",
    "\x9b31m",
    "x" * 300,
    "é" * 200,
    "[red]x[/red]",
    "[/nothing]",
    "[bold",
    "<script>alert(1)</script>",
    "\u202eright to left",
    "\ufeffmark",
    "lone \ud800 surrogate",
    "🐱" * 3,
    "cat\u0301",
    "ﬁ",
    "İ",
    "con",
    "nan",
    "null",
    "yes",
    "-",
    "--out",
    "*",
    "?",
    "a b",
    "a,b",
    "a+b",
    "{}",
    "{} {} {}",
    "{0}",
    "%s",
    "$HOME",
    "`id`",
    "prior",
    "<mallow>",
    "0x10",
    "1_000",
    "１２",
)
NUMBERS = (
    -1,
    0,
    1,
    2,
    -5,
    900_001,
    2**31,
    2**63,
    2**64,
    10**400,
    -(10**400),
    1e308,
    -1e308,
    1e-320,
    0.5,
    -0.0,
    1.5,
    math.nan,
    math.inf,
    -math.inf,
)
OTHERS = (True, False, None, [], {}, [[]], [None], {"": {}}, {"a": {"b": [1, {"c": None}]}}, [1, "a", None], ["", ""])


def value(rng):
    """Any hostile value."""
    kind = rng.random()
    if kind < 0.5:
        return rng.choice(STRINGS)
    if kind < 0.8:
        return rng.choice(NUMBERS)
    return json.loads(json.dumps(rng.choice(OTHERS))) if kind < 0.97 else nested(rng.choice((20, 150)))


def nested(depth):
    """Lists within lists."""
    found = []
    for _ in range(depth):
        found = [found]
    return found


def places(data, depth=0):
    """Every container with every key of it."""
    pairs = list(data.items()) if isinstance(data, dict) else list(enumerate(data)) if isinstance(data, list) else []
    for key, inner in pairs:
        yield data, key
        if depth < 12:
            yield from places(inner, depth + 1)


def altered(data, rng):
    """Change one place of nested dicts and lists, in place."""
    found = list(places(data))
    if not found:
        return
    holder, key = rng.choice(found)
    old, what = holder[key], rng.random()
    if what < 0.55:
        holder[key] = value(rng)
    elif what < 0.65:
        holder[key] = retyped(old, rng)
    elif what < 0.75:
        del holder[key]
    elif what < 0.85 and isinstance(holder, dict):
        holder[rng.choice(STRINGS) if rng.random() < 0.5 else f"{key}_"] = holder.pop(key)
    elif what < 0.9 and isinstance(holder, dict):
        holder[rng.choice(STRINGS)] = value(rng)
    elif isinstance(holder, list):
        holder.insert(rng.randrange(len(holder) + 1), copy.deepcopy(rng.choice(holder)))
    else:
        other, there = rng.choice(found)
        holder[key] = copy.deepcopy(other[there])


def retyped(old, rng):
    """The same thing as another type, or a number near it."""
    if isinstance(old, bool) or old is None:
        return rng.choice((0, 1, "true", "null", ""))
    if isinstance(old, int | float) and abs(old) < 1e300:
        return rng.choice((str(old), float(old), -old, [old], old + 0.5, bool(old), old * 1000))
    if isinstance(old, str):
        return rng.choice(([old], {old: old}, old.upper(), f" {old} ", f"{old}\n", old * 40, old[:-1], 7))
    return rng.choice((repr(old)[:50] if isinstance(old, dict | list) else "", [old], {}, [], None))


TOKENS = (
    b"\0",
    b"\t",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x80",
    b"&a ",
    b"*a",
    b"!!python/object:os.system ",
    b"!!binary ",
    b"!!set ",
    b"!!timestamp ",
    b"%YAML 1.1\n",
    b"---\n",
    b"...\n",
    b"<<: ",
    b"? ",
    b"| ",
    b">\n",
    b"'",
    b'"',
    b"{",
    b"}",
    b"[" * 2000,
    b"{a: " * 400,
    b"- " * 500,
    b"2026-99-99",
    b"1:30",
    b"010",
    b"0o10",
    b"yes",
    b".inf",
    b".nan",
    b"1e999",
    b"#",
    b"\r",
    b"\n",
    b"\x1b[2J",
    b"NaN",
    b"Infinity",
    b"9" * 5000,
    b"\\u0000",
    b"\\ud800",
)


def scrambled(content, rng):
    """Bytes with a few changes: flips, cuts, repeats, hostile tokens, lines that are swapped or written twice."""
    data = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        to = min(len(data), at + rng.choice((1, 2, 8, 64)))
        what = rng.randrange(7)
        if what == 0 and to > at:
            data[at] ^= 1 << rng.randrange(8)
        elif what == 1:
            del data[at:to]
        elif what == 2:
            data[at:at] = data[at:to]
        elif what == 3:
            data[at:at] = rng.choice(TOKENS)
        elif what == 4:
            lines = bytes(data).split(b"\n")
            lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
            data = bytearray(b"\n".join(lines))
        elif what == 5:
            lines = bytes(data).split(b"\n")
            lines.pop(rng.randrange(len(lines)))
            data = bytearray(b"\n".join(lines))
        elif rng.random() < 0.3:
            del data[at:]
    return bytes(data)
