package signals

import (
	"maps"
	"os"
	"regexp"
	"testing"

	"gopkg.in/yaml.v3"
)

// page is where all is written that is typed here.
const page = "../../docs/operations.md"

// block is the only example below a heading of the page that begins so.
func block(t *testing.T, heading, language, begin string) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	chapter := regexp.MustCompile(`(?ms)^##+ ` + heading + `\n(.*?)(?:^##|\z)`).FindSubmatch(text)
	if chapter == nil {
		t.Fatalf("%s has no %q", page, heading)
	}
	found := regexp.MustCompile("(?ms)^```"+language+"\n("+begin+".*?)^```$").FindAllSubmatch(chapter[1], -1)
	if len(found) != 1 {
		t.Fatalf("%s has %d examples in %s below %q that begin with %q", page, len(found), language, heading, begin)
	}
	return string(found[0][1])
}

// static is what the page says to write into traefik.yml, as one.
func static(t *testing.T, blocks ...string) map[string]any {
	t.Helper()
	all := map[string]any{}
	for _, text := range blocks {
		var one map[string]any
		if err := yaml.Unmarshal([]byte(text), &one); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		maps.Copy(all, one)
	}
	return all
}

func marshal(t *testing.T, value any) string {
	t.Helper()
	text, err := yaml.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
