"""What is current in a group of a lake in a bucket: a small JSON object, replaced by one commit.

It names objects that never change, and those that were current before, with the time since when they are not: by the
service's clock, since those of the machines that write here may be days off.
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
    """What is current in a group, and what was before.

    Attributes:
        members: place -> what it stands for.
        former: object -> seconds since the epoch when it ceased to be current; None: when this pointer was written.
        written: seconds since the epoch when this one was written, by the service's clock; not part of what is written.
    """

    members: Mapping[str, Held] = field(default_factory=dict)
    former: Mapping[str, float | None] = field(default_factory=dict)
    written: float = field(default=0.0, compare=False)

    def with_members(self, members: Mapping[str, Held]) -> "Pointer":
        """The pointer after these members have taken their predecessors' places; forgets what is long past."""
        merged = {**self.members, **members}
        named = {held.object for held in merged.values()}
        replaced = dict.fromkeys({held.object for held in self.members.values()} - named)
        known = {name: self.written if since is None else since for name, since in self.former.items()}
        recent = {name: since for name, since in known.items() if name not in self.long_past(self.written)}
        return Pointer(merged, {**recent, **replaced})

    def long_past(self, now: float) -> set[str]:
        """The former objects that nobody reads any more at that time, by the service's clock."""
        return {name for name, since in self.former.items() if now - (now if since is None else since) > GRACE_SECONDS}

    @property
    def objects(self) -> set[str]:
        """All objects that may still be read."""
        return {held.object for held in self.members.values()} | set(self.former)

    def to_json(self) -> str:
        """As it lies in the bucket."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "written"})

    @classmethod
    def from_json(cls, text: str | bytes, written: float) -> "Pointer":
        """The pointer that was written so, at that time by the service's clock."""
        told = json.loads(text)
        return cls({place: Held(**held) for place, held in told["members"].items()}, told["former"], written)
