"""Which file system a path is on: SQLite's write-ahead log needs one of this machine's own."""

from pathlib import Path

from storage.errors import NetworkFileSystem

NETWORK_FILE_SYSTEMS = frozenset(
    ("9p", "afs", "ceph", "cifs", "fuse.sshfs", "glusterfs", "lustre", "nfs", "nfs4", "smb3")
)


def refuse_network_file_system(path: Path, *, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Raise `NetworkFileSystem` where `mounts`, a Linux mount table, says that `path` is on one."""
    if not mounts.exists():
        return
    folder = path.parent.resolve()
    table = [line.split(" ") for line in mounts.read_text(errors="replace").splitlines()]
    parents = {str(folder), *map(str, folder.parents)}
    holding = [(row[1], row[2]) for row in table if row[1].replace("\\040", " ") in parents]
    if not holding:
        return
    mount_point, kind = max(holding, key=lambda row: len(row[0]))
    if kind in NETWORK_FILE_SYSTEMS:
        raise NetworkFileSystem(
            f"{path} is on a network file system ({kind} at {mount_point}), where SQLite loses "
            "data: name a local file with TRACEBOT_DATABASE_URL."
        )
