package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"
)

type redisStore struct {
	address *Address
	client  *redis.Client
}

type silence struct{}

func (silence) Printf(context.Context, string, ...any) {}

// silenced keeps what the client would log off the screen: its errors are told.
var silenced = sync.OnceFunc(func() { redis.SetLogger(silence{}) })

func openRedis(a *Address) Store {
	silenced()
	return &redisStore{a, redis.NewClient(&redis.Options{
		Addr: a.Hosts[0], Username: a.User, Password: a.Password, DB: a.Database, TLSConfig: a.TLS,
		DialTimeout: timeout, ReadTimeout: timeout, WriteTimeout: timeout, ContextTimeoutEnabled: true,
		MaxRetries: -1, // what was written and not answered is not written again
	})}
}

func (s *redisStore) Close() error { return s.client.Close() }

// escaped is a text in which SCAN takes nothing for a pattern.
var escaped = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`)

// List leaves out what is empty: Traefik's client for Redis passes it over.
func (s *redisStore) List(ctx context.Context, prefix string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*timeout)
	defer cancel()
	pairs := map[string]string{}
	cursor := uint64(0)
	for {
		keys, next, err := s.client.Scan(ctx, cursor, escaped.Replace(prefix)+"*", 1000).Result()
		if err != nil {
			return nil, failed(s.address, "read", err)
		}
		if err := s.get(ctx, s.client, keys, func(key string, value *string) {
			if value != nil && *value != "" {
				pairs[key] = *value
			}
		}); err != nil {
			return nil, failed(s.address, "read", err)
		}
		if cursor = next; cursor == 0 {
			return pairs, nil
		}
	}
}

func (s *redisStore) get(ctx context.Context, from redis.Cmdable, keys []string, each func(key string, value *string)) error {
	if len(keys) == 0 {
		return nil
	}
	values, err := from.MGet(ctx, keys...).Result()
	if err != nil {
		return err
	}
	for i, value := range values {
		if text, isText := value.(string); isText {
			each(keys[i], &text)
		} else {
			each(keys[i], nil)
		}
	}
	return nil
}

var errChanged = errors.New("a key is not as it was")

func (s *redisStore) Commit(ctx context.Context, changes []Change) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	keys, was := make([]string, len(changes)), map[string]*string{}
	for i, c := range changes {
		keys[i], was[c.Key] = c.Key, c.Was
	}
	// Redis drops the transaction where another has written a key after it is watched.
	err := s.client.Watch(ctx, func(tx *redis.Tx) error {
		isSame := true
		if err := s.get(ctx, tx, keys, func(key string, value *string) { isSame = isSame && same(value, was[key]) }); err != nil {
			return err
		}
		if !isSame {
			return errChanged
		}
		_, err := tx.TxPipelined(ctx, func(p redis.Pipeliner) error {
			for _, c := range changes {
				switch {
				case same(c.Was, c.Is):
				case c.Is == nil:
					p.Del(ctx, c.Key)
				default:
					p.Set(ctx, c.Key, *c.Is, redis.KeepTTL)
				}
			}
			return nil
		})
		return err
	}, keys...)
	if errors.Is(err, errChanged) || errors.Is(err, redis.TxFailedErr) {
		return false, nil
	}
	if err == nil {
		s.announce(ctx, changes[0].Key)
	}
	return err == nil, failed(s.address, "written", err)
}

// announce tells every Traefik of a change, as Redis does by itself as long as notify-keyspace-events is on. Traefik switches
// that on when it starts, and no more: after a restart of Redis, or where Redis was started later, no Traefik would hear that a
// device was taken out. Who may not publish has done what can be done.
func (s *redisStore) announce(ctx context.Context, key string) {
	s.client.Publish(ctx, fmt.Sprintf("__keyspace@%d__:%s", s.address.Database, key), "set")
}

// same compares values; an empty one is none for Traefik, and for us.
func same(a, b *string) bool {
	text := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	return text(a) == text(b)
}
