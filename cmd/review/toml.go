package review

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"
	"gopkg.in/yaml.v3"
)

// parseTOML makes the nodes of a TOML document, with their lines. Traefik's own parser does not tell them.
func parseTOML(content []byte) (*yaml.Node, error) {
	root := mapping(1)
	p := &tomlParser{content: content, open: root}
	p.parser.Reset(content)
	for p.parser.NextExpression() {
		if err := p.expression(root, p.parser.Expression()); err != nil {
			return nil, err
		}
	}
	var flaw *unstable.ParserError
	if err := p.parser.Error(); errors.As(err, &flaw) {
		return nil, fmt.Errorf("line %d: %w", p.line(p.parser.Range(flaw.Highlight)), err)
	} else if err != nil {
		return nil, err
	}
	return root, nil
}

type tomlParser struct {
	parser  unstable.Parser
	content []byte
	open    *yaml.Node // the table that keys go into
}

func (p *tomlParser) line(r unstable.Range) int {
	return 1 + bytes.Count(p.content[:min(int(r.Offset), len(p.content))], []byte("\n"))
}

func (p *tomlParser) expression(root *yaml.Node, e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		table, err := p.descend(root, e.Key(), e.Kind == unstable.ArrayTable)
		p.open = table
		return err
	case unstable.KeyValue:
		return p.set(p.open, e)
	}
	return nil
}

var errTwice = errors.New("a name stands for a table, and for something else")

// descend is the table that a header names; of a list of tables, a new one.
func (p *tomlParser) descend(table *yaml.Node, keys unstable.Iterator, isList bool) (*yaml.Node, error) {
	for keys.Next() {
		key := keys.Node()
		line := p.line(key.Raw)
		child := own(table, string(key.Data))
		if child == nil {
			child = mapping(line)
			if isList && keys.IsLast() {
				child = &yaml.Node{Kind: yaml.SequenceNode, Line: line}
			}
			put(table, string(key.Data), line, child)
		}
		if child.Kind == yaml.SequenceNode {
			if isList && keys.IsLast() {
				child.Content = append(child.Content, mapping(line))
			}
			if len(child.Content) == 0 {
				return nil, errTwice
			}
			child = child.Content[len(child.Content)-1]
		}
		if child.Kind != yaml.MappingNode {
			return nil, errTwice
		}
		table = child
	}
	return table, nil
}

// set puts a value below its key, which may have dots.
func (p *tomlParser) set(table *yaml.Node, e *unstable.Node) error {
	if table == nil {
		return errTwice
	}
	keys := e.Key()
	for keys.Next() {
		key := keys.Node()
		name, line := string(key.Data), p.line(key.Raw)
		if keys.IsLast() {
			value, err := p.value(e.Value(), line)
			put(table, name, line, value)
			return err
		}
		child := own(table, name)
		if child == nil {
			child = mapping(line)
			put(table, name, line, child)
		}
		if child.Kind != yaml.MappingNode {
			return errTwice
		}
		table = child
	}
	return nil
}

func (p *tomlParser) value(e *unstable.Node, line int) (*yaml.Node, error) {
	tags := map[unstable.Kind]string{
		unstable.String: "!!str", unstable.Bool: "!!bool", unstable.Integer: "!!int", unstable.Float: "!!float",
		unstable.DateTime: "!!timestamp", unstable.LocalDate: "!!timestamp", unstable.LocalDateTime: "!!timestamp",
	}
	switch e.Kind {
	case unstable.Array:
		list := &yaml.Node{Kind: yaml.SequenceNode, Line: line}
		members := e.Children()
		for members.Next() {
			member, err := p.value(members.Node(), line)
			if err != nil {
				return nil, err
			}
			list.Content = append(list.Content, member)
		}
		return list, nil
	case unstable.InlineTable:
		table := mapping(line)
		entries := e.Children()
		for entries.Next() {
			if err := p.set(table, entries.Node()); err != nil {
				return nil, err
			}
		}
		return table, nil
	}
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: tags[e.Kind], Value: string(e.Data), Line: line}, nil
}

func mapping(line int) *yaml.Node { return &yaml.Node{Kind: yaml.MappingNode, Line: line} }

// own is what a table has below that very name.
func own(table *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(table.Content); i += 2 {
		if table.Content[i].Value == name {
			return table.Content[i+1]
		}
	}
	return nil
}

func put(table *yaml.Node, name string, line int, value *yaml.Node) {
	table.Content = append(table.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: name, Line: line}, value)
}
