"""The dashboard, drawn with Streamlit. No other package imports Streamlit; no network runs here."""
