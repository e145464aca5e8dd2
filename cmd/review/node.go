package review

import (
	"strings"

	"gopkg.in/yaml.v3"
)

// field is an entry of a map, where it stands.
type field struct {
	name string
	line int
	node *yaml.Node
}

// behind is what an alias stands for.
func behind(n *yaml.Node) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.AliasNode && i < 100; i++ {
		n = n.Alias
	}
	return n
}

// fields are the entries of a map, those that are merged into it (<<) included; none of anything else.
func fields(n *yaml.Node) []field { return fieldsIn(n, 0) }

// maxDepth bounds how deep anything is looked at.
const maxDepth = 100

func fieldsIn(n *yaml.Node, depth int) []field {
	n = behind(n)
	if n == nil || n.Kind != yaml.MappingNode || depth > maxDepth {
		return nil
	}
	var own, merged []field
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], behind(n.Content[i+1])
		if key.Tag != "!!merge" {
			own = append(own, field{name: key.Value, line: key.Line, node: value})
			seen[key.Value] = true
			continue
		}
		sources := []*yaml.Node{value}
		if value != nil && value.Kind == yaml.SequenceNode {
			sources = value.Content
		}
		for _, source := range sources {
			merged = append(merged, fieldsIn(source, depth+1)...)
		}
	}
	for _, f := range merged {
		if !seen[f.name] {
			seen[f.name] = true
			own = append(own, f)
		}
	}
	return own
}

// at is what stands below those names, in any case; nil: nothing does.
func at(n *yaml.Node, names ...string) *yaml.Node {
	for _, name := range names {
		var below *yaml.Node
		for _, f := range fields(n) {
			if strings.EqualFold(f.name, name) {
				below = f.node
			}
		}
		if below == nil {
			return nil
		}
		n = below
	}
	return behind(n)
}

// items are the members of a list; none of anything else.
func items(n *yaml.Node) []*yaml.Node {
	n = behind(n)
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	members := make([]*yaml.Node, 0, len(n.Content))
	for _, member := range n.Content {
		members = append(members, behind(member))
	}
	return members
}

// text is a scalar's text; empty: it is none.
func text(n *yaml.Node) string {
	n = behind(n)
	if n == nil || n.Kind != yaml.ScalarNode {
		return ""
	}
	return n.Value
}

// texts are those of a list, or of text with commas between.
func texts(n *yaml.Node) []string {
	var all []string
	for _, member := range items(n) {
		all = append(all, text(member))
	}
	if all == nil {
		all = strings.Split(text(n), ",")
	}
	var some []string
	for _, one := range all {
		if one = strings.TrimSpace(one); one != "" {
			some = append(some, one)
		}
	}
	return some
}

// lineOfName is where a map has that name; 0: nowhere.
func lineOfName(n *yaml.Node, name string) int {
	for _, f := range fields(n) {
		if f.name == name {
			return f.line
		}
	}
	return 0
}

// lineBelow is where an option stands, such as keys[1].secretFile, or what is nearest above it.
func lineBelow(n *yaml.Node, line int, option string) int {
	n = behind(n)
	if option == "" || n == nil {
		return line
	}
	if strings.HasPrefix(option, "[") {
		number, rest, _ := strings.Cut(option[1:], "]")
		for i, member := range items(n) {
			if number == itoa(i) {
				return lineBelow(member, member.Line, strings.TrimPrefix(rest, "."))
			}
		}
		return line
	}
	var longest field
	for _, f := range fields(n) {
		rest, ok := cutFold(option, f.name)
		if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') && len(f.name) >= len(longest.name) {
			longest = f
		}
	}
	if longest.node == nil && longest.line == 0 {
		return line
	}
	rest, _ := cutFold(option, longest.name)
	return lineBelow(longest.node, longest.line, strings.TrimPrefix(rest, "."))
}

// cutFold is what follows that beginning, in any case.
func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return "", false
	}
	return s[len(prefix):], true
}

// maxNodes bounds how large a document may be once its aliases stand for what they mean.
const maxNodes = 200_000

// size is how many nodes there are then; more than maxNodes where one stands for itself.
func size(n *yaml.Node, known map[*yaml.Node]int) int {
	if n == nil {
		return 0
	}
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if total, ok := known[n]; ok {
		return total
	}
	known[n] = maxNodes + 1
	total := 1
	for _, child := range n.Content {
		total = min(total+size(child, known), maxNodes+1)
	}
	known[n] = total
	return total
}
