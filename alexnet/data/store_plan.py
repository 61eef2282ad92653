"""What a store is to be: all that decides its content, settled before a photograph is read."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field

from alexnet.data.preparation import DEFAULT, Preparation
from alexnet.data.source import Source
from alexnet.data.split import check_shares
from alexnet.data.store import ENCODINGS, as_json
from alexnet.data.together import checked
from alexnet.errors import ConfigError, unknown

RAW_LIMIT = 8 * 2**30  # bytes


@dataclass(frozen=True)
class StorePlan:
    """All that decides a store's content; `quality` is None for raw pixels, `seed` with no split to draw.

    `resizing` is what of it is not the paper's, so that stores made before there was anything else are still the
    planned ones: a rule and its interpolation go together, and a side is named where it is not 256. `together` are the
    rules of `alexnet.data.together`, where a split is drawn.
    """

    source: str
    identity: str
    encoding: str
    quality: int | None
    shares: dict[str, float]
    seed: int | None
    resizing: dict[str, str | int] = field(default_factory=dict)
    together: tuple[str, ...] = ()

    @property
    def preparation(self) -> Preparation:
        """How photographs are resized."""
        return Preparation.from_json(self.resizing)

    @property
    def content(self) -> bytes:
        """The plan as bytes that differ when anything in it does."""
        later = ("resizing", "together")  # as this came to be
        return as_json({name: value for name, value in asdict(self).items() if name not in later or value})

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that differ when anything in the plan does."""
        return hashlib.sha256(self.content).hexdigest()


def store_plan(
    source: Source,
    *,
    encoding: str,
    quality: int,
    split: Mapping[str, float] | None,
    seed: int,
    together: Iterable[str] = (),
    preparation: Preparation = DEFAULT,
) -> StorePlan:
    """What preparing the source with these options makes. Raises ConfigError where they do not fit it."""
    if encoding == "auto":
        encoding = "raw" if len(source.examples) * preparation.stored_bytes <= RAW_LIMIT else "jpeg"
    if encoding not in ENCODINGS:
        raise unknown("encoding", encoding, ["auto", *ENCODINGS])
    if not 1 <= quality <= 100:
        raise ConfigError(f"The JPEG quality must be from 1 to 100, not {quality}.")
    given = {example.split for example in source.examples if example.split is not None}
    asked = split if split is not None else {} if given else source.default_split
    check_shares(asked)
    shares = {name: float(share) for name, share in asked.items() if share > 0}
    if clash := sorted(given & set(shares)):
        raise ConfigError(
            f"The source {source.name} says itself which photographs are {' and '.join(map(repr, clash))}; "
            "a share can only be asked for a split that it does not give."
        )
    rules = checked(together)
    if rules and not shares:
        raise ConfigError(
            f"Nothing is to be held out, so there is nothing to keep together ({', '.join(rules)}); ask for a split."
        )
    return StorePlan(
        source.name,
        source.identity,
        encoding,
        quality if encoding == "jpeg" else None,
        shares,
        seed if shares else None,
        _resizing(preparation),
        rules,
    )


def _resizing(preparation: Preparation) -> dict[str, str | int]:
    rule, usual = preparation.resizing, DEFAULT.resizing
    side, usual_side = {"side": rule.pop("side")}, {"side": usual.pop("side")}
    return (rule if rule != usual else {}) | (side if side != usual_side else {})
