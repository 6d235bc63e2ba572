"""The pointer of a group in a bucket: a small JSON object that names the current objects, replaced by one commit.

It also names the former objects, each with the time of its replacement. Times are of the service's clock: those of the
machines that write may be days off.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from taxi_assets.stores.lake.layout import GRACE_SECONDS


@dataclass(frozen=True)
class Held:
    """The object that is current at a place.

    Attributes:
        object: its path in the lake.
        digest: identifies its content.
        facts: its metadata.
    """

    object: str
    digest: str
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Pointer:
    """The current and the former objects of a group.

    Attributes:
        members: place -> its current object.
        former: object -> seconds since the epoch when it was replaced; None: when this pointer was written.
        written: seconds since the epoch when this pointer was written, by the service's clock; not part of its JSON.
    """

    members: Mapping[str, Held] = field(default_factory=dict)
    former: Mapping[str, float | None] = field(default_factory=dict)
    written: float = field(default=0.0, compare=False)

    def with_members(self, members: Mapping[str, Held]) -> "Pointer":
        """The pointer after these members have replaced their predecessors, without the expired former objects."""
        merged = {**self.members, **members}
        named = {held.object for held in merged.values()}
        replaced = dict.fromkeys({held.object for held in self.members.values()} - named)
        known = {name: self.written if since is None else since for name, since in self.former.items()}
        recent = {name: since for name, since in known.items() if name not in self.expired(self.written)}
        return Pointer(merged, {**recent, **replaced})

    def expired(self, now: float) -> set[str]:
        """The former objects whose grace period is over at that time, by the service's clock."""
        return {name for name, since in self.former.items() if now - (now if since is None else since) > GRACE_SECONDS}

    @property
    def objects(self) -> set[str]:
        """All objects that readers may still use."""
        return {held.object for held in self.members.values()} | set(self.former)

    def to_json(self) -> str:
        """The content of the object in the bucket."""
        return json.dumps({name: value for name, value in asdict(self).items() if name != "written"})

    @classmethod
    def from_json(cls, text: str | bytes, written: float) -> "Pointer":
        """The pointer of that content, written at that time by the service's clock."""
        content = json.loads(text)
        return cls({place: Held(**held) for place, held in content["members"].items()}, content["former"], written)
