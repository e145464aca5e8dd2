# Traefik with ptlauth in it: nothing is downloaded when it starts. docs/install.md says how it is built and used.
ARG TRAEFIK=v3.7

# The plugin alone, for an init container (--target=plugin).
FROM busybox:1 AS plugin
# Readable by all, however it was cloned: Traefik need not run as root.
COPY --chmod=755 .traefik.yml LICENSE go.mod *.go /plugins-local/src/github.com/getportal/ptlauth/
COPY --chmod=755 internal /plugins-local/src/github.com/getportal/ptlauth/internal
COPY --chmod=755 vendor /plugins-local/src/github.com/getportal/ptlauth/vendor

FROM traefik:${TRAEFIK}
COPY --from=plugin /plugins-local /plugins-local
