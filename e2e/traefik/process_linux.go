package traefik

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel kill the command when this process is gone, however it went.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
