package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// timeout bounds what is asked of a store once.
const timeout = 5 * time.Second

// Change is what shall become of a key, if it is still as it was.
type Change struct {
	Key     string
	Was, Is *string // nil: there is none; both the same: it must be so, and stays
}

// Store is an open one.
type Store interface {
	// List returns the keys with a prefix, and their values, as Traefik sees them.
	List(ctx context.Context, prefix string) (map[string]string, error)
	// Commit makes all the changes at once, or, where one of the keys is not as it was, none, and returns false then.
	// After an error it may have made all or none.
	Commit(ctx context.Context, changes []Change) (bool, error)
	Close() error
}

// Open makes a client, and asks nothing yet.
func Open(a *Address) (Store, error) {
	if a.Engine == "redis" {
		return openRedis(a), nil
	}
	return openEtcd(a)
}

// failed says which store has failed, and with what.
func failed(a *Address, doing string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.New("it does not answer")
	}
	return fmt.Errorf("%s could not be %s: %w (registry in ptl.yml says where it is)", a, doing, err)
}
