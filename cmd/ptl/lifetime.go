package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/traefik/paerser/types"
)

const (
	day         = 24 * time.Hour
	maxLifetime = 36500 * day
)

// lifetimeOf reads a duration as Traefik does (12h, 90m, plain seconds), with days in front: 90d, 1d12h.
func lifetimeOf(text string) (time.Duration, bool) {
	days, rest, hasDays := strings.Cut(text, "d")
	if !hasDays {
		days, rest = "0", text
	}
	number, err := strconv.Atoi(days)
	if err != nil || number < 0 || number > int(maxLifetime/day) || hasDays && days == "" {
		return 0, false
	}
	var more types.Duration
	if rest != "" {
		if err := more.Set(rest); err != nil {
			return 0, false
		}
	}
	lifetime := time.Duration(number)*day + time.Duration(more)
	return lifetime, more >= 0 && lifetime >= time.Second && lifetime <= maxLifetime
}
