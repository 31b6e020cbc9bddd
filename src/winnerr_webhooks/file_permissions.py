"""Files that the system does not let this process use: whose they are, and what to do."""

import os
import pwd
from pathlib import Path


def permission_advice(*paths: Path) -> str:
    """A sentence on the first folder or file of these that this user may not use; "": all may be.

    Files made by root (by a command before the first start, or by a restore) are the usual case.
    The command has the user's number: that of a systemd unit has a name only while it runs.
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
