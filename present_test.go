package ptlauth_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v4"

	"github.com/getportal/ptlauth"
)

// TestListServerThatHangs: where a list is known, requests go on by it while its server hangs, and none waits for it.
// Refresh is much shorter than the server is given to answer.
func TestListServerThatHangs(t *testing.T) {
	var isHanging atomic.Bool
	stop := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isHanging.Load() {
			_, _ = io.WriteString(w, `[{"id": "abc123"}]`)
			return
		}
		select {
		case <-stop:
		case <-r.Context().Done():
		}
	}))
	defer server.Close()
	defer close(stop)
	secret := "a secret of more than thirty-two bytes"
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte(secret), 0o600); err != nil {
		t.Fatal(err)
	}
	config := ptlauth.CreateConfig()
	config.SecretFile = path
	config.Terminals = map[string]interface{}{"url": server.URL}
	config.Refresh = "100ms"
	next := http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})
	handler, err := ptlauth.New(context.Background(), next, config, t.Name())
	if err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	ask := func(worker int) (int, time.Duration) {
		claims := jwt.MapClaims{"sub": "abc123", "jti": fmt.Sprint(worker, asked.Add(1))}
		token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString([]byte(secret))
		if err != nil {
			t.Error(err)
		}
		r := httptest.NewRequest(http.MethodGet, "http://chat.example.com/", nil)
		r.Header.Set("Cookie", "authorization="+token)
		recorder := httptest.NewRecorder()
		began := time.Now()
		handler.ServeHTTP(recorder, r)
		return recorder.Code, time.Since(began)
	}
	if status, _ := ask(0); status != http.StatusOK {
		t.Fatalf("got %d while all is well", status)
	}
	isHanging.Store(true)
	var all sync.WaitGroup
	for worker := range 4 {
		all.Add(1)
		go func() {
			defer all.Done()
			for end := time.Now().Add(2500 * time.Millisecond); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
				status, took := ask(worker)
				if status != http.StatusOK || took > 700*time.Millisecond {
					t.Errorf("got %d after %s", status, took)
				}
			}
		}()
	}
	all.Wait()
	if asked.Load() < 100 {
		t.Errorf("it was asked %d times only", asked.Load())
	}
}
