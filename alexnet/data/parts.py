"""How a batch is divided, and who works on what: the same for every process, whatever their number."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Parts:
    """A division of every batch into `count` runs of consecutive photographs; the parts in `mine` are worked on here.

    Sizes differ by at most 1, the larger parts come first. A part is empty where there are fewer photographs.
    """

    count: int = 1
    mine: range = range(1)

    def rows(self, photographs: int) -> slice:
        """Which of a batch's photographs are worked on here."""
        return slice(self._start(self.mine.start, photographs), self._start(self.mine.stop, photographs))

    def sizes(self, photographs: int) -> list[int]:
        """The photographs in each of the parts worked on here, of a batch of so many."""
        starts = [self._start(part, photographs) for part in range(self.mine.start, self.mine.stop + 1)]
        return [end - start for start, end in pairwise(starts)]

    def _start(self, part: int, photographs: int) -> int:
        return part * (photographs // self.count) + min(part, photographs % self.count)


WHOLE = Parts()


def shared_parts(asked: int, sharers: int) -> int:
    """The number of parts, at least `asked`, that `sharers` work through as one alone would, to the last bit.

    Sums over parts are rounded at every node of a binary tree. Each sharer has to hold whole branches of it: a power of
    two of parts.
    """
    parts = sharers
    while parts < asked:
        parts *= 2
    return asked if sharers == 1 else parts
