#!/bin/sh
# The same middleware for Traefik's Redis provider: routers name it auth@redis.
set -eu

put() { redis-cli SET "traefik/http/middlewares/auth/plugin/ptlauth/$1" "$2"; }

put secretFile /run/secrets/ptlauth
put terminals/paired/0/id k7p2x9
put terminals/paired/0/name 'Your laptop'
put terminals/paired/0/user you@example.com
put headers/X-Request-Base https://chat.example.com
