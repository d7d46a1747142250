"""The languages of the pages: one gettext file each, and what updates them."""
