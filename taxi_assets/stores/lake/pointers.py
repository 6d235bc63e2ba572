"""What is current in a group of a lake in a bucket: a small JSON object, replaced by one commit.

It names objects that never change, and those that were current before, with the time since when they are not.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from taxi_assets.stores.lake.layout import GRACE_SECONDS


@dataclass(frozen=True)
class Held:
    """What a place stands for.

    Attributes:
        object: its object, from the lake's root on.
        digest: tells what is in it.
        facts: what else is known of it, for the object's metadata.
    """

    object: str
    digest: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pointer:
    """Place -> what it stands for, and object -> seconds since the epoch when it ceased to be current."""

    members: Mapping[str, Held] = field(default_factory=dict)
    former: Mapping[str, float] = field(default_factory=dict)

    def with_members(self, members: Mapping[str, Held], now: float) -> "Pointer":
        """The pointer after these members have taken their predecessors' places; forgets what is long past."""
        merged = {**self.members, **members}
        named = {held.object for held in merged.values()}
        replaced = {held.object: now for held in self.members.values() if held.object not in named}
        recent = {name: since for name, since in self.former.items() if now - since <= GRACE_SECONDS}
        return Pointer(merged, {**recent, **replaced})

    @property
    def objects(self) -> set[str]:
        """All objects that may still be read."""
        return {held.object for held in self.members.values()} | set(self.former)

    def to_json(self) -> str:
        """As it lies in the bucket."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> "Pointer":
        """The pointer that was written so."""
        told = json.loads(text)
        return cls({place: Held(**held) for place, held in told["members"].items()}, told["former"])
