"""Who a child process runs as: ourselves, or nobody in the place of root."""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path

__all__ = ["OURSELVES", "User", "is_root", "may_enter", "unprivileged"]


@dataclass(frozen=True)
class User:
    """A user and group, by number."""

    uid: int
    gid: int


OURSELVES = User(-1, -1)
"""Whoever runs this process."""

_NOBODY = 65534  # what Linux uses where the account has no name


def is_root() -> bool:
    """Tell whether this process has root's powers."""
    return os.geteuid() == 0


def unprivileged() -> User:
    """Return the user that PostgreSQL runs as: ourselves, or nobody when we are root, which it refuses."""
    if not is_root():
        return OURSELVES
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError:
        return User(_NOBODY, _NOBODY)
    return User(entry.pw_uid, entry.pw_gid)


def may_enter(path: Path) -> bool:
    """Tell whether the unprivileged user may pass through a folder and all folders above it."""
    user = unprivileged()
    if user == OURSELVES:
        return True
    path = path.resolve()
    return all(_lets_in(folder.stat(), user) for folder in (path, *path.parents))


def _lets_in(folder: os.stat_result, user: User) -> bool:
    if folder.st_uid == user.uid:
        return bool(folder.st_mode & stat.S_IXUSR)
    if folder.st_gid == user.gid:
        return bool(folder.st_mode & stat.S_IXGRP)
    return bool(folder.st_mode & stat.S_IXOTH)
