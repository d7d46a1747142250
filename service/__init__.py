"""The application without a face: who asks, what is kept, what runs. No Streamlit in here."""
