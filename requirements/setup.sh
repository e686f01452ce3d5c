#!/usr/bin/env bash
# What `make setup` runs: system packages, then .venv, then the speech service's own environment
# (chatterbox_service/.venv). Running it again is always safe: it does nothing when nothing is to do,
# and makes anew what an interrupted run left half-made. `setup.sh test` also wants what only the tests
# need.
set -euo pipefail

# A strict umask of root's must not make .venv or a package's files unreadable to everybody else.
umask 022
cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
root=$PWD

# The virtual environment is the whole world here: a package found elsewhere would count as installed.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT
export PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_INPUT=1

# Each environment: its folder, the lock it is made from, and the project that is installed into it.
folders=(. chatterbox_service)
locks=(requirements/dev.txt chatterbox_service/requirements/dev.txt)
names=(dubfleet "the speech service")
lists=(requirements/system.txt)
# Where there is no apt; of names joined by a bar one is enough.
programs=(ffmpeg ffprobe espeak-ng apertium "redis-server|valkey-server|redis-check-rdb")
venvs=(2 2) # what look_at_venvs last said

listed() { printf '%s, ' "$@" | sed 's/, $//'; }
say() { printf 'setup: %s\n' "$*"; }
die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

one_is_there() {
    local name
    for name in "$@"; do
        if command -v -- "$name" >/dev/null; then return 0; fi
    done
    return 1
}

# Ubuntu's Chromium is a snap, and its package of that name a stand-in that not every machine can
# install: whoever has none there does without the tests that need it.
on_ubuntu() { grep -qsx 'ID=ubuntu' /etc/os-release; }

with_release=''
browsers=(chromium chromium-browser google-chrome)
case ${1-} in
'') ;;
test)
    with_release=1
    lists+=(requirements/system-test.txt)
    programs+=("/usr/sbin/sshd|sshd" ssh-keygen)
    if ! on_ubuntu; then
        lists+=(requirements/system-browser.txt)
        programs+=("$(IFS='|' && printf '%s' "${browsers[*]}")" chromedriver)
    elif ! one_is_there "${browsers[@]}"; then
        say "there is no Chromium: \`snap install chromium\` brings it for the test in a browser"
    fi
    ;;
*) die "The only thing that can be added is: test." ;;
esac

# ---------------------------------------------------------------------------------------- Python

usable_python() {
    "$1" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' \
        >/dev/null 2>&1
}

find_python() {
    local name
    for name in python3.11 python3.12 python3.13 python3; do
        if usable_python "$name"; then
            command -v -- "$name"
            return 0
        fi
    done
    return 1
}

# ----------------------------------------------------------------------------------- the two keys
# The first is what a .venv was made from, its place included, since its scripts hold absolute paths;
# the second is what our own editable install was made from. Each stands on a line of the stamp. The
# system's packages need no key: they are looked at every time. `$1` is an environment's number.

stamp_of() { printf '%s/.venv/.setup-done' "${folders[$1]}"; }

venv_key() {
    local version
    version=$("${folders[$1]}/.venv/bin/python" -c 'import sys; print(sys.version)' 2>/dev/null) || return 1
    { cat "${locks[$1]}" && printf '%s\n' "$root" "$version"; } | sha256sum
}

project_key() { sha256sum <"${folders[$1]}/pyproject.toml"; }

# 0: nothing to do; 1: the editable install only; 2: all of it.
look_at_venv() {
    local made='' project='' now
    venvs[$1]=2
    [[ -r $(stamp_of "$1") ]] || return 0
    { read -r made && read -r project; } <"$(stamp_of "$1")" || return 0
    now=$(venv_key "$1") || return 0
    [[ $made == "$now" ]] || return 0
    venvs[$1]=1
    if [[ $project == "$(project_key "$1")" ]]; then venvs[$1]=0; fi
}

look_at_venvs() {
    local n
    for n in "${!folders[@]}"; do look_at_venv "$n"; done
}

venvs_ready() { [[ ${venvs[*]} == "0 0" ]]; }

# -------------------------------------------------------------------------------- system packages

on_debian() {
    [[ -e /etc/debian_version ]] && command -v dpkg-query >/dev/null && command -v apt-get >/dev/null
}

wanted_packages() {
    local package _ with_python=''
    if [[ ${venvs[*]} == *2* ]] && ! find_python >/dev/null; then with_python=1; fi
    while read -r package _; do
        case $package in
        '' | '#'*) ;;
        python3*) [[ -z $with_python ]] || printf '%s\n' "$package" ;;
        *) printf '%s\n' "$package" ;;
        esac
    done < <(cat -- "${lists[@]}")
}

missing_packages() {
    local -a wanted
    local -A there=()
    local package status
    mapfile -t wanted < <(wanted_packages)
    # dpkg-query fails when it does not know a name; what it does print stands all the same.
    while read -r status package; do
        if [[ $status == installed ]]; then there[$package]=1; fi
    done < <(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
    for package in "${wanted[@]}"; do
        [[ -n ${there[$package]-} ]] || printf '%s\n' "$package"
    done
}

missing_programs() {
    local -a names
    local alternatives
    for alternatives in "${programs[@]}"; do
        IFS='|' read -ra names <<<"$alternatives"
        one_is_there "${names[@]}" || printf '%s\n' "${alternatives//|/ or }"
    done
}

# Descriptor 9 is our lock: a daemon that a package starts must not inherit and keep it.
as_root() {
    if ((EUID == 0)); then
        "$@" 9<&-
    else
        sudo -- "$@" 9<&-
    fi
}

apt_quiet() {
    # A machine that has just started may be at its own updates: wait for them.
    as_root env DEBIAN_FRONTEND=noninteractive LC_ALL=C \
        apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 "$@"
}

# Asks apt what it would do and says no. It takes no lock, so that an ordinary user may ask too.
apt_plan() {
    LC_ALL=C apt-get install --no-install-recommends --assume-no -q \
        -o Debug::NoLocking=1 "$@" 2>&1 || true
}

# Debian starts a server that it installs. The tests run sshd themselves, on a port of their own; a
# machine that had none must not have one on port 22 because of them.
keep_sshd_off() {
    local unit
    [[ -d /etc/systemd ]] || return 0
    as_root mkdir -p /etc/systemd/system
    for unit in ssh.service ssh.socket; do
        [[ -e /etc/systemd/system/$unit ]] || as_root ln -s /dev/null "/etc/systemd/system/$unit"
    done
    say "ssh.service stays off: the tests need sshd only as a program (systemctl unmask ssh)"
}

install_packages() {
    local -a missing=("$@")
    local plan size='' log by_hand
    by_hand="apt-get update && apt-get install --no-install-recommends ${missing[*]}"

    if ((EUID != 0)) && ! command -v sudo >/dev/null; then
        die "These system packages are missing and there is no sudo here: have an administrator" \
            "run \`$by_hand\`, then run make setup again."
    fi

    log=$(mktemp)
    # shellcheck disable=SC2064  # the name as it is now
    trap "rm -f -- '$log'" EXIT
    plan=$(apt_plan "${missing[@]}")
    if grep -qE '^E: (Unable to locate|Package .* has no installation candidate)' <<<"$plan"; then
        say "refreshing apt's lists of packages"
        apt_quiet update >"$log" 2>&1 || {
            tail -n 20 -- "$log" >&2
            die "apt-get update failed; an administrator can try it by hand: \`$by_hand\`."
        }
        plan=$(apt_plan "${missing[@]}")
    fi
    # "Need to get 84.0 MB of archives" and "After this operation, 333 MB ...", or apt 3's own words.
    size=$(sed -nE \
        -e 's/^(Need to get|  Download size:) ([0-9.,]+ [kMG]?B).*/\2 to download/p' \
        -e 's/^(After this operation,|  Space needed:) ([0-9.,]+ [kMG]?B).*/\2 on disk/p' \
        <<<"$plan" | paste -sd, | sed 's/,/, /')
    if [[ " ${missing[*]} " == *" openssh-server "* ]]; then keep_sshd_off; fi
    say "installing system packages: ${missing[*]}${size:+ ($size, with what they depend on)}"

    if ! apt_quiet install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
        # Lists that have aged name files that the mirror no longer has.
        if grep -qE '404 +Not Found|Unable to fetch' "$log"; then
            say "some files are gone from the mirror; refreshing apt's lists and trying once more"
            apt_quiet update >"$log" 2>&1 || true
            apt_quiet install --no-install-recommends "${missing[@]}" >"$log" 2>&1 && return 0
        fi
        tail -n 20 -- "$log" >&2
        die "The system packages could not be installed; an administrator can do it by hand:" \
            "\`$by_hand\`."
    fi
}

system_ready() {
    if on_debian; then
        [[ -z $(missing_packages) ]]
    else
        [[ -z $(missing_programs) ]]
    fi
}

setup_system() {
    local -a missing
    if on_debian; then
        mapfile -t missing < <(missing_packages)
        if ((${#missing[@]})); then install_packages "${missing[@]}"; fi
    else
        mapfile -t missing < <(missing_programs)
        if ((${#missing[@]})); then
            die "This system has no apt. Install these programs and run make again:" \
                "$(listed "${missing[@]}"). With Apertium comes its English-Spanish pair; the sample" \
                "lesson also wants the files of Debian's pocketsphinx-testdata and fonts-dejavu-core."
        fi
    fi
}

# ------------------------------------------------------------------------- the virtual environment

writable_cache() {
    local dir=${PIP_CACHE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nowhere}/.cache}}
    while [[ ! -e $dir && $dir == */* && -n $dir ]]; do dir=${dir%/*}; done
    [[ -n $dir && -w $dir ]]
}

# An index that is a folder on this machine draws a warning for every package it does not hold.
pip() {
    "$@" 2> >(grep -vF 'is ignored: it is neither a file nor a directory' >&2)
}

setup_venv() {
    local folder=${folders[$1]} stamp python
    stamp=$(stamp_of "$1")
    if ((venvs[$1] == 0)); then return 0; fi
    if [[ ! -w $folder || (-e $folder/.venv && ! -w $folder/.venv) ]]; then
        die "$(id -un) may not write to $root/$folder/.venv; run make setup as the owner of this folder."
    fi
    # Without a place for its cache pip works as well, but grumbles.
    writable_cache || export PIP_NO_CACHE_DIR=1

    # The stamp goes first and comes back last: a .venv without one is half-made.
    rm -f -- "$stamp"
    if ((venvs[$1] == 2)); then
        python=$(find_python) || die "No Python from 3.11 to 3.13 that can make virtual environments" \
            "was found; install one (on Debian and Ubuntu with its -venv package) and run make setup again."
        say "making $folder/.venv with $("$python" --version) and the packages of ${locks[$1]}"
        rm -rf -- "$folder/.venv"
        "$python" -m venv "$folder/.venv"
        pip "$folder/.venv/bin/python" -m pip install --quiet --require-hashes -r "${locks[$1]}"
    fi
    say "installing ${names[$1]} itself, editable"
    pip "$folder/.venv/bin/python" -m pip install --quiet --no-deps --no-build-isolation --no-index \
        -e "./$folder"
    venv_key "$1" >"$stamp.new"
    project_key "$1" >>"$stamp.new"
    mv -- "$stamp.new" "$stamp"
}

# ------------------------------------------------------------------------------- Chatterbox' release
# The tests read its package; nobody installs it here.

wheels=var/wheels

release_ready() {
    [[ -z $with_release ]] || compgen -G "$wheels/chatterbox_tts-*.whl" >/dev/null
}

fetch_release() {
    if release_ready; then return 0; fi
    say "fetching the release of chatterbox-tts that the tests read (it is not installed)"
    mkdir -p "$wheels"
    # Its lines of the lock, for any Python: the version and the hashes.
    sed -nE '/^chatterbox-tts==/,/^[^ ]/{/^chatterbox-tts==|^ /p}' \
        chatterbox_service/requirements/chatterbox.txt | sed -E 's/ *;[^\\]*//' >"$wheels/release.txt"
    pip chatterbox_service/.venv/bin/python -m pip download --quiet --no-deps --require-hashes \
        --only-binary :all: -r "$wheels/release.txt" -d "$wheels"
}

# -------------------------------------------------------------------------------------------------

leave_if_ready() {
    look_at_venvs
    if venvs_ready && release_ready && system_ready; then
        say "nothing to do"
        exit 0
    fi
}

leave_if_ready

# One at a time. The lock is on this very file, so that it needs no file of its own; pip inherits it,
# and keeps it should we be killed before pip is.
if command -v flock >/dev/null; then
    exec 9<requirements/setup.sh
    if ! flock -n 9; then
        say "another make setup is at work here; waiting for it"
        flock 9
        leave_if_ready
    fi
fi

SECONDS=0
setup_system
for n in "${!folders[@]}"; do setup_venv "$n"; done
fetch_release
say "done in $SECONDS s"
