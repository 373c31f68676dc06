"""Phoenix's server without gRPC, which would listen on every address despite PHOENIX_HOST."""

from phoenix.server import grpc_server
from phoenix.server.main import main


async def _not_at_all(server: grpc_server.GrpcServer) -> None:
    return None


if __name__ == "__main__":
    grpc_server.GrpcServer.__aenter__ = _not_at_all
    main()
