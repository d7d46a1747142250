"""The Live page: a camera in, a steady reading out.

`ice` and `link` bring the picture here, `viewers` hands it to the engine (detector.live), `visit`
knows what a person's visit is in the middle of, and the rest draws what is known.
"""
