package review

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/traefik/paerser/parser"
)

var indexed = regexp.MustCompile(`^(.+)/[0-9]+$`)

// Stored is what Traefik's providers for key-value stores hand to a plugin, of its options' keys, without what stands before
// them, and their values.
func Stored(pairs map[string]string) (map[string]any, error) {
	const above = "http/middlewares/" + decodedName + "/plugin/" + decodedPlugin + "/"
	whole, lists := map[string]string{}, map[string][]string{}
	for _, key := range slices.Sorted(maps.Keys(pairs)) {
		if match := indexed.FindStringSubmatch(key); match != nil {
			lists[above+match[1]] = append(lists[above+match[1]], pairs[key])
		} else {
			whole[above+key] = pairs[key]
		}
	}
	for key, values := range lists {
		whole[key] = strings.Join(values, ",")
	}
	root := &parser.Node{Name: parser.DefaultRootName}
	for _, key := range slices.Sorted(maps.Keys(whole)) {
		at := root
		for _, part := range strings.FieldsFunc(key, func(r rune) bool { return r == '/' }) {
			at = below(at, part)
		}
		at.Value = whole[key]
	}
	return decoded(func(p *plugins) error {
		if err := parser.AddMetadata(p, root, parser.MetadataOpts{TagName: "kv"}); err != nil {
			return err
		}
		return parser.Fill(p, root, parser.FillerOpts{})
	})
}

// below is a node's child of that name, in whatever case; digits are an index.
func below(n *parser.Node, name string) *parser.Node {
	if strings.Trim(name, "0123456789") == "" {
		name = "[" + name + "]"
	}
	for _, child := range n.Children {
		if strings.EqualFold(child.Name, name) {
			return child
		}
	}
	child := &parser.Node{Name: name}
	n.Children = append(n.Children, child)
	return child
}
