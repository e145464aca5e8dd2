package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// session is how long ZooKeeper keeps a connection that says nothing.
const session = 10 * time.Second

// Rest is for how long nothing may have changed before what was emptied goes: longer than any Traefik reads, and than
// clocks are apart.
var Rest = 10 * time.Minute

// blank is what stands where nothing is: what is empty, Traefik's client asks for eleven times (kvtools/zookeeper's get).
const blank = " "

// zooKeeper is a tree, in which each node has a value and children. What of it is below Traefik's root key, Traefik's client
// reads node by node, but only when a child of the root itself comes or goes (kvtools/zookeeper's WatchTree). If a node goes
// while it reads, it finds nothing at all (its List, as ErrKeyNotFound), and Traefik throws all routers out. Hence Commit
// deletes nothing, and makes Traefik look by a child that is gone at once.
type zooKeeper struct {
	address *Address
	conn    *zk.Conn

	mutex sync.Mutex
	isIn  bool // as whom to ask has been said
}

// impatient gives a server up that takes a connection while it starts, and then says nothing: the client would wait for
// a minute.
type impatient struct{ net.Conn }

func (c impatient) SetReadDeadline(t time.Time) error {
	if latest := time.Now().Add(session); t.After(latest) {
		t = latest
	}
	return c.Conn.SetReadDeadline(t)
}

type quietly struct{}

func (quietly) Printf(string, ...any) {}

func openZooKeeper(a *Address) (Store, error) {
	dial := func(network, address string, timeout time.Duration) (net.Conn, error) {
		conn, err := net.DialTimeout(network, address, timeout)
		return impatient{conn}, err
	}
	conn, _, err := zk.Connect(a.Hosts, session, zk.WithLogger(quietly{}), zk.WithLogInfo(false), zk.WithDialer(dial))
	if err != nil {
		return nil, failed(a, "opened", err)
	}
	return &zooKeeper{address: a, conn: conn}, nil
}

func (s *zooKeeper) login() error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	if s.isIn || s.address.User == "" {
		return nil
	}
	err := s.conn.AddAuth("digest", []byte(s.address.User+":"+s.address.Password))
	s.isIn = err == nil
	return err
}

func (s *zooKeeper) Close() error {
	s.conn.Close()
	return nil
}

// within returns what a function does, or an error if that takes too long: the client knows no context.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(ctx, 6*timeout)
	defer cancel()
	type answer struct {
		value T
		err   error
	}
	done := make(chan answer, 1)
	go func() {
		value, err := do()
		done <- answer{value, err}
	}()
	select {
	case a := <-done:
		return a.value, a.err
	case <-ctx.Done():
		var none T
		return none, ctx.Err()
	}
}

// node is what stands at a key; one that is not there has no stat.
type node struct {
	key, value string
	stat       *zk.Stat
	children   []string
}

// look asks for several nodes at once.
func (s *zooKeeper) look(keys []string, withChildren bool) ([]node, error) {
	nodes, errs := make([]node, len(keys)), make([]error, len(keys))
	slots := make(chan struct{}, 64)
	var all sync.WaitGroup
	for i, key := range keys {
		slots <- struct{}{}
		all.Go(func() {
			defer func() { <-slots }()
			nodes[i], errs[i] = s.node(key, withChildren)
		})
	}
	all.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	return nodes, nil
}

func (s *zooKeeper) node(key string, withChildren bool) (node, error) {
	n := node{key: key}
	value, stat, err := s.conn.Get("/" + key)
	if err == nil && withChildren {
		n.children, _, err = s.conn.Children("/" + key)
	}
	switch {
	case errors.Is(err, zk.ErrNoNode):
		return n, nil
	case errors.Is(err, zk.ErrNoAuth):
		return n, errors.New("may not read " + key)
	case err != nil:
		return n, err
	}
	n.value, n.stat = string(value), stat
	return n, nil
}

// below are the nodes below a key, those that are higher first.
func (s *zooKeeper) below(key string) ([]node, error) {
	var all []node
	for level := []string{key}; len(level) > 0; {
		nodes, err := s.look(level, true)
		if err != nil {
			return nil, err
		}
		level = nil
		for _, n := range nodes {
			if n.stat == nil {
				continue
			}
			all = append(all, n)
			for _, child := range n.children {
				level = append(level, n.key+"/"+child)
			}
		}
	}
	return all, nil
}

// List leaves out folders, which have no value of their own.
func (s *zooKeeper) List(ctx context.Context, prefix string) (map[string]string, error) {
	pairs, err := within(ctx, func() (map[string]string, error) {
		if err := s.login(); err != nil {
			return nil, err
		}
		folder := prefix[:max(strings.LastIndex(prefix, "/"), 0)]
		// Another server may be behind.
		if _, err := s.conn.Sync("/" + folder); err != nil {
			return nil, err
		}
		nodes, err := s.below(folder)
		pairs := map[string]string{}
		for _, n := range nodes {
			if strings.HasPrefix(n.key, prefix) && (len(n.children) == 0 || strings.TrimSpace(n.value) != "") {
				pairs[n.key] = n.value
			}
		}
		return pairs, err
	})
	return pairs, failed(s.address, "read", err)
}

// Commit empties what shall not be any more.
func (s *zooKeeper) Commit(ctx context.Context, changes []Change) (bool, error) {
	isDone, err := within(ctx, func() (bool, error) {
		if err := s.login(); err != nil {
			return false, err
		}
		keys := []string{s.address.Root}
		for _, c := range changes {
			keys = append(keys, c.Key)
		}
		nodes, err := s.look(keys, false)
		if err != nil {
			return false, err
		}
		for i, c := range changes {
			if !isSame(nodes[i+1].value, c.Was) {
				return false, nil
			}
		}
		operations, err := s.operations(changes, nodes[1:])
		if err != nil {
			return false, err
		}
		return s.multi(append(operations, s.touch(nodes[0])...))
	})
	return isDone, failed(s.address, "written", err)
}

// isSame compares a node's value with one that was read; what is blank is none.
func isSame(value string, was *string) bool {
	return was == nil && strings.TrimSpace(value) == "" || was != nil && (value == *was || strings.TrimSpace(value+*was) == "")
}

// operations are what changes nodes that are still as they were looked at.
func (s *zooKeeper) operations(changes []Change, nodes []node) ([]any, error) {
	f := &folders{conn: s.conn, acls: map[string][]zk.ACL{}, missing: map[string]bool{}, there: map[string]bool{}, absents: map[string]bool{}}
	for i, c := range changes {
		if nodes[i].stat == nil && c.Is != nil && *c.Is != "" {
			if err := f.need(parent(c.Key)); err != nil {
				return nil, err
			}
		}
	}
	operations := f.operations
	for i, c := range changes {
		path, text := "/"+c.Key, blank
		if c.Is != nil && *c.Is != "" {
			text = *c.Is
		}
		switch stat := nodes[i].stat; {
		case stat != nil && isSame(text, c.Was):
			operations = append(operations, &zk.CheckVersionRequest{Path: path, Version: stat.Version})
		case stat != nil:
			operations = append(operations, &zk.SetDataRequest{Path: path, Data: []byte(text), Version: stat.Version})
		case text != blank:
			operations = append(operations, &zk.CreateRequest{Path: path, Data: []byte(text), Acl: f.acls[parent(c.Key)]})
		default:
			absent, err := f.absent(c.Key)
			if err != nil {
				return nil, err
			}
			operations = append(operations, absent...)
		}
	}
	return operations, nil
}

// parent is the key of a node's folder.
func parent(key string) string { return key[:max(strings.LastIndex(key, "/"), 0)] }

// folders are those that a change needs.
type folders struct {
	conn       *zk.Conn
	acls       map[string][]zk.ACL // who may do what to what is made in them
	missing    map[string]bool
	there      map[string]bool
	absents    map[string]bool // what shall not be there
	operations []any           // make the missing ones
}

// need has a folder made where it is missing, with the permissions of the one that it is in.
func (f *folders) need(folder string) error {
	if f.acls[folder] != nil {
		return nil
	}
	acl, _, err := f.conn.GetACL("/" + folder)
	if errors.Is(err, zk.ErrNoNode) {
		if err := f.need(parent(folder)); err != nil {
			return err
		}
		acl, err = f.acls[parent(folder)], nil
		f.missing[folder] = true
		f.operations = append(f.operations, &zk.CreateRequest{Path: "/" + folder, Data: []byte(blank), Acl: acl})
	}
	if err == nil && slices.ContainsFunc(acl, func(a zk.ACL) bool { return a.Scheme == "digest" && strings.HasSuffix(a.ID, ":x") }) {
		// A server hides the hashes from whoever may not set them (ZOOKEEPER-1392).
		err = errors.New("may not see who may read " + folder + ": it needs the permission `admin` there")
	}
	f.acls[folder] = acl
	return err
}

// absent makes sure that a node is not there: what is there cannot be made.
func (f *folders) absent(key string) ([]any, error) {
	for folder := parent(key); folder != ""; key, folder = folder, parent(folder) {
		if f.missing[folder] || f.absents[key] {
			return nil, nil // whoever makes it first is alone
		}
		if f.acls[folder] == nil && !f.there[folder] {
			isThere, _, err := f.conn.Exists("/" + folder)
			if err != nil {
				return nil, err
			}
			f.there[folder] = isThere
		}
		if f.acls[folder] != nil || f.there[folder] {
			f.absents[key] = true
			path := "/" + key
			return []any{&zk.CreateRequest{Path: path, Acl: zk.WorldACL(zk.PermAll)}, &zk.DeleteRequest{Path: path, Version: -1}}, nil
		}
	}
	return nil, nil
}

// touch makes each Traefik read again, and notes when that was: the root is set with its own value.
func (s *zooKeeper) touch(root node) []any {
	path := fmt.Sprintf("/%s/ptl-%x", root.key, rand.Uint64()) //nolint:gosec // is no secret
	return []any{
		&zk.CreateRequest{Path: path, Acl: zk.WorldACL(zk.PermAll)},
		&zk.DeleteRequest{Path: path, Version: -1},
		&zk.SetDataRequest{Path: "/" + root.key, Data: []byte(root.value), Version: -1},
	}
}

// multi does all or nothing; false: a node is not as it was.
func (s *zooKeeper) multi(operations []any) (bool, error) {
	results, err := s.conn.Multi(operations...)
	for _, r := range results {
		if r.Error != nil {
			err = r.Error
			break
		}
	}
	switch {
	case errors.Is(err, zk.ErrBadVersion), errors.Is(err, zk.ErrNodeExists), errors.Is(err, zk.ErrNoNode), errors.Is(err, zk.ErrNotEmpty):
		return false, nil
	case errors.Is(err, zk.ErrNoAuth):
		return false, errors.New("may not write there, or not make and delete what is directly below " + s.address.Root)
	}
	return err == nil, err
}

// Sweep says nothing when it fails: what is empty does no harm.
func (s *zooKeeper) Sweep(ctx context.Context, folders []string) {
	_, _ = within(ctx, func() (bool, error) {
		root, err := s.node(s.address.Root, false)
		// Where Mzxid is not Pzxid, somebody else has made Traefik read since, and there is no telling when.
		if err != nil || root.stat == nil || root.stat.Mzxid != root.stat.Pzxid || time.Since(time.UnixMilli(root.stat.Mtime)) < Rest {
			return false, err
		}
		operations := []any{&zk.CheckVersionRequest{Path: "/" + root.key, Version: root.stat.Version}}
		for _, folder := range folders {
			nodes, err := s.below(strings.TrimSuffix(folder, "/"))
			if err != nil || slices.ContainsFunc(nodes, func(n node) bool { return strings.TrimSpace(n.value) != "" }) {
				return false, err
			}
			for _, n := range slices.Backward(nodes) {
				operations = append(operations, &zk.DeleteRequest{Path: "/" + n.key, Version: n.stat.Version})
			}
		}
		return s.multi(operations)
	})
}
