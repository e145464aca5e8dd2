package review

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"gopkg.in/yaml.v3"
)

// container is one of Traefik's in a compose file.
type container struct {
	place
	name    string // of its service
	volumes []bind
	// isOpen reports that it may have more files than are mounted here.
	isOpen bool
}

// bind is what a container has at a path: source is a path of the machine, or empty where that is not known.
type bind struct{ source, target string }

// readContainer reads which files a Traefik in a compose file has beside those of its image.
func (r *review) readContainer(file string, f field) {
	c := &container{place: place{file, f.line}, name: f.name}
	for _, name := range []string{"extends", "volumes_from"} {
		c.isOpen = c.isOpen || at(f.node, name) != nil
	}
	if build := at(f.node, "build"); build != nil { // of a folder, anything may be put into it
		c.isOpen = c.isOpen || !strings.Contains(text(build)+text(at(build, "context")), "://")
	}
	for _, one := range items(at(f.node, "volumes")) {
		source, target := volume(one)
		target, isKnown := interpolated(target)
		c.isOpen = c.isOpen || !isKnown
		if source, isKnown = interpolated(source); !isKnown || !isPath(source) || strings.HasPrefix(source, "~") {
			source = ""
		} else if !filepath.IsAbs(source) {
			source = filepath.Join(filepath.Dir(file), source)
		}
		c.volumes = append(c.volumes, bind{source, target})
	}
	for folder, list := range map[string]*yaml.Node{"/run/secrets": at(f.node, "secrets"), "/": at(f.node, "configs")} {
		for _, one := range items(list) {
			c.volumes = append(c.volumes, bind{"", grant(one, folder)})
		}
	}
	c.isOpen = c.isOpen || len(c.volumes) == 0 // a part of a file, as in a manual
	r.containers = append(r.containers, c)
}

// containerOf is where a middleware is read; nil: that cannot be told.
func (r *review) containerOf(m *middleware) *container {
	var found []*container
	for _, c := range r.containers {
		isOther := c.file != m.file && filepath.Dir(c.file) != filepath.Dir(m.file) // compose.override.yml is not
		if m.provider == "file" || !isOther {
			found = append(found, c)
		}
	}
	if len(found) != 1 || m.provider != "file" && m.provider != "docker" && m.provider != "swarm" {
		return nil
	}
	return found[0]
}

// has reports whether there is something at that path, and where that is on this machine, if it is known.
func (c *container) has(file string) (here string, isThere bool) {
	longest := -1
	for _, one := range c.volumes {
		target := path.Clean(one.target)
		below, isBelow := strings.CutPrefix(path.Clean(file)+"/", strings.TrimSuffix(target, "/")+"/")
		if !isBelow || len(target) < longest {
			continue
		}
		here, isThere, longest = "", true, len(target)
		if one.source != "" {
			here = filepath.Join(one.source, filepath.FromSlash(below))
		}
	}
	return here, isThere
}

// judgeContainers finds what a middleware reads and Traefik's container does not have.
func (r *review) judgeContainers() {
	for _, m := range r.middlewares {
		c := r.containerOf(m)
		if m.options == nil || c == nil || c.isOpen {
			continue
		}
		without := ""
		if m.provider == "file" {
			without = " (or take " + filepath.Base(c.file) + " away, where Traefik runs without a container)"
		}
		for _, one := range m.readings() {
			if _, isThere := c.has(one.path); !isThere {
				folder := path.Dir(one.path)
				r.add(place{m.file, m.lines(one.option)}, "unmounted-file", m.String(), "Traefik's container ("+c.file+":"+itoa(c.line)+") has no "+one.path+": mount the folder with it there, as in `./"+path.Base(folder)+":"+folder+":ro` below its volumes, or correct the path"+without)
			}
		}
	}
}

// Reading is a file that a middleware reads, and where it is on this machine.
type Reading struct {
	File       string // which says so
	Line       int
	About      string // the middleware
	Path, Here string // as Traefik sees it, and as this machine does
	IsRegistry bool   // it is the list of terminals
}

// Readings are the files of middlewares of which it is known where they are on this machine: mounted into the container of
// a compose file, or, where a file is read and no container, under the same path in a folder that is here.
func Readings(paths []string) ([]Reading, error) {
	r, err := read(paths)
	if err != nil {
		return nil, err
	}
	var all []Reading
	for _, m := range r.middlewares {
		if m.options == nil {
			continue
		}
		for _, one := range m.readings() {
			if here := r.here(m, one.path); here != "" {
				all = append(all, Reading{m.file, m.lines(one.option), m.String(), one.path, here, one.isRegistry})
			}
		}
	}
	return all, nil
}

// here is where a middleware's file is on this machine; empty: that is not known.
func (r *review) here(m *middleware, file string) string {
	if c := r.containerOf(m); c != nil {
		here, _ := c.has(file)
		return here
	}
	if m.provider != "file" || len(r.containers) > 0 {
		return ""
	}
	if _, err := os.Stat(filepath.Dir(file)); err != nil {
		return ""
	}
	return file
}

// IsMissing reports whether there is no such file.
func (r *Reading) IsMissing() bool {
	_, err := os.Stat(r.Here)
	return errors.Is(err, fs.ErrNotExist)
}
