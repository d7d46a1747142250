r"""A trunk that is taught to see where a picture was edited, by edits of originals alone.

    python -m research.traces LABELS.csv --cache FACES --begin lite0.safetensors \
        --leave-out FOLD,FOLD --out traces.safetensors

Each step draws originals of every source, wears them as cameras and pages do, edits a region of
each, and encodes both alike (`pictures.py`, `edits.py`). The network (`network.py`) says where the
edit is, which of the two was edited and how both were worn. What comes out is the trunk, which
`unmask train texture --begin` describes faces with; no fake of anybody's is looked at.

It knows the originals that it saw, as every network does: those of the folds that are left out
(`--leave-out`) it has not seen, and a layer over it is judged by them alone.
"""
