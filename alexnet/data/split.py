"""Which photographs are held out: by class, by seed, and by nothing else."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from alexnet.data.source import SPLITS
from alexnet.errors import ConfigError, unknown


def assign_splits(
    labels: ArrayLike,
    shares: Mapping[str, float],
    seed: int,
    keys: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
) -> NDArray[np.uint8]:
    """The split of each photograph as an index into SPLITS: "train" for all that `shares` do not hold out.

    A class gives round(share · count) photographs to each held-out split; at least one, as long as one is
    left to train on. Shares that are 1 in sum leave none. What a class gives depends on the seed, the class's key
    and its own photographs' order alone: not on other classes, nor on the order of `shares`. `keys` names the
    classes in label order; without it their index does. Photographs of one of the `groups` (N,) go to one split,
    also where they are of several classes; then the counts are as near as whole groups allow. Raises
    ConfigError when the shares are not of "val" and "test", or not from 0 to 1 in sum.
    """
    labels = np.asarray(labels, dtype=np.int64)
    check_shares(shares)
    splits = np.full(len(labels), SPLITS.index("train"), dtype=np.uint8)
    names = [
        name for name in ("test", "val") if shares.get(name)
    ]  # its photographs stay when the share of "val" changes
    rest = _sum(shares) == 1
    parties = np.arange(len(labels)) if groups is None else np.asarray(groups)
    settled: dict[int, int] = {}  # the split of each group that an earlier class has dealt with
    for label, members in _classes(labels):
        free = members[_order(len(members), seed, keys[label] if keys is not None else str(label))]
        units = _units(parties[free].tolist(), free)
        for party in settled.keys() & units.keys():
            splits[units.pop(party)] = settled[party]
        for name in names:
            left = int((splits[members] == SPLITS.index("train")).sum())
            index = SPLITS.index(name)
            already = int((splits[members] == index).sum())
            room = left if rest and name == names[-1] else _held(shares[name], len(members), left + already) - already
            for party in _chosen(units, room):
                splits[units.pop(party)] = index
                settled[party] = index
        settled |= dict.fromkeys(units, SPLITS.index("train"))
    return splits


def holdout(
    labels: ArrayLike, share: float, seed: int, groups: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ascending positions kept and held out, when each class gives `share` of its photographs.

    This is how training takes a validation part from the photographs of "train"; the rule is that of
    `assign_splits`.
    """
    held = assign_splits(labels, {"val": share}, seed, groups=groups) == SPLITS.index("val")
    return np.flatnonzero(~held), np.flatnonzero(held)


def check_shares(shares: Mapping[str, float]) -> None:
    """Raise ConfigError unless the shares can be held out of a data set and leave something to train on."""
    for name, share in shares.items():
        if name == "train":
            raise ConfigError('The share of "train" is what the others leave; give shares of "val" and "test" only.')
        if name not in SPLITS:
            raise unknown("split", name, SPLITS)
        if not 0 <= share <= 1:
            raise ConfigError(f"The share of {name!r} must be from 0 to 1, not {share}.")
    if _sum(shares) > 1:
        raise ConfigError(f"The shares held out ({_listed(shares)}) are more than 1 in sum; lower them.")


def _units(parties: Sequence[int], members: NDArray[np.int64]) -> dict[int, NDArray[np.int64]]:
    """The members of each group, groups and members in the order given."""
    units: dict[int, list[int]] = {}
    for party, member in zip(parties, members.tolist(), strict=True):
        units.setdefault(party, []).append(member)
    return {party: np.array(unit) for party, unit in units.items()}


def _chosen(units: Mapping[int, NDArray[np.int64]], wanted: int) -> list[int]:
    """The first groups that go into so many places; the smallest where none does and another is left."""
    chosen = []
    room = wanted
    for party, unit in units.items():
        if len(unit) <= room:
            chosen.append(party)
            room -= len(unit)
    if not chosen and wanted > 0 and len(units) > 1:
        chosen.append(min(units, key=lambda party: len(units[party])))
    return chosen


def _sum(shares: Mapping[str, float]) -> float:
    """The sum, without what floating-point addition leaves."""
    return round(sum(shares.values()), 9)


def _held(share: float, count: int, free: int) -> int:
    wanted = max(1, round(share * count))
    return max(0, min(wanted, free - 1))


def _classes(labels: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """Each label that occurs, with its positions in ascending order."""
    order = np.argsort(labels, kind="stable")
    present, starts = np.unique(labels[order], return_index=True)
    return list(zip(present.tolist(), np.split(order, starts[1:]), strict=True))


def _order(count: int, seed: int, key: str) -> NDArray[np.int64]:
    """A permutation of `count`, from a hash: NumPy's generators may draw otherwise in its next version."""
    name = f"{seed}/{key}".encode("utf-8", "surrogatepass")
    draws = np.frombuffer(hashlib.shake_256(name).digest(8 * count), dtype="<u8")
    return np.argsort(draws, kind="stable")


def _listed(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {share:g}" for name, share in sorted(shares.items()))
