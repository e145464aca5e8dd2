package review

import (
	"cmp"
	"path"
	"strings"

	"gopkg.in/yaml.v3"
)

// mount is a file or folder in a container of Traefik's.
type mount struct {
	place
	target string
	// isSecret reports that Docker mounts it as a secret: with such a one a new value means a new container anyway.
	isSecret bool
}

// judgeMounts finds files that are mounted alone, though they are read again while Traefik runs.
func (r *review) judgeMounts() {
	for _, m := range r.mounts {
		for _, one := range r.middlewares {
			if one.options == nil {
				continue
			}
			registry, keys := one.files()
			if same(m.target, registry) {
				r.add(m.place, "single-file", one.String(), "the list of terminals is mounted alone, and a container goes on seeing the old file when it is replaced, so that who is taken out stays in: mount its folder")
			}
			for _, key := range keys {
				if same(m.target, key) && !m.isSecret {
					r.add(m.place, "single-file", one.String(), "a key is mounted alone, and a container goes on seeing the old file when it is replaced: mount its folder, or make it one of Docker's secrets")
				}
			}
		}
		for _, s := range r.statics {
			if same(m.target, s.values["providers.file.filename"].value) {
				r.add(m.place, "single-file", "", "the dynamic configuration is mounted alone, and a container goes on seeing the old file when it is replaced: mount its folder")
			}
		}
	}
}

func same(target, file string) bool {
	return file != "" && target != "" && path.Clean(target) == path.Clean(file)
}

// readMounts reads a list of volume mounts of Kubernetes: one with a subPath is never updated.
func (r *review) readMounts(file string, list *yaml.Node) {
	for _, one := range items(list) {
		if text(at(one, "subPath")) != "" {
			r.mounts = append(r.mounts, mount{place: place{file, one.Line}, target: text(at(one, "mountPath"))})
		}
	}
}

// readVolumes reads the volumes of a service in a compose file.
func (r *review) readVolumes(file string, list *yaml.Node) {
	for _, one := range items(list) {
		source, target := volume(one)
		if isPath(source) {
			r.mounts = append(r.mounts, mount{place: place{file, one.Line}, target: target})
		}
	}
}

// volume is what an entry of a service's volumes says in either form: a path of the machine or a volume's name, and where
// that is in the container.
func volume(n *yaml.Node) (source, target string) {
	parts := strings.Split(text(n), ":")
	switch {
	case len(parts) >= 3 && len(parts[0]) == 1: // C:\…
		return parts[0] + ":" + parts[1], parts[2]
	case len(parts) >= 2:
		return parts[0], parts[1]
	}
	return text(at(n, "source")), cmp.Or(text(n), text(at(n, "target")))
}

// isPath tells a path of the machine from a volume's name.
func isPath(source string) bool { return strings.ContainsAny(source, `/.~\$`) }

// readGrants reads the secrets or the configs of a service in a compose file.
func (r *review) readGrants(file string, list *yaml.Node, folder string, isSecret bool) {
	for _, one := range items(list) {
		r.mounts = append(r.mounts, mount{place: place{file, one.Line}, target: grant(one, folder), isSecret: isSecret})
	}
}

// grant is where a secret or a config is in the container.
func grant(n *yaml.Node, folder string) string {
	target := cmp.Or(text(n), text(at(n, "target")), text(at(n, "source")))
	if strings.HasPrefix(target, "/") {
		return target
	}
	return path.Join(folder, target)
}
