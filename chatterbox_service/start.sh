#!/usr/bin/env bash
# Starts the speech service in its own environment. Settings are TTS_... variables, from the
# environment or from the file that TTS_ENV_FILE names (README.md lists them).
set -euo pipefail

here=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)
python=${TTS_PYTHON:-$here/.venv/bin/python}

if [[ ! -x $python ]]; then
    printf 'start.sh: there is no %s: make the environment first (README.md says how).\n' "$python" >&2
    exit 2
fi
if [[ -n ${TTS_ENV_FILE-} ]]; then
    set -a
    # shellcheck source=/dev/null
    . "$TTS_ENV_FILE"
    set +a
fi

# Nothing is fetched at run time: weights are put in place beforehand.
export HF_HUB_OFFLINE=${HF_HUB_OFFLINE-1} TRANSFORMERS_OFFLINE=${TRANSFORMERS_OFFLINE-1}
exec "$python" -m chatterbox_service "$@"
