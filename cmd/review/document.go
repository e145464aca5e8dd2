package review

import (
	"bytes"
	"errors"
	"io"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"gopkg.in/yaml.v3"
)

// form is what a document is.
type form int

const (
	other form = iota
	dynamicForm
	staticForm // also the values of Traefik's Helm chart, which have the same names
	composeForm
	kubernetesForm
)

type document struct {
	file string
	form form
	root *yaml.Node
}

// documents are those of a file, which may hold several in YAML.
func (r *review) documents(file string, content []byte) []document {
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	found, err := parse(file, content)
	isTemplate := bytes.Contains(content, []byte("{{"))
	if isTemplate && (err != nil || len(found) == 1 && found[0].form == dynamicForm) {
		rendered, flaw := render(content)
		if flaw != nil {
			r.add(place{file, lineIn(flaw)}, Mistake, "", "Traefik refuses the whole file, of which {{ }} is a template: "+flaw.Error())
			return nil
		}
		found, err = parse(file, rendered)
	}
	if err != nil {
		r.add(place{file, lineIn(err)}, Mistake, "", "cannot be read: "+err.Error())
	}
	return found
}

// render runs a template as the file provider does.
func render(content []byte) ([]byte, error) {
	functions := sprig.TxtFuncMap()
	functions["normalize"] = func(name string) string {
		return strings.Trim(regexp.MustCompile(`[^\p{L}\p{N}]+`).ReplaceAllString(name, "-"), "-")
	}
	functions["split"] = strings.Split
	parsed, err := template.New("").Funcs(functions).Parse(string(content))
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, false)
	return out.Bytes(), err
}

func parse(file string, content []byte) ([]document, error) {
	if strings.EqualFold(filepath.Ext(file), ".toml") {
		root, err := parseTOML(content)
		if err != nil {
			return nil, err
		}
		return []document{{file: file, form: formOf(root), root: root}}, nil
	}
	var found []document
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var root yaml.Node
		if err := decoder.Decode(&root); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return found, err
		}
		if size(&root, map[*yaml.Node]int{}) > maxNodes {
			return found, errors.New("is too large, or an alias stands for itself")
		}
		if len(root.Content) == 1 {
			found = append(found, document{file: file, form: formOf(root.Content[0]), root: root.Content[0]})
		}
	}
}

// formOf tells documents apart by what they begin with.
func formOf(root *yaml.Node) form {
	has := func(names ...string) bool {
		for _, name := range names {
			if at(root, name) != nil {
				return true
			}
		}
		return false
	}
	switch {
	case has("kind") && has("apiVersion", "metadata"):
		return kubernetesForm
	case at(root, "services") != nil && at(root, "http") == nil:
		return composeForm
	case has("http", "tcp", "udp"):
		return dynamicForm
	case has("entryPoints", "providers", "experimental", "api", "certificatesResolvers", "additionalArguments", "ports", "log", "accessLog", "tracing", "metrics"):
		return staticForm
	}
	return other
}

var lineNumber = regexp.MustCompile(`(?:line |^template: :)(\d+)`)

// lineIn is the line that an error names, else the first.
func lineIn(err error) int {
	match := lineNumber.FindStringSubmatch(err.Error())
	if match == nil {
		return 1
	}
	line, _ := strconv.Atoi(match[1])
	return line
}
