"""Refuse network file systems, on which SQLite's write-ahead log does not work.

Processes share the index of the log through memory, which only processes of one machine can
(https://sqlite.org/wal.html).
"""

from pathlib import Path

from storage.errors import NetworkFileSystem

NETWORK_FILE_SYSTEMS = frozenset(
    ("9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3")
)


def refuse_network_file_system(path: Path, *, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Raise `NetworkFileSystem` if `path` is on one, by the Linux mount table `mounts`."""
    if not mounts.exists():
        return
    folder = path.parent.resolve()
    table = [line.split(" ") for line in mounts.read_text(errors="replace").splitlines()]
    parents = {str(folder), *map(str, folder.parents)}
    holding = [(row[1], row[2]) for row in table if row[1].replace("\\040", " ") in parents]
    mount_point, kind = max(holding, key=lambda row: len(row[0]), default=("", ""))
    if kind in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystem(
            f"{path} is on a network file system ({kind} at {mount_point}), where SQLite can lose "
            "data: set TRACEBOT_DATABASE_URL to a file on a local disk."
        )
