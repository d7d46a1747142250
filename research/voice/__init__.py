"""The recipe of the bundled voice model.

    python -m research.voice train voice.csv --out runs/voice        the weights that ship
    python -m research.voice folds voice.csv --out runs/folds        logits of left-out repositories
    python -m research.voice calibrate voice.csv --out runs/folds    thresholds for the manifest

`voice.csv` lists labelled speech (columns file, label, method, group, source, person, language). An
original and the fakes of it, or of its sentence, bear the same word in `group`.
"""
