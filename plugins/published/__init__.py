"""Published deepfake detectors that no bundled model uses: the package `unmask-published`.

A module is a family (`load(spec, files, device)`), `catalog/` names its weights, which a person
downloads. `detector` finds both by the entry point `unmask.detectors`, as those of any plugin."""
