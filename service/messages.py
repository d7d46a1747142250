"""See `detector.sentences`."""

from detector.sentences import Message, MessageSpec, _, count, join, ngettext, say, spec_of

__all__ = ["Message", "MessageSpec", "_", "count", "join", "ngettext", "say", "spec_of"]
