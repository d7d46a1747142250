"""The bundled voice model: what it learns from, how it was chosen, and how it was measured.

    python -m research.voice train voice.csv --out runs/voice      the recipe that ships
    python -m research.voice folds voice.csv --out runs/folds      whole repositories left out
    python -m research.voice report voice.csv runs/folds           the figures of the card

`voice.csv` lists labelled speech (columns file, label, method, group, source, person, language). An
original and the fakes of it, or of its sentence, bear the same word in `group`.
"""
