#!/bin/sh
# Prints a token for a terminal: sh token.sh ID [DAYS]. It is signed with the file "secret" of this
# folder, and good for so many days, else for 400. It needs openssl, as Debian, Alpine and macOS have it.
set -eu
export LC_ALL=C

fail() { echo "token.sh: $1" >&2; exit 1; }
id=${1-} days=${2-400}
case $id in '' | *[!A-Za-z0-9._@-]*) fail 'say which terminal, such as: sh token.sh k7p2x9' ;; esac
case $days in '' | 0* | *[!0-9]* | ??????*) fail "$days is not a number of days" ;; esac
[ -r secret ] || fail "there is no file secret in $PWD that can be read: go where it is, or make it first"
secret=$(cat secret)
[ ${#secret} -ge 32 ] || fail "the secret in $PWD is shorter than 32 characters: make it anew"
command -v openssl >/dev/null || fail 'openssl is missing: install it'

sha256() { openssl dgst -sha256 -binary; }
base64url() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }

# HMAC-SHA-256 by its definition (RFC 2104): openssl takes a key on its command line alone, where ps
# shows it to everyone. printf is a part of the shell.
key() { if [ ${#secret} -gt 64 ]; then printf %s "$secret" | sha256; else printf %s "$secret"; fi; }
block=$({ key; head -c 64 /dev/zero; } | head -c 64 | od -An -v -tu1)
pad() { for byte in $block; do printf "\\$(printf %03o $((byte ^ $1)))"; done; }
hmac() { { pad 54; cat; } | sha256 | { pad 92; cat; } | sha256; }

now=$(date +%s)
header=$(printf '{"alg":"HS256","typ":"JWT"}' | base64url)
claims=$(printf '{"sub":"%s","iat":%d,"exp":%d}' "$id" "$now" $((now + days * 86400)) | base64url)
signature=$(printf %s "$header.$claims" | hmac | base64url)
[ ${#signature} -eq 43 ] || fail 'openssl could not sign'
echo "$header.$claims.$signature"
