"""The lab of Unmask, a package of its own (`unmask-lab`): building of labelled data, training, the
benchmark, calibration on labelled sets, and measurements of speed. It imports `detector`, `service`
and `cli`; none of these imports it: its commands are entry points of `unmask.lab`."""
