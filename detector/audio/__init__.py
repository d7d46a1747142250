"""The analyzed sound: the sound of a recording or a video, where speech is in it, and how good that
is for judging a voice. Knows nothing of models of voices, verdicts or pages.
"""
