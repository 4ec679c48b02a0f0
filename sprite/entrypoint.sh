#!/bin/sh
# A fresh Fly volume belongs to root, and the Sprite must not run as root: give it its directory, and the one around it,
# where it keeps the count of its awake periods; then step down.
set -eu
if [ "$(id -u)" = 0 ]; then
  install -d -o node -g node "${SPRITE_DATA%/*}" "$SPRITE_DATA"
  exec setpriv --reuid=node --regid=node --init-groups -- "$@"
fi
exec "$@"
