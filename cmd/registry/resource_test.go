package registry

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/getportal/ptlauth/cmd/kubernetes"
)

// inCluster is the list of a Middleware whose option `terminals` is that JSON, and what is asked of the cluster. The first
// patches get the statuses that are given. What patches do there, e2e/kubernetes shows.
func inCluster(t *testing.T, terminals string, statuses ...int) (*Resource, *[]string) {
	t.Helper()
	patches := &[]string{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if r.Method == http.MethodPatch {
			patch, _ := io.ReadAll(r.Body)
			*patches = append(*patches, string(patch))
			if n := len(*patches); n <= len(statuses) {
				w.WriteHeader(statuses[n-1])
				fmt.Fprintf(w, `{"apiVersion": "v1", "kind": "Status", "status": "Failure", "code": %d, "message": "no"}`, statuses[n-1])
				return
			}
		}
		fmt.Fprintf(w, `{"apiVersion": "traefik.io/v1alpha1", "kind": "Middleware", "metadata": {"name": "auth"}, "spec": {"plugin": {"ptlauth": %s}}}`, terminals)
	}))
	t.Cleanup(server.Close)
	file := filepath.Join(t.TempDir(), "config")
	content := fmt.Sprintf("{apiVersion: v1, kind: Config, current-context: a, contexts: [{name: a, context: {cluster: a}}], clusters: [{name: a, cluster: {server: '%s'}}]}", server.URL)
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := kubernetes.Open(&kubernetes.Address{Namespace: "chat", Name: "auth", File: file})
	if err != nil {
		t.Fatal(err)
	}
	return &Resource{Middleware: m, Plugin: "ptlauth"}, patches
}

// short is a patch with what all paths have in common left out.
func short(t *testing.T, patch string) string {
	t.Helper()
	var operations []kubernetes.Operation
	if err := json.Unmarshal([]byte(patch), &operations); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, o := range operations {
		value, _ := json.Marshal(o.Value)
		texts = append(texts, fmt.Sprintf("%s %s %s", o.Op, strings.TrimPrefix(o.Path, "/spec/plugin/ptlauth/"), value))
	}
	return strings.Join(texts, "; ")
}

func TestResource(t *testing.T) {
	const two = `{"terminals": {"paired": {"k7p2x9": {"name": "Laptop", "user": "ann", "icon": 1}, "phone7": {"name": "Phone"}}}}`
	const list = `{"terminals": {"paired": [{"id": "a1", "name": "one"}, {"id": "b1", "user": "ben"}]}}`
	for _, test := range []struct {
		name, before string
		change       func(*List)
		patch        string
		mistaken     string
	}{
		{"nothing changes", two, func(*List) {}, "", ""},
		{"a device comes", two, func(l *List) { l.Add("a1", "Tab, <3", "ben", nil).Settle(1) }, `test terminals/paired/a1 null; add terminals/paired/a1 {"name":"Tab, \u003c3","since":1,"user":"ben"}`, ""},
		{"when its token ends is with it", two, func(l *List) { l.Add("a1", "x", "", nil).SetUntil(9) }, `test terminals/paired/a1 null; add terminals/paired/a1 {"name":"x","until":9}`, ""},
		{"and goes, once one has no end", `{"terminals": {"paired": {"a1": {"name": "x", "until": 9}}}}`, func(l *List) { l.Find("a1").SetUntil(0) }, `test terminals/paired/a1 {"name":"x","until":9}; replace terminals/paired/a1 {"name":"x"}`, ""},
		{"the first one comes", `{"Terminals": {"Paired": {}}}`, func(l *List) { l.Add("a1", "x", "", nil) }, `test Terminals/Paired/a1 null; add Terminals/Paired/a1 {"name":"x"}`, ""},
		{"where there was no list", `{"terminals": {}}`, func(l *List) { l.Add("a1", "x", "", nil) }, `test terminals/paired null; add terminals/paired {"a1":{"name":"x"}}`, ""},
		{"where there was no option", `{}`, func(l *List) { l.Add("a1", "x", "", nil) }, `test terminals null; add terminals {"paired":{"a1":{"name":"x"}}}`, ""},
		{"one goes, as it was", two, func(l *List) { l.Remove("k7p2x9") }, `test terminals/paired/k7p2x9 {"icon":1,"name":"Laptop","user":"ann"}; remove terminals/paired/k7p2x9 null`, ""},
		{"another name, and what else it has stays", two, func(l *List) { l.Find("k7p2x9").SetName("Old") }, `test terminals/paired/k7p2x9 {"icon":1,"name":"Laptop","user":"ann"}; replace terminals/paired/k7p2x9 {"icon":1,"name":"Old","user":"ann"}`, ""},
		{"its code is used", `{"terminals": {"paired": {"a1": {"name": "x", "pairing": {"ends": 7, "link": "l", "code": "c", "watch": "w"}}}}}`, func(l *List) {
			if p := l.Find("a1").Pairing(); p == nil || *p != (Pairing{7, "l", "c", "w"}) {
				t.Errorf("its codes are %v", p)
			}
			l.Find("a1").Settle(5)
		}, `test terminals/paired/a1 {"name":"x","pairing":{"code":"c","ends":7,"link":"l","watch":"w"}}; replace terminals/paired/a1 {"name":"x","since":5}`, ""},
		{"an id with a slash", `{"terminals": {"paired": {"a/~b": {"name": "x"}}}}`, func(l *List) { l.Remove("a/~b") }, `test terminals/paired/a~1~0b {"name":"x"}; remove terminals/paired/a~1~0b null`, ""},
		{"of a list, from its end", list, func(l *List) { l.Remove("a1"); l.Remove("b1") }, `test terminals/paired/1 {"id":"b1","user":"ben"}; test terminals/paired/0 {"id":"a1","name":"one"}; remove terminals/paired/1 null; remove terminals/paired/0 null`, ""},
		{"to a list", list, func(l *List) { l.Add("c1", "x", "", nil) }, `add terminals/paired/- {"id":"c1","name":"x"}`, ""},
		{"what nobody has completed can go", `{"terminals": {"paired": {"a1": {"icon": 1}, "b1": {"name": "x", "user": ""}, "c1": null}}}`, func(l *List) {
			for _, id := range []string{"a1", "b1", "c1"} {
				if !l.Find(id).IsNobodys() {
					t.Errorf("%s is somebody's", id)
				}
			}
			l.Remove("a1")
		}, `test terminals/paired/a1 {"icon":1}; remove terminals/paired/a1 null`, ""},
		{"an id in capital letters too", two, func(l *List) { l.Add("K7P2X9", "x", "", nil) }, "", "differ in case alone"},
		{"a device without a name and a user", two, func(l *List) { l.Add("a1", "", "", nil) }, "", "needs a name or a user"},
		{"a list that is in a file", `{"terminals": {"file": "/x"}}`, nil, "", "terminals.file says otherwise"},
		{"no list at all", `{"terminals": "any"}`, nil, "", "`terminals` is any there"},
		{"a text for a list", `{"terminals": {"paired": "any"}}`, nil, "", "terminals.paired is no map"},
		{"a text for a device", `{"terminals": {"paired": ["a1"]}}`, nil, "", "is no device"},
		{"a Middleware of another plugin", `null`, nil, "", "is no middleware of ptlauth"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, patches := inCluster(t, test.before)
			err := r.Change(t.Context(), func(l *List) error { test.change(l); return nil })
			if (err == nil) != (test.mistaken == "") || err != nil && !strings.Contains(err.Error(), test.mistaken) {
				t.Errorf("the error is %v, want %q", err, test.mistaken)
			}
			got := ""
			if len(*patches) > 0 {
				got = short(t, (*patches)[0])
			}
			if got != test.patch || len(*patches) > 1 {
				t.Errorf("%d patches, the first is\n%s\nwant\n%s", len(*patches), got, test.patch)
			}
		})
	}
}

// TestResourceRefused: a device that is not as it was is looked at again, and a patch that is refused all the same is told.
func TestResourceRefused(t *testing.T) {
	const one = `{"terminals": {"paired": {"a1": {"name": "x"}}}}`
	r, patches := inCluster(t, one, http.StatusUnprocessableEntity)
	tries := 0
	err := r.Change(t.Context(), func(l *List) error { tries++; l.Find("a1").SetName(fmt.Sprint("y", tries)); return nil })
	if err != nil || tries != 2 || len(*patches) != 2 {
		t.Errorf("after %d tries the error is %v", tries, err)
	}
	r, patches = inCluster(t, one, http.StatusUnprocessableEntity, http.StatusUnprocessableEntity)
	err = r.Change(t.Context(), func(l *List) error { l.Remove("a1"); return nil })
	if err == nil || !strings.Contains(err.Error(), "Nothing is changed") || len(*patches) != 2 {
		t.Errorf("after %d patches the error is %v", len(*patches), err)
	}
	r, patches = inCluster(t, one, http.StatusInternalServerError)
	err = r.Change(t.Context(), func(l *List) error { l.Remove("a1"); return nil })
	if err == nil || !strings.Contains(err.Error(), "`ptl terminals` says") || len(*patches) != 1 {
		t.Errorf("after %d patches the error is %v", len(*patches), err)
	}
}
