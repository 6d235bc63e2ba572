"""Versions of a group in a folder: files that never change, and one link that selects the current ones.

files/<digest>/…         a file under a name derived from its content, kept while a version or a draft links to it
versions/<id>/…          a version: a link for each of its places
current -> versions/<id> exchanged by one rename, and with it everything that the group holds
drafts/<key>/…           members of a later version: a link for each place

The public places, such as `green/clean_trips/month=2024-01`, are links through `current` and never change. A lock on
the folder lets one process at a time change anything here; a file without a link is therefore left from a killed one.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote, unquote

from taxi_assets.stores.lake.layout import CURRENT, GRACE_SECONDS, Group

ORIGIN = ".origin.json"  # a file's origin, beside it
_TRIED = ".tried"


class Versions:
    """The versions of one group of the lake at `root`."""

    def __init__(self, root: Path, group: Group) -> None:
        self._root = Path(os.path.realpath(root))
        self.folder = Path(os.path.realpath(root / group.folder))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclude all other writers of the group."""
        self.folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def keep(self, written: Path, digest: str, name: str, origin: Path | None = None) -> Path:
        """Move a file to its permanent name; an existing file of that name has the same bytes."""
        target = self.folder / "files" / digest / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if origin is not None:
            origin.replace(target.with_name(ORIGIN))
        written.replace(target)
        sync(target.parent)
        sync(target.parent.parent)
        return target

    def publish(self, members: Mapping[str, Path]) -> None:
        """Make these members current, all at once, beside those that they do not replace."""
        self.take_over(members)
        for place in members:
            self._link(place)  # dangles until the group has its first version
        held = _links(self.folder / CURRENT)
        merged = {**held, **members}
        if merged != held:
            self._switch(merged)
        self._remove_old()

    def draft(self, key: str) -> Mapping[str, Path]:
        """The members of the draft of that key: place -> file or folder."""
        return _links(self._draft(key))

    def add_to_draft(self, key: str, place: str, member: Path) -> None:
        """Record a member of the next version, so that another process can continue the draft."""
        folder = self._draft(key)
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            (folder / _linked(place)).unlink()
        _symlink(member, folder / _linked(place))

    def untried(self, place: str) -> Path | None:
        """The newest member for the place among the drafts that no other run has tried to continue."""
        drafts = [one for one in (self.folder / "drafts").glob("*") if not (one / _TRIED).exists()]
        found = [(draft.stat().st_mtime_ns, links[place]) for draft in drafts if place in (links := _links(draft))]
        return max(found)[1] if found else None

    def mark_tried(self, place: str, member: Path) -> None:
        """Reserve the drafts of this member for their own runs."""
        for draft in (self.folder / "drafts").glob("*"):
            if _links(draft).get(place) == member:
                (draft / _TRIED).touch()

    def drop_drafts(self) -> None:
        """Remove all drafts: the current version is newer."""
        shutil.rmtree(self.folder / "drafts", ignore_errors=True)

    def _draft(self, key: str) -> Path:
        return self.folder / "drafts" / quote(key, safe="")

    def _switch(self, members: Mapping[str, Path]) -> None:
        version = self.folder / "versions" / uuid.uuid4().hex
        version.mkdir(parents=True)
        for place, member in members.items():
            _symlink(member, version / _linked(place))
        sync(version)
        sync(version.parent)
        current = self.folder / CURRENT
        if current.exists():
            made = version.stat().st_mtime_ns
            os.utime(current, ns=(made, made))  # the mtime of the old version: when it was replaced
        following = self.folder / "next"
        following.unlink(missing_ok=True)
        _symlink(version, following)
        following.replace(current)
        sync(self.folder)

    def take_over(self, places: Iterable[str]) -> None:
        """Make a version of what is at the places: of an older layout, from other programs, of other groups."""
        others = [place for place in places if (self._root / place).exists() and not self._is_ours(place)]
        if others:
            self._switch({**_links(self.folder / CURRENT), **{place: self._adopted(place) for place in others}})
            for place in others:
                self._link(place)

    def _adopted(self, place: str) -> Path:
        found = Path(os.path.realpath(self._root / place))
        folder = self.folder / "files" / f"adopted-{uuid.uuid4().hex}"
        folder.mkdir(parents=True)
        for file in [one for one in found.iterdir() if one.is_file()] if found.is_dir() else [found]:
            os.link(file, folder / file.name)
        origin = origin_of(found)
        if origin.exists():
            os.link(origin, folder / ORIGIN)
        return folder if found.is_dir() else folder / found.name

    def _is_ours(self, place: str) -> bool:
        path = self._root / place
        return path.is_symlink() and path.readlink() == self._text_for(path, place)

    def _text_for(self, path: Path, place: str) -> Path:
        return Path(os.path.relpath(self.folder / CURRENT / _linked(place), os.path.realpath(path.parent)))

    def _link(self, place: str) -> None:
        if self._is_ours(place):
            return
        path = self._root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        following = self.folder / "next"
        following.unlink(missing_ok=True)
        following.symlink_to(self._text_for(path, place))
        if path.is_dir() and not path.is_symlink():
            # No system call exchanges a folder for a link; the next writer repairs what a killed process left.
            before = self.folder / f"before-{uuid.uuid4().hex}"
            path.rename(before)
            following.rename(path)
            for file in before.glob("*.parquet"):  # the version links to them now
                file.unlink()
            with suppress(OSError):  # other files in it stay
                before.rmdir()
        else:
            following.replace(path)
            path.with_name(f".{path.name}{ORIGIN}").unlink(missing_ok=True)
        sync(path.parent)

    def _remove_old(self) -> None:
        versions = list((self.folder / "versions").iterdir())
        current = Path(os.path.realpath(self.folder / CURRENT))
        now = current.stat().st_mtime  # by the clock of the folder's host, as all mtimes here
        for version in versions:
            if version != current and now - version.stat().st_mtime > GRACE_SECONDS:
                shutil.rmtree(version)
        named = {
            member if member.is_dir() else member.parent
            for links in (*(self.folder / "versions").iterdir(), *(self.folder / "drafts").glob("*"))
            for member in _links(links).values()
        }
        for folder in (self.folder / "files").iterdir():
            if folder not in named:
                shutil.rmtree(folder)


def origin_of(path: Path) -> Path:
    """The file with a file's origin: beside it, in the older layout under another name."""
    ours = path.with_name(ORIGIN)
    return ours if ours.exists() else path.with_name(f".{path.name}{ORIGIN}")


def sync(path: Path) -> None:
    """Flush the file, or the names in the folder, to the disk, so that a power cut does not undo the next step."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _linked(place: str) -> str:
    return quote(place, safe="= ")


def _links(folder: Path) -> dict[str, Path]:
    """Place -> target of its link in the folder."""
    if not folder.is_dir():
        return {}
    return {unquote(link.name): Path(os.path.realpath(link)) for link in folder.iterdir() if link.is_symlink()}


def _symlink(target: Path, link: Path) -> None:
    link.symlink_to(os.path.relpath(target, link.parent))
