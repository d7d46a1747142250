"""The Evaluate page: how good the models are on a person's own labelled files.

`sets` makes a labelled folder of what was uploaded, `runs` measures in the background, `figures`
draws, `page` puts it together. Every figure comes from `detector.training`.
"""
