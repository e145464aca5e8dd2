#!/bin/sh
# The same middleware for Traefik's Redis provider, with the devices in it instead of in a file: routers
# name it auth@redis. One command, so that Traefik never sees half of it.
set -eu

auth=traefik/http/middlewares/auth/plugin/ptlauth
redis-cli MSET \
  $auth/terminals/paired/k7p2x9/name 'Your laptop' \
  $auth/terminals/paired/k7p2x9/user you@example.com \
  $auth/headers/X-Request-Base https://chat.example.com \
  $auth/paths/0/prefix /assets/ \
  $auth/paths/0/access public \
  $auth/secretFile /run/secrets/ptlauth
