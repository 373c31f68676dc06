"""Refuse file systems that are not of this machine: SQLite's write-ahead log does not work there.

Processes share the index of the log through memory, which only processes of one machine can
(https://sqlite.org/wal.html). What a virtual machine shares with its host damages databases without
any error: https://github.com/NousResearch/hermes-agent/issues/110847.
"""

from pathlib import Path

from storage.errors import NetworkFileSystem

NETWORK = "on a network file system"
SHARED = "in a folder that a virtual machine, such as Docker Desktop's, shares with its host"

ELSEWHERE = {
    **dict.fromkeys(("9p", "afs", "beegfs", "ceph", "cifs", "glusterfs", "lustre"), NETWORK),
    **dict.fromkeys(("nfs", "nfs4", "smb3", "fuse.ceph-fuse", "fuse.gcsfuse"), NETWORK),
    **dict.fromkeys(("fuse.glusterfs", "fuse.juicefs", "fuse.rclone", "fuse.s3fs"), NETWORK),
    **dict.fromkeys(("fuse.sshfs",), NETWORK),
    **dict.fromkeys(("fakeowner", "fuse.grpcfuse", "fuse.osxfs", "prl_fs", "vboxsf"), SHARED),
    **dict.fromkeys(("fuse.vmhgfs-fuse", "virtiofs", "fuse.virtiofs", "vmhgfs"), SHARED),
}
"""Types of file systems that another machine keeps, and where that is."""

OWN_ROOTS = frozenset(("9p", "virtiofs"))
"""Those by which gVisor and Kata give a container its root, which nobody else writes."""


def refuse_network_file_system(path: Path, *, mounts: Path = Path("/proc/self/mounts")) -> None:
    """Raise `NetworkFileSystem` if `path` is on one, by the Linux mount table `mounts`."""
    if not mounts.exists():
        return
    folder = path.parent.resolve()
    table = [line.split(" ") for line in mounts.read_text(errors="replace").splitlines()]
    parents = {str(folder), *map(str, folder.parents)}
    holding = [(row[1], row[2]) for row in table if row[1].replace("\\040", " ") in parents]
    mount_point, kind = max(holding, key=lambda row: len(row[0]), default=("", ""))
    if mount_point == "/" and kind in OWN_ROOTS:
        return
    if where := ELSEWHERE.get(kind):
        local = "a file on a local disk" if where == NETWORK else "a file in a named volume"
        raise NetworkFileSystem(
            f"{path} is {where} ({kind} at {mount_point}), where SQLite can lose data: set "
            f"TRACEBOT_DATABASE_URL to {local}."
        )
