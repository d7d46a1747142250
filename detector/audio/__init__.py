"""What is heard: the sound of a recording or a video, where somebody speaks in it, and how good
that is for judging a voice. Knows nothing of models of voices, verdicts or pages.
"""
