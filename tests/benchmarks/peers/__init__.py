"""The same traces in other recorders: `scripts/bench phoenix mlflow langfuse-sdk logfire-sdk`.

A peer is installed on demand in an environment of its own and driven in a process of its own, by
a script of `drivers/` that answers the same questions as the one that drives ours. All of it
stays on this machine: servers listen on 127.0.0.1, telemetry is off, whatever would be sent
elsewhere goes to a receiver on loopback.
"""
