// Package radicale starts a calendar server of Debian's, as a real app behind the middleware.
package radicale

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/getportal/ptlauth/e2e/program"
	"github.com/getportal/ptlauth/e2e/source"
)

const configuration = `
[server]
hosts = %s
[auth]
%s
[rights]
type = owner_only
[storage]
filesystem_folder = %s
[logging]
level = warning
`

// ByHeader is its setting for auth where it believes X-Remote-User.
const ByHeader = "type = http_x_remote_user"

// Start starts one, and returns its address and the folder with one folder for each user.
func Start(t *testing.T, auth string) (addr, folder string) {
	t.Helper()
	server, addr, dir := program.Need(t, "radicale", "radicale"), program.UnusedAddr(t), t.TempDir()
	program.Spawn(t, addr, server, "--config", source.Named(t, "config", fmt.Sprintf(configuration, addr, auth, dir)))
	return addr, filepath.Join(dir, "collection-root")
}
