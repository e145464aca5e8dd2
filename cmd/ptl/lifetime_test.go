package main

import (
	"testing"
	"time"
)

func TestLifetime(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90d": 90 * day, "1d12h": 36 * time.Hour, "12h": 12 * time.Hour, "90m": 90 * time.Minute, "3600": time.Hour, "1d3600": 25 * time.Hour, "36500d": maxLifetime,
		"": 0, "0": 0, "0d": 0, "d": 0, "-1d": 0, "-5": 0, "1d-5h": 0, "1.5d": 0, "90 d": 0, "36501d": 0, "99999999999999999999d": 0, "9000000h": 0, "1x": 0, "500ms": 0, "2d2d": 0,
	} {
		got, ok := lifetimeOf(text)
		if ok != (want > 0) || ok && got != want {
			t.Errorf("%q is %s (%t), want %s", text, got, ok, want)
		}
	}
}
