package interpreted

import (
	"path/filepath"
	"testing"

	"github.com/getportal/ptlauth/internal/corpustest"
	"github.com/getportal/ptlauth/internal/guardtest"
)

// TestMutations switches off every protection in turn, in a copy of the plugin, and wants the case that guards it to fail:
// a case that passes all the same guards nothing.
func TestMutations(t *testing.T) {
	if testing.Short() {
		t.Skip("it loads the plugin two hundred times")
	}
	mutations, err := guardtest.Mutations("../../testdata/mutations.json")
	if err != nil {
		t.Fatal(err)
	}
	plugin, err := guardtest.Read("../..")
	if err != nil {
		t.Fatal(err)
	}
	cases, err := corpustest.Load("../../testdata", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*corpustest.Case{}
	for _, c := range cases.For(corpustest.Interpreted) {
		byName[c.Name] = c
	}
	judge := func(t *testing.T, name string, loaded *Plugin, log *journal) []string {
		c := byName[name]
		if c == nil {
			return judgeActivity(t, loaded, name)
		}
		return corpustest.Problems(c, corpustest.Interpreted, corpustest.InProcess(t, c, building(loaded, log)))
	}
	whole, log := loadSource(t, plugin)
	passes := map[string]bool{}
	for _, m := range mutations {
		if passes[m.Case] {
			continue
		}
		if problems := judge(t, m.Case, whole, log); len(problems) > 0 {
			t.Fatalf("%q fails without a mutation: %q", m.Case, problems)
		}
		passes[m.Case] = true
	}
	for _, m := range mutations {
		t.Run(m.Protection, func(t *testing.T) {
			t.Parallel()
			mutated, err := plugin.Without(m)
			if err != nil {
				t.Fatal(err)
			}
			loaded, log := loadSource(t, mutated)
			if problems := judge(t, m.Case, loaded, log); len(problems) == 0 {
				t.Errorf("without it, %q still passes", m.Case)
			}
		})
	}
}

// loadSource loads a plugin that may lack a protection.
func loadSource(t *testing.T, source *guardtest.Plugin) (*Plugin, *journal) {
	t.Helper()
	root := t.TempDir()
	if err := source.Write(filepath.Join(root, "plugins-local", "src", "github.com", "getportal", "ptlauth")); err != nil {
		t.Fatal(err)
	}
	log := new(journal)
	plugin, err := Load(Options{Root: root, Log: log})
	if err != nil {
		t.Fatalf("the plugin does not load: %v", err)
	}
	return plugin, log
}
