#!/usr/bin/env bash
# What runs on the lent machine. Everything it needs again is kept in /tmp/keep, which lives as long as the machine does.
#   remote.sh keep                    takes what was carried: .gpu/encoder, .gpu/pack, .gpu/whl, .gpu/pieces
#   remote.sh look                    the machine: card, rates of a copy and of a bf16 product, packages
#   remote.sh rasterise [SIDE ...]    banks of pixels of the pack
#   remote.sh trial SECONDS MINUTES   x0, v and eps, so many seconds of training each; MINUTES: of the whole base training
#   remote.sh train STAGE SECONDS ARGUMENTS...   train.py for this many seconds of this call
#   remote.sh place                   the app's programs and model where they belong in this tree, from .gpu/bin and .gpu/model-*
#   remote.sh bring STAGE ...         pieces of the averages, logs and sheets into $OUT
set -euo pipefail
here="$(cd "$(dirname "$0")/.." && pwd)"
root="$(cd "$here/../.." && pwd)"
keep="${IMAGEN_KEEP:-/tmp/keep}"
python="${IMAGEN_PYTHON:-python3}"
out="${OUT:-$keep/out}"
mkdir -p "$keep/data" "$keep/runs" "$out"
export PYTHONUNBUFFERED=1 PYTHONPATH="$keep/site" TORCHINDUCTOR_CACHE_DIR="$keep/inductor" TOKENIZERS_PARALLELISM=false
# What is trained on: a file of worlds/, or "all" of the pack.
[ "${WORLD:=lease}" = all ] && world=() || world=(--world "$here/worlds/$WORLD.json")
common=(--data "$keep/data" --runs "$keep/runs" "${world[@]}")
[ -d "$keep/encoder" ] && encoder=(--encoder "$keep/encoder") || encoder=()

take() {
    local cargo="$root/.gpu"
    if [ -d "$cargo/encoder" ]; then rm -rf "$keep/encoder" && cp -r "$cargo/encoder" "$keep/"; fi
    if [ -f "$cargo/pack/pack.tar" ]; then rm -rf "$keep/data/pack" && tar -xf "$cargo/pack/pack.tar" -C "$keep/data"; fi
    if [ -d "$cargo/whl" ]; then
        "$python" -m pip install -q --no-index --no-deps --no-compile --no-cache-dir --upgrade --target "$keep/site" "$cargo"/whl/*.whl
    fi
    if [ -f "$cargo/pieces/pieces.json" ]; then "$python" "$here/checkpoints.py" merge "$cargo/pieces" --runs "$keep/runs"; fi
    du -sh "$keep"/* || true
}

bring() {
    local stages="$*"
    "$python" "$here/checkpoints.py" split --runs "$keep/runs" --stages "${stages// /,}" --out "$out"
    "$python" "$here/train.py" plot --runs "$keep/runs" || true
    (cd "$keep/runs" && find . \( -name 'log.jsonl' -o -name '*.png' -o -name '*.md' -o -name '*.json' \) -print0 | tar -czf "$out/logs.tar.gz" --null -T -)
    ls -l "$out"
}

place() {
    mkdir -p "$keep/bin" "$keep/model"
    local file
    for file in "$root"/.gpu/bin/*.xz; do
        [ -f "$file" ] || continue
        "$python" -c 'import lzma, sys; open(sys.argv[2], "wb").write(lzma.open(sys.argv[1]).read())' "$file" "$keep/bin/$(basename "$file" .xz)"
    done
    chmod +x "$keep"/bin/* || true
    for file in "$root"/.gpu/model-*; do
        [ -d "$file" ] && cp -r "$file"/. "$keep/model/"
    done
    cp -rn "$keep/model/." "$root/assets/models/default/" || true
    # paths of the build are in the programs: tests look for the repository there
    local built="${IMAGEN_BUILT_AT:-/work/main}"
    [ -e "$built" ] || { mkdir -p "$(dirname "$built")" && ln -s "$root" "$built"; }
    ls -l "$keep/bin" "$root/assets/models/default"
}

case "${1:-}" in
keep) take ;;
place) place ;;
look) "$python" "$here/gpu/look.py" ;;
rasterise)
    shift
    "$python" "$here/sprites.py" rasterise --data "$keep/data" "${world[@]}" --jobs "${JOBS:-$(nproc)}" ${1:+--sides "$@"}
    ;;
trial)
    minutes="$("$python" -c "print($2 / 60)")"
    "$python" "$here/train.py" trial "${common[@]}" "${encoder[@]}" --stop-minutes "$minutes" --minutes "$3" --grid-minutes 0 "${@:4}"
    ;;
train) "$python" "$here/train.py" "$2" "${common[@]}" "${encoder[@]}" --call-seconds "$3" "${@:4}" ;;
bring)
    shift
    bring "$@"
    ;;
*)
    sed -n '2,9p' "$0" >&2
    exit 2
    ;;
esac
