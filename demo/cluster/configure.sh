#!/bin/sh
# Writes two apps and the middleware that guards them where the Traefiks read them: in one transaction, so that none ever sees
# half of it. Devices that are paired stay. Arguments: those of redis-cli, which say where Redis is.
set -eu

http=traefik/http
auth=$http/middlewares/auth/plugin/ptlauth
redis-cli "$@" MSET \
  $auth/secretFile "$SECRET_FILE" \
  $auth/pairing/enabled true \
  $http/services/one/loadBalancer/servers/0/url "$APP_ONE" \
  $http/services/two/loadBalancer/servers/0/url "$APP_TWO" \
  $http/routers/one/rule 'PathPrefix(`/`)' \
  $http/routers/one/service one \
  $http/routers/two/rule 'PathPrefix(`/two/`)' \
  $http/routers/two/service two
