#!/bin/sh
# All clip models again on a trained frame model: maps, pretraining, heads, and the comparison.
#
#   research/temporal.sh labels.csv faces weights/pairs.safetensors runs/temporal [recipe ...]
#
# labels.csv and faces (cut faces, `unmask train --cache`) as in docs/training.md. A run that was
# stopped goes on where it was. The recipes' [crop] size must be that of the frame model.
# To see it go through in some minutes: CLIPS=32 POOL=12 (clips seen and rows of maps, instead of the
# recipes').
set -eu
labels=$1 faces=$2 trunk=$3 out=$4
shift 4
[ $# -gt 0 ] || set -- motion lrcn two-lrcn convlstm vit-lstm gru
export OMP_NUM_THREADS=1
mkdir -p "$out/recipes"
first=$1
for recipe in "$@"; do
    plan=$out/recipes/$recipe.toml
    ours=research/recipes/$recipe.toml
    [ -f "$ours" ] || ours=detector/training/recipes/$recipe.toml
    sed ${CLIPS:+-e "s/^images = .*/images = $CLIPS/"} ${POOL:+-e "s/^pool = .*/pool = $POOL/"} \
        -e "" "$ours" > "$plan"
    # The recipes draw the same pairs: the maps of the first serve all.
    if [ "$recipe" != "$first" ]; then
        mkdir -p "$out/$recipe"
        ln -f "$out/$first/maps.npy" "$out/$first/maps.done" "$out/$recipe/"
    fi
    python -m research train "$plan" --data "$labels" --cache "$faces" --begin "$trunk" \
        --out "$out/$recipe" --device cpu --resume
    shift
    set -- "$@" "$plan"
done
side=$(sed -n "s/^size = //p" "$1")
python -m research.sources "$labels" "$@" --people pairs --cache "$faces" --begin "$trunk" \
    --frame "$trunk:$side" --out "$out/sources"
