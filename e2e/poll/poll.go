// Package poll waits for what comes about by itself.
package poll

import (
	"testing"
	"time"
)

// Until fails the test with the last complaint unless there is none in time.
func Until(t *testing.T, within time.Duration, complaint func() string) {
	t.Helper()
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		text := complaint()
		if text == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(text)
		}
	}
}
