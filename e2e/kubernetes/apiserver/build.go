//go:build tools

// Package apiserver names the command that this module is there to build, as e2e/traefik builds Traefik.
package apiserver

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
