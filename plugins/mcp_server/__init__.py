"""Tools of the Model Context Protocol for agents: the package `unmask-mcp-server`. It imports
`detector`, `service` and `cli`, which never import it: its command is an entry point of
`unmask.commands`."""
