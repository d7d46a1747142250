"""The application without a user interface: callers, records, tasks. Imports no Streamlit."""
