"""The Admin page of the operator."""
