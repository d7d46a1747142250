"""One file a signal and nothing else; `detector.signals.registry` finds them by themselves."""
