package people

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/getportal/ptlauth/e2e/program"
)

// authority is an ACME server of its own, whose root nobody trusts who was not told to.
type authority struct {
	directory string // its address
	caFile    string // what its own certificate is trusted by
	manage    string
	client    *http.Client
}

// startAuthority starts pebble, which looks for its challenges at a port of this machine, whatever the name.
func startAuthority(t *testing.T, tlsPort string) *authority {
	t.Helper()
	pebble := program.Need(t, "pebble", "pebble")
	names := program.Need(t, "pebble-challtestsrv", "pebble")
	dir := t.TempDir()
	caFile, keyFile := selfSigned(t, dir)
	listens, manage := program.UnusedAddr(t), program.UnusedAddr(t)
	port := new(json.Number)
	*port = json.Number(tlsPort)
	configuration, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": listens, "managementListenAddress": manage,
		"certificate": caFile, "privateKey": keyFile,
		"httpPort": port, "tlsPort": port,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, configuration, 0o600); err != nil {
		t.Fatal(err)
	}
	dns, dnsManage := program.UnusedAddr(t), program.UnusedAddr(t)
	program.Spawn(t, dnsManage, names, "-dns01", dns, "-management", dnsManage,
		"-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-http01", "", "-https01", "", "-tlsalpn01", "")
	program.Spawn(t, listens, "/usr/bin/env", "PEBBLE_VA_NOSLEEP=1", pebble, "-config", file, "-dnsserver", dns)

	roots := x509.NewCertPool()
	text, err := os.ReadFile(caFile)
	if err != nil {
		t.Fatal(err)
	}
	roots.AppendCertsFromPEM(text)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	t.Cleanup(transport.CloseIdleConnections)
	return &authority{
		directory: "https://" + listens + "/dir", caFile: caFile, manage: "https://" + manage,
		client: &http.Client{Transport: transport, Timeout: 10 * time.Second},
	}
}

// root is the certificate that all others lead to.
func (a *authority) root(t *testing.T) *x509.Certificate { return a.certificate(t, "/roots/0") }

// issuerHash is the SHA-256 of the key that signs what is issued, as Chromium is told to trust it: a hash of one in the chain.
func (a *authority) issuerHash(t *testing.T) string {
	sum := sha256.Sum256(a.certificate(t, "/intermediates/0").RawSubjectPublicKeyInfo)
	return base64.StdEncoding.EncodeToString(sum[:])
}

func (a *authority) certificate(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	response, err := a.client.Get(a.manage + path)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("%s: %q", path, text)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return certificate
}

// selfSigned makes the certificate under which the ACME server itself answers.
func selfSigned(t *testing.T, dir string) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "ACME server"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// awaitCertificate waits until a name is answered for with a certificate that leads to the authority's root.
func (a *authority) awaitCertificate(t *testing.T, address, name string) {
	t.Helper()
	roots := x509.NewCertPool()
	roots.AddCert(a.root(t))
	within(t, time.Minute, func() string {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: roots, ServerName: name})
		if err != nil {
			return fmt.Sprintf("%s: %v", name, err)
		}
		conn.Close()
		return ""
	})
}
