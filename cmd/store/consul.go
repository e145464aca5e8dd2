package store

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// consulStore speaks HTTP, which is all of Consul's interface: its client would bring thirty modules.
type consulStore struct {
	address *Address
	client  *http.Client
}

// consulKey is a key as Consul tells it.
type consulKey struct {
	Key         string
	Value       []byte
	Flags       uint64
	ModifyIndex uint64
}

// operation is a part of a transaction (developer.hashicorp.com/consul/api-docs/txn).
type operation struct {
	Verb, Key string
	Value     []byte `json:",omitempty"`
	Flags     uint64 `json:",omitempty"`
	Index     uint64 `json:",omitempty"`
}

// consulOperations is how many operations every Consul takes in one transaction.
const consulOperations = 64

// consulBytes bounds an answer.
const consulBytes = 256 << 20

func openConsul(a *Address) Store {
	transport := &http.Transport{TLSClientConfig: a.TLS, ForceAttemptHTTP2: true}
	return &consulStore{a, &http.Client{Transport: transport, Timeout: 6 * timeout}}
}

func (s *consulStore) Close() error {
	s.client.CloseIdleConnections()
	return nil
}

// ask returns the answer's status and body. No error holds the token, which goes in a header.
func (s *consulStore) ask(ctx context.Context, method, path string, query url.Values, body []byte) (int, []byte, error) {
	address := url.URL{Scheme: "http", Host: s.address.Hosts[0], Path: path}
	if s.address.TLS != nil {
		address.Scheme = "https"
	}
	if s.address.Namespace != "" {
		query.Set("ns", s.address.Namespace)
	}
	address.RawQuery = query.Encode()
	request, err := http.NewRequestWithContext(ctx, method, address.String(), bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	if s.address.Password != "" {
		request.Header.Set("X-Consul-Token", s.address.Password)
	}
	response, err := s.client.Do(request)
	if err != nil {
		var inner *url.Error
		if errors.As(err, &inner) {
			err = inner.Err
		}
		return 0, nil, err
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, consulBytes))
	return response.StatusCode, content, err
}

// refused is what Consul says instead of an answer.
func refused(status int, content []byte) error {
	said := strings.TrimSpace(string(content[:min(len(content), 300)]))
	if status == http.StatusForbidden {
		said += " (the token is that of consul://:TOKEN@HOST, or CONSUL_HTTP_TOKEN)"
	}
	return fmt.Errorf("it says %d %s", status, said)
}

func (s *consulStore) List(ctx context.Context, prefix string) (map[string]string, error) {
	keys, err := s.keys(ctx, prefix)
	if err != nil {
		return nil, failed(s.address, "read", err)
	}
	pairs := map[string]string{}
	for _, key := range keys {
		pairs[key.Key] = string(key.Value)
	}
	return pairs, nil
}

func (s *consulStore) keys(ctx context.Context, prefix string) ([]consulKey, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	status, content, err := s.ask(ctx, http.MethodGet, "/v1/kv/"+prefix, url.Values{"recurse": {""}, "consistent": {""}}, nil)
	if err != nil || status == http.StatusNotFound {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, refused(status, content)
	}
	var keys []consulKey
	return keys, json.Unmarshal(content, &keys)
}

func (s *consulStore) Commit(ctx context.Context, changes []Change) (bool, error) {
	return inParts(changes, consulOperations, func(part []Change) (bool, error) { return s.commit(ctx, part) })
}

func (s *consulStore) commit(ctx context.Context, changes []Change) (bool, error) {
	keys, err := s.keys(ctx, common(changes))
	if err != nil {
		return false, failed(s.address, "read", err)
	}
	there := map[string]consulKey{}
	for _, key := range keys {
		there[key.Key] = key
	}
	var operations []map[string]operation
	for _, c := range changes {
		key, isThere := there[c.Key]
		text := string(key.Value)
		if !same(&text, c.Was) {
			return false, nil
		}
		o := operation{Key: c.Key, Index: key.ModifyIndex}
		switch {
		case c.Is == nil && c.Was != nil && isThere:
			o.Verb = "delete-cas"
		case same(c.Was, c.Is) && isThere:
			o.Verb = "check-index"
		case same(c.Was, c.Is):
			o.Verb = "check-not-exists"
		default:
			o.Verb, o.Value, o.Flags = "cas", []byte(*c.Is), key.Flags // without an index: where there is none
		}
		operations = append(operations, map[string]operation{"KV": o})
	}
	isDone, err := s.transact(ctx, operations)
	return isDone, failed(s.address, "written", err)
}

// transact makes a transaction; false: a key has changed since its index was read.
func (s *consulStore) transact(ctx context.Context, operations []map[string]operation) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(operations)
	if err != nil {
		return false, err
	}
	status, content, err := s.ask(ctx, http.MethodPut, "/v1/txn", url.Values{}, body)
	if err != nil || status == http.StatusOK {
		return err == nil, err
	}
	if status != http.StatusConflict {
		return false, refused(status, content)
	}
	var answer struct{ Errors []struct{ What string } }
	if err := json.Unmarshal(content, &answer); err != nil {
		return false, err
	}
	for _, e := range answer.Errors {
		if strings.Contains(strings.ToLower(e.What), "permission denied") {
			return false, refused(http.StatusForbidden, []byte(e.What))
		}
	}
	return false, nil
}
