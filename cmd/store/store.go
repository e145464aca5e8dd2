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
	Of      string  // what the key is a part of: changes of one thing in a row are always made at once
}

// Store is an open one.
type Store interface {
	// List returns the keys with a prefix, and their values, as Traefik sees them.
	List(ctx context.Context, prefix string) (map[string]string, error)
	// Commit makes all the changes at once, or, where one of the keys is not as it was, none, and returns false then.
	// After an error it may have made all or none, and of more things than the engine takes at once, some.
	Commit(ctx context.Context, changes []Change) (bool, error)
	Close() error
}

// Sweeper is a store where Commit empties keys instead of deleting them, because one that goes while Traefik reads there
// would have it take the whole configuration for gone.
type Sweeper interface {
	// Sweep deletes folders in which nothing has a value, where Traefik has had the time to read what was changed last.
	Sweep(ctx context.Context, folders []string)
}

// Open makes a client, and asks nothing yet.
func Open(a *Address) (Store, error) {
	switch a.Engine {
	case "redis":
		return openRedis(a), nil
	case "consul":
		return openConsul(a), nil
	case "zookeeper":
		return openZooKeeper(a)
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
