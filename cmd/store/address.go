// Package store reads and writes the keys of Redis, etcd, Consul and ZooKeeper, where Traefik's providers read their
// configuration. It speaks to each with its own client, because valkeyrie, with which Traefik reads, changes one key at a time.
package store

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// Address says where a store is, and as whom to ask there.
type Address struct {
	Engine         string      // redis, etcd, consul or zookeeper
	Hosts          []string    // each with its port
	User, Password string      // of Consul the password alone: its ACL token
	Database       int         // Redis' number
	Namespace      string      // Consul's
	Root           string      // Traefik's rootKey
	TLS            *tls.Config // nil: without
}

// engines are the schemes, with the port of each and whether it is encrypted.
var engines = map[string]struct {
	engine, port string
	encrypted    bool
}{
	"redis": {"redis", "6379", false}, "rediss": {"redis", "6379", true},
	"etcd": {"etcd", "2379", false}, "etcds": {"etcd", "2379", true},
	"consul": {"consul", "8500", false}, "consuls": {"consul", "8501", true},
	"zookeeper": {"zookeeper", "2181", false}, // Traefik's provider knows no TLS
}

// usual is how an address is written.
const usual = "write redis://HOST, etcd://, consul:// or zookeeper://, with TLS rediss://, etcds:// or consuls://, as in redis://USER:PASSWORD@HOST:6379/0?rootKey=traefik, or kubernetes://NAMESPACE/MIDDLEWARE"

// Is reports whether a registry is in a store, and not in a file.
func Is(registry string) bool { return strings.Contains(registry, "://") }

// IsByKey reports whether Traefik reads that registry key by key, while they are written, as in Redis.
func IsByKey(registry string) bool {
	scheme, _, _ := strings.Cut(registry, "://")
	return engines[strings.ToLower(scheme)].engine == "redis"
}

// Parse reads an address. No error has a part of it that could be a password.
func Parse(text string) (*Address, error) {
	scheme, rest, _ := strings.Cut(text, "://")
	kind, isKnown := engines[strings.ToLower(scheme)]
	if !isKnown {
		return nil, fmt.Errorf("ptl keeps no registry in %s: %s", scheme, usual)
	}
	// Several hosts are no host for net/url.
	authority, path, query := cut(rest)
	at := strings.LastIndex(authority, "@")
	user, err := url.Parse("x://" + authority[:max(at, 0)] + strings.Repeat("@h", min(at+1, 1)))
	values, queryErr := url.ParseQuery(query)
	if err != nil || queryErr != nil {
		return nil, errors.New("the registry's address cannot be read: " + usual + " (in a password, what is no letter or digit is written as in %2F)")
	}
	a := &Address{Engine: kind.engine, Root: "traefik"}
	a.User = user.User.Username()
	a.Password, _ = user.User.Password()
	for host := range strings.SplitSeq(authority[at+1:], ",") {
		if host = strings.TrimSpace(host); host == "" {
			return nil, errors.New("the registry's address has no host: " + usual)
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), kind.port)
		}
		a.Hosts = append(a.Hosts, host)
	}
	if err := a.readPath(strings.Trim(path, "/")); err != nil {
		return nil, err
	}
	if a.Engine == "consul" {
		if a.User != "" {
			return nil, errors.New("the registry's address has a user, and Consul has tokens: write consul://:TOKEN@HOST")
		}
		a.Password = cmp.Or(a.Password, os.Getenv("CONSUL_HTTP_TOKEN"))
	}
	return a, a.readQuery(values, kind.encrypted)
}

func cut(rest string) (authority, path, query string) {
	rest, query, _ = strings.Cut(rest, "?")
	authority, path, _ = strings.Cut(rest, "/")
	return authority, path, query
}

func (a *Address) readPath(path string) error {
	switch {
	case (a.Engine == "redis" || a.Engine == "consul") && len(a.Hosts) > 1:
		return fmt.Errorf("the registry's address has several hosts, and Traefik's provider for %s takes one: write the one that Traefik has", a.Engine)
	case path == "":
		return nil
	case a.Engine != "redis":
		return errors.New("the registry's address has a path, and only Redis has numbered databases: write ?rootKey=KEY for another root key than traefik")
	}
	number, err := strconv.Atoi(path)
	if err != nil || number < 0 {
		return errors.New("the path of the registry's address is the number of Redis' database, as in redis://HOST/0: write ?rootKey=KEY for another root key than traefik")
	}
	a.Database = number
	return nil
}

func (a *Address) readQuery(values url.Values, encrypted bool) error {
	for name := range values {
		switch name {
		case "rootKey", "ca", "cert", "key":
		case "namespace":
			if a.Engine != "consul" {
				return errors.New("the registry's address has a namespace, and only Consul has those")
			}
			a.Namespace = values.Get(name)
		default:
			return fmt.Errorf("the registry's address has `%s`, and knows rootKey, ca, cert, key and, for Consul, namespace", name)
		}
	}
	if values.Has("rootKey") {
		a.Root = strings.Trim(values.Get("rootKey"), "/")
	}
	if a.Root == "" {
		return errors.New("the registry's rootKey is empty: write Traefik's, which is traefik where its provider has none")
	}
	if !encrypted {
		if values.Has("ca") || values.Has("cert") || values.Has("key") {
			return errors.New("the registry's address has a certificate, and goes without TLS: write rediss://, etcds:// or consuls:// (Traefik's provider for ZooKeeper knows none)")
		}
		return nil
	}
	a.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	return a.readCertificates(values)
}

func (a *Address) readCertificates(values url.Values) error {
	if path := values.Get("ca"); path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("the registry's ca cannot be read: %w", err)
		}
		a.TLS.RootCAs = x509.NewCertPool()
		if !a.TLS.RootCAs.AppendCertsFromPEM(content) {
			return fmt.Errorf("the registry's ca, %s, has no certificate", path)
		}
	}
	if values.Get("cert") == "" && values.Get("key") == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(values.Get("cert"), values.Get("key"))
	if err != nil {
		return fmt.Errorf("the registry's cert and key cannot be used: %w", err)
	}
	a.TLS.Certificates = []tls.Certificate{pair}
	return nil
}

// String is where it is, without user and password.
func (a *Address) String() string { return a.Engine + "://" + strings.Join(a.Hosts, ",") }
