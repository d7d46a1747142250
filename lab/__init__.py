"""Build labelled data, train, benchmark and calibrate detectors, and measure speed: the package
`unmask-lab`. It imports `detector`, `service` and `cli`, which never import it: its commands are
entry points of `unmask.commands`."""
