"""The state of the workspace, its clock and its faults; imports no other room of the sandbox."""
