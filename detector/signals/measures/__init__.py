"""One file a signal and nothing else; `detector.signals.measure` finds them by themselves."""
