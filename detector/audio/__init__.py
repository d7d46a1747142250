"""Audio analysis: sound samples of a recording or video, speech detection and recording quality.

Independent of voice models, verdicts and user interfaces."""
