"""What a fault of the fake engine may change, and the list of them. Standard library only."""

import re


class Fault:
    """A healthy engine's behaviour at each step; a fault overrides the step at which it goes wrong."""

    late = False
    """A streamed request is rejected after its 200 has gone out: as an event of the stream."""

    def refuse(self, body):
        """(status, text) when the request is rejected."""

    def sees_tools(self, body):
        return body.get("tools")

    def sees_messages(self, body):
        return body["messages"]

    def choice(self, choice):
        return choice

    def model(self, body, turn, text, calls):
        return text, calls

    def message(self, message):
        """Changes what the parser understood."""

    def value(self, value):
        return value

    def deltas(self, deltas, message):
        return deltas

    def uncached(self, prompt, new):
        """Tokens of the prompt that must be read anew."""
        return new

    def raw(self, text):
        """What /v1/completions gives of what the model wrote."""
        return text

    def wire(self, answer, streamed):
        """Changes the bytes."""


NONE = Fault()
FAULTS = {}


def fault(cls):
    """Registers under the class's name in snake case, which is the finding's code."""
    FAULTS[re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()] = cls()
    return cls


def lost(message, *, content=None, finish="stop"):
    message.calls, message.content, message.finish = [], content or "", finish
