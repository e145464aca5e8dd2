package review

import (
	"fmt"
	"testing"
)

// TestStoredOptions: keys of a store are options as Traefik reads them, whatever their case and order, and digits are indices.
func TestStoredOptions(t *testing.T) {
	for _, test := range []struct {
		name  string
		pairs map[string]string
		want  string
	}{
		{"groups and texts", map[string]string{"secretFile": "/x", "token/cookie": "c", "Token/basic": "true"}, "map[Token:map[basic:true cookie:c] secretFile:/x]"},
		{"a map of devices", map[string]string{"terminals/paired/k7/name": "a, b", "terminals/paired/k7/user": "ann"}, "map[terminals:map[paired:map[k7:map[name:a, b user:ann]]]]"},
		{"a list of groups", map[string]string{"paths/0/prefix": "/a", "paths/1/prefix": "/b"}, "map[paths:[map[prefix:/a] map[prefix:/b]]]"},
		{"a list of texts", map[string]string{"issuer/0": "a", "issuer/1": "b"}, "map[issuer:a,b]"},
	} {
		t.Run(test.name, func(t *testing.T) {
			options, err := Stored(test.pairs)
			if got := fmt.Sprint(options); err != nil || got != test.want {
				t.Errorf("the options are %s, %v, want %s", got, err, test.want)
			}
		})
	}
	if options, err := Stored(map[string]string{"terminals/paired/k7/name": ",x"}); err == nil {
		t.Errorf("a text that begins with a comma is %v, and Traefik reads nothing then", options)
	}
}
