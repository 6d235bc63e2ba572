"""Versions of a group in a bucket: the pointer's replacement, the copies at the public places, and the clean-up."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath

from google.api_core.exceptions import PreconditionFailed

from taxi_assets.stores.base import unconditionally
from taxi_assets.stores.lake.gcs.manifest import Held, Pointer
from taxi_assets.stores.lake.gcs.objects import Objects
from taxi_assets.stores.lake.gcs.tables import COPY_OF, POINTER, new_object, pointer_of, read_pointer
from taxi_assets.stores.lake.layout import Group
from taxi_assets.stores.retries import retry_conflicts

_ABANDONED = timedelta(days=1)  # after which an object that no pointer names belongs to a run that was killed


class Versions:
    """The versions of one group."""

    def __init__(self, objects: Objects, group: Group) -> None:
        self._objects = objects
        self._group = group

    def publish(self, members: Mapping[str, Held], confirm: Callable[[], None] = unconditionally) -> None:
        """Make these members current, all at once, beside those that they do not replace; then update the copies.

        Args:
            members: place -> the object that becomes current there.
            confirm: raises where they must not become current; called after the generation to be replaced is known.
        """
        with self._objects.failures():
            self._take_over(members)
            before, pointer = self.switch(members, confirm)
            for place in pointer.members:
                self.show(place)
            self._remove_old(pointer, (before.objects - pointer.objects) | pointer.expired(pointer.written))

    def switch(
        self, members: Mapping[str, Held], confirm: Callable[[], None] = unconditionally
    ) -> tuple[Pointer, Pointer]:
        """Replace the pointer, and return the one that was replaced and the one that is current now.

        Raises:
            StoreUnavailable: another writer was faster in each of ten attempts.
        """
        path = pointer_of(self._group)

        def attempt() -> tuple[Pointer, Pointer]:
            pointer, generation = read_pointer(self._objects, path)
            following = pointer.with_members(members)
            confirm()
            try:
                blob = self._objects.write_text(path, following.to_json(), if_generation_match=generation)
            except PreconditionFailed:
                # Another writer was faster, or this one's own commit was and its answer was lost.
                present = read_pointer(self._objects, path)[0]
                if present == following:
                    return pointer, present
                raise
            return pointer, replace(following, written=blob.updated.timestamp())

        return retry_conflicts(
            attempt, f"{self._objects.uri(path)} is replaced by others again and again", on=PreconditionFailed
        )

    def show(self, place: str) -> None:
        """Make the object at the place a copy of the one that is current, also while other writers do the same.

        It reads the place before the pointer, and replaces only that generation: a slow process cannot put an older
        copy over a newer one.

        Raises:
            StoreUnavailable: another writer was faster in each of ten attempts.
        """

        def attempt() -> None:
            shown = self._objects.get(place)
            held = read_pointer(self._objects, pointer_of(self._group))[0].members[place]
            if shown is not None and (shown.metadata or {}).get(COPY_OF) == held.object:
                return
            metadata = {**held.facts, POINTER: pointer_of(self._group), COPY_OF: held.object}
            replaced = 0 if shown is None else shown.generation
            self._objects.copy(self._objects.blob(held.object), place, metadata, replaced)

        retry_conflicts(
            attempt, f"{self._objects.uri(place)} is replaced by others again and again", on=PreconditionFailed
        )

    def _take_over(self, places: Mapping[str, Held]) -> None:
        """Add to the pointer what is at the places: of an older layout, from other programs, of other groups."""
        others = {}
        for place in places:
            shown = self._objects.get(place)
            if shown is not None and (shown.metadata or {}).get(POINTER) != pointer_of(self._group):
                others[place] = shown
        adopted = {}
        for place, shown in others.items():
            path = new_object(self._group, "adopted", PurePosixPath(place).name)
            facts = {key: value for key, value in (shown.metadata or {}).items() if key not in (POINTER, COPY_OF)}
            self._objects.copy(shown, path, facts, 0)
            adopted[place] = Held(path, f"generation {shown.generation}", facts)
        if adopted:
            self.switch(adopted)
        for place in others:
            self.show(place)

    def _remove_old(self, pointer: Pointer, expired: set[str]) -> None:
        """Remove expired objects, and those that runs left when they were killed long ago."""
        abandoned = datetime.fromtimestamp(pointer.written, UTC) - _ABANDONED
        kept = {*pointer.objects, pointer_of(self._group)}
        for blob in self._objects.list(f"{self._group.folder}/"):
            path = self._objects.path(blob)
            if path in expired or (path not in kept and blob.time_created < abandoned):
                self._objects.delete(blob)
