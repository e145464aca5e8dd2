package command

import (
	"os"
	"syscall"
)

// obeys is ENABLE_VIRTUAL_TERMINAL_PROCESSING.
const obeys = 0x4

// obey has a screen act on escape sequences, such as a QR code's colours, where it would show them.
func obey(screen *os.File) {
	var mode uint32
	if syscall.GetConsoleMode(syscall.Handle(screen.Fd()), &mode) == nil {
		_, _, _ = syscall.NewLazyDLL("kernel32.dll").NewProc("SetConsoleMode").Call(screen.Fd(), uintptr(mode|obeys))
	}
}
