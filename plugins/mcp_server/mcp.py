"""`unmask mcp`: a Model Context Protocol server for agents."""

from pathlib import Path
from typing import Annotated

from cli.options import Address, opt


def mcp(
    folders: list[Path],
    http: Annotated[
        bool, opt("serve streamable HTTP, not standard input and output", "--http")
    ] = False,
    port: int = 8765,
    address: Address = None,
) -> int:
    """Let agents analyze and compare the files of these folders, and no others."""
    from detector import media
    from mcp_server.server import server_of  # imports torch, which --help does without

    media.isolate()  # files of strangers are read in confined processes
    server = server_of(folders)
    if http:
        server.run("streamable-http", host=address or "127.0.0.1", port=port)
    else:
        server.run()
    return 0
