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
	for _, m := range mutations {
		t.Run(m.Protection, func(t *testing.T) {
			c := byName[m.Case]
			judge := func(source *guardtest.Plugin) []string {
				loaded, log := loadSource(t, source)
				if c == nil {
					return judgeActivity(t, loaded, m.Case)
				}
				return corpustest.Problems(c, corpustest.Interpreted, corpustest.InProcess(t, c, building(loaded, log)))
			}
			if problems := judge(plugin); len(problems) > 0 {
				t.Fatalf("the case fails without a mutation: %q", problems)
			}
			mutated, err := plugin.Without(m)
			if err != nil {
				t.Fatal(err)
			}
			if problems := judge(mutated); len(problems) == 0 {
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
