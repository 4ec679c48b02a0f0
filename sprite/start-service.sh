#!/bin/sh
# How a Fly Sprite's service manager starts the server of a release (sprite/release.ts). The keys are in a file and not in
# the service's definition, because the platform shows that to whoever asks.
set -eu
cd "$(dirname "$0")"
PASS_KEYS=$(cat ../../pass-keys)
export PASS_KEYS
# The Node of the Sprite's image; the install has checked its version.
node=/.sprite/bin/node
[ -x "$node" ] || node=node
exec "$node" main.js
