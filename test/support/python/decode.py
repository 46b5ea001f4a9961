"""
Reads messages as PIXL's consumer does, by jsonpickle, and writes what came out.

Reads from standard input a JSON list of bodies; writes a JSON list of {"type", "fields"}.
"""

import json
import sys

import jsonpickle
from core.patient_queue.message import Message  # noqa: F401 (jsonpickle looks it up)


def spelt(value: object) -> object:
    if value is None or isinstance(value, (int, str)):
        return value
    return {"type": type(value).__name__, "iso": value.isoformat()}


def main() -> None:
    decoded = [jsonpickle.decode(body) for body in json.load(sys.stdin)]
    json.dump(
        [
            {"type": type(one).__name__, "fields": {name: spelt(value) for name, value in vars(one).items()}}
            for one in decoded
        ],
        sys.stdout,
    )


if __name__ == "__main__":
    main()
