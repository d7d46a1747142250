"""The Live page: a camera in, a steady reading out."""

CHOICES = (
    "live-device", "live-models", "live-keep", "live-mirror", "live-source", "live-microphone",
    "live-above", "live-seconds",
)  # fmt: skip
"""Keys of the widgets whose values stay while another page is open."""
