"""The pages, drawn with Streamlit. The only room that knows Streamlit; it runs no network."""
