package store

import (
	"context"
	"sync"
	"time"

	etcd "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
	"google.golang.org/grpc/grpclog"
)

type etcdStore struct {
	address *Address
	client  *etcd.Client
}

func openEtcd(a *Address) (Store, error) {
	quiet()
	client, err := etcd.New(etcd.Config{
		Endpoints: a.Hosts, Username: a.User, Password: a.Password, TLS: a.TLS,
		DialTimeout: 3 * time.Second, Logger: zap.NewNop(),
	})
	if err != nil {
		return nil, failed(a, "opened", err)
	}
	return &etcdStore{a, client}, nil
}

// quiet keeps what the client would log off the screen: its errors are told.
var quiet = sync.OnceFunc(func() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(nowhere{}, nowhere{}, nowhere{})) })

type nowhere struct{}

func (nowhere) Write(p []byte) (int, error) { return len(p), nil }

func (s *etcdStore) Close() error { return s.client.Close() }

func (s *etcdStore) List(ctx context.Context, prefix string) (map[string]string, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	response, err := s.client.Get(ctx, prefix, etcd.WithPrefix())
	if err != nil {
		return nil, failed(s.address, "read", err)
	}
	pairs := map[string]string{}
	for _, kv := range response.Kvs {
		pairs[string(kv.Key)] = string(kv.Value)
	}
	return pairs, nil
}

// etcdOperations is how many operations etcd takes in one transaction, where nobody has said --max-txn-ops.
const etcdOperations = 128

func (s *etcdStore) Commit(ctx context.Context, changes []Change) (bool, error) {
	return inParts(changes, etcdOperations, func(part []Change) (bool, error) { return s.commit(ctx, part) })
}

func (s *etcdStore) commit(ctx context.Context, changes []Change) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	var conditions []etcd.Cmp
	var writes []etcd.Op
	for _, c := range changes {
		if c.Was == nil {
			conditions = append(conditions, etcd.Compare(etcd.CreateRevision(c.Key), "=", 0))
		} else {
			conditions = append(conditions, etcd.Compare(etcd.Value(c.Key), "=", *c.Was))
		}
		switch {
		case c.Is == nil && c.Was != nil:
			writes = append(writes, etcd.OpDelete(c.Key))
		case same(c.Was, c.Is):
		default:
			writes = append(writes, etcd.OpPut(c.Key, *c.Is))
		}
	}
	response, err := s.client.Txn(ctx).If(conditions...).Then(writes...).Commit()
	if err != nil {
		return false, failed(s.address, "written", err)
	}
	return response.Succeeded, nil
}
