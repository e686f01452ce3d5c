#!/usr/bin/env bash
# What `make test-cloud` runs first: makes var/testcloud-venv, an environment of its own for the cloud
# that those tests talk to. Running it again is always safe; a half-made one is made anew. It wants
# .venv, whose Python it takes.
set -euo pipefail
umask 022
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."

unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

venv=var/testcloud-venv
stamp=$venv/.setup-done

say() { printf 'testcloud: %s\n' "$*"; }

# What the environment was made from, its place included, since its scripts hold absolute paths.
key() { { cat requirements/testcloud.txt && .venv/bin/python -VV && pwd; } | sha256sum; }

ready() { [[ -x $venv/bin/python && -r $stamp && $(<"$stamp") == "$(key)" ]]; }

# An index that is a folder on this machine draws a warning for every package it does not hold.
pip() {
    "$venv/bin/python" -m pip "$@" \
        2> >(grep -vF 'is ignored: it is neither a file nor a directory' >&2)
}

if ready; then exit 0; fi

# One at a time. The lock is on this very file, so that it needs no file of its own.
if command -v flock >/dev/null; then
    exec 9<requirements/testcloud.sh
    flock 9
    if ready; then exit 0; fi
fi

SECONDS=0
say "making $venv with the packages of requirements/testcloud.txt (about 430 MB)"
mkdir -p var
rm -rf -- "$venv"
.venv/bin/python -m venv "$venv"
# The list is whole. pip would look for what it depends on all the same, and there trips over an extra
# (oslo.service[threading]) whose version is written down without it.
pip install --quiet --no-deps --require-hashes -r requirements/testcloud.txt
key >"$stamp.new"
mv -- "$stamp.new" "$stamp"
say "done in $SECONDS s"
