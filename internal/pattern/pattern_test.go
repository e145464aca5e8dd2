package pattern

import (
	"strconv"
	"sync"
	"testing"
)

// TestCompile: one text is one expression, many texts do not fill the memory, and many ask at once.
func TestCompile(t *testing.T) {
	if first := Compile("^/a"); first != Compile("^/a") || first == Compile("^/b") || !first.MatchString("/a/b") || first.MatchString("/b") {
		t.Error("one text is two expressions, or two are one")
	}
	var all sync.WaitGroup
	for worker := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for i := range maxKnown {
				text := "^/" + strconv.Itoa(worker*maxKnown/2+i) + "$"
				if got := Compile(text).String(); got != text {
					t.Errorf("got %s for %s", got, text)
				}
			}
		}()
	}
	all.Wait()
	if n := len(known); n == 0 || n > maxKnown {
		t.Errorf("%d expressions are kept", n)
	}
	defer func() {
		if recover() == nil {
			t.Error("what is no expression was compiled")
		}
		Compile("^/a") // nothing is locked
	}()
	Compile("(")
}
