"""Labels of metrics whose values clients, models and providers choose, and with them the size of the page: bounded."""

from __future__ import annotations

from bridge.limits import LIMITS

OTHER = "other"
"""What stands for every value of a label beyond those that are counted by themselves."""

ESCAPED = str.maketrans({"\\": "__", '"': "__", "\n": "__"})
"""As many characters as the page needs for them."""


class LabelValues:
    """The values of one label: the first so many, each cut to so many characters; all further ones are `other`."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._size = 0

    def bounded(self, value: str) -> str:
        """The value as a label has it."""
        value = value[: LIMITS.label_characters]
        if value in self._known:
            return value
        size = len(value.translate(ESCAPED).encode("utf-8", "replace"))
        if len(self._known) >= LIMITS.label_values or self._size + size > LIMITS.label_bytes:
            return OTHER
        self._known.add(value)
        self._size += size
        return value


class Combinations:
    """Values of several labels that are found together: the first so many; of all further ones some are `other`."""

    def __init__(self, *loose: int) -> None:
        self._loose = frozenset(loose)  # which of them
        self._known: set[tuple[str, ...]] = set()

    def bounded(self, *labels: str) -> tuple[str, ...]:
        """The values as the labels have them."""
        if labels not in self._known:
            if len(self._known) >= LIMITS.label_pairs:
                return tuple(OTHER if place in self._loose else label for place, label in enumerate(labels))
            self._known.add(labels)
        return labels
