"""Explains why this process may not use a file, and what to do about it."""

import os
import pwd
from pathlib import Path


def permission_advice(*paths: Path) -> str:
    """Return advice about the first of these files, or their folder, that this user may not use.

    Returns "" if all may be used. The usual cause is a file that root created, with a command
    before the first start or with a restore. The advice has the user's number because the dynamic
    user of a systemd unit has a name only while it runs.
    """
    for path in (paths[0].parent, *paths):
        try:
            found = path.stat()
        except OSError:
            continue
        folder = path.is_dir()
        if os.access(path, os.R_OK | os.W_OK | (os.X_OK if folder else 0)):
            continue
        user = os.geteuid()
        if found.st_uid == user:
            return f"{path} does not let its owner read and write: chmod u+rw{'x' * folder} {path}"
        return (
            f"{path} belongs to {_name(found.st_uid)}, and this program runs as {_name(user)}: "
            f"chown {user} {path}"
        )
    return ""


def _name(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"
