// Package settings finds out what ptl is asked to do and with which files: from options, the environment and ptl.yml, as
// Traefik does, and from the configuration of the middleware itself.
package settings

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/traefik/paerser/cli"
	"github.com/traefik/paerser/env"
	"github.com/traefik/paerser/file"
	"github.com/traefik/paerser/flag"
	"gopkg.in/yaml.v3"

	"github.com/getportal/ptlauth/cmd/command"
	"github.com/getportal/ptlauth/cmd/store"
)

// Site says where the things are that ptl works on. Commands that need one embed it in their options.
type Site struct {
	URL        string `description:"Where the site is, as a browser asks for it, such as https://chat.example.com."`
	Dynamic    string `description:"Traefik's file with the middleware's configuration."`
	Middleware string `description:"The middleware's name, where the file has several."`
	SecretFile string `description:"The file with the secret on this machine, where the middleware has another path for it (a container's)."`
	Registry   string `description:"The list of terminals on this machine, where the middleware has another path for it; or the store that configures the middleware with its list, as in redis://HOST:6379/0, etcd://HOST:2379, consul://HOST:8500 or zookeeper://HOST:2181; or the cluster's, as in kubernetes://NAMESPACE/MIDDLEWARE."`
	ConfigFile string `description:"The file that says all this: ptl.yml."`
}

const prefix = "PTL_"

// places are where ptl.yml is looked for, in this order: as Traefik looks for its own file, and in this folder first.
var places = placesOn(runtime.GOOS)

// placesOn are those of a system. On Windows anybody may make a folder /etc.
func placesOn(system string) []string {
	if system == "windows" {
		return []string{"./ptl", "$APPDATA/ptl/ptl"}
	}
	return []string{"./ptl", "$XDG_CONFIG_HOME/ptl", "$HOME/.config/ptl", "/etc/ptl/ptl"}
}

// Searched are the places where ptl.yml is looked for, as a sentence has them, with this machine's folders.
func Searched() string {
	var folders []string
	for _, place := range places {
		folder := filepath.Dir(os.ExpandEnv(place))
		if folder == "." {
			here, err := os.Getwd()
			if err != nil {
				here = "this folder"
			}
			folder = here
		}
		isUnset := strings.HasPrefix(place, "$") && !filepath.IsAbs(os.ExpandEnv(strings.Split(place, "/")[0]))
		if !isUnset && !slices.Contains(folders, folder) {
			folders = append(folders, folder)
		}
	}
	last := len(folders) - 1
	return strings.Join(folders[:last], ", ") + " or " + folders[last]
}

// Load fills in a command's options, and returns its arguments. An option goes before a variable, and that before a file.
func Load(c *command.Command, args []string) ([]string, error) {
	flags, arguments, err := split(c, args)
	if err != nil {
		return nil, err
	}
	if c.Arguments == "" && len(arguments) > 0 {
		return nil, command.Errorf(command.Usage, "%q is one too many: ptl %s --help says how it is written", arguments[0], c.Name)
	}
	if c.Options == nil {
		return arguments, nil
	}
	if site := siteIn(c.Options); site != nil {
		if err := loadFile(site, flags); err != nil {
			return nil, err
		}
	}
	if variables := env.FindPrefixedEnvVars(known(c), prefix, c.Options); len(variables) > 0 {
		if err := env.Decode(variables, prefix, c.Options); err != nil {
			return nil, command.Errorf(command.Usage, "a variable of the environment that begins with PTL_ is not as it should be: %s", err)
		}
	}
	if len(flags) > 0 {
		if err := flag.Decode(flags, c.Options); err != nil {
			return nil, command.Errorf(command.Usage, "an option is not as it should be: %s", err)
		}
	}
	return arguments, nil
}

// known are the variables that are options of the command, to the letter.
func known(c *command.Command) []string {
	var variables []string
	for _, o := range command.OptionsOf(c) {
		name := prefix + strings.ToUpper(o.Name)
		if value := os.Getenv(name); value != "" {
			variables = append(variables, name+"="+value)
		}
	}
	return variables
}

// split keeps options and arguments apart, in whatever order they are written.
func split(c *command.Command, args []string) (flags, arguments []string, err error) {
	options := command.OptionsOf(c)
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return flags, append(arguments, args[i+1:]...), nil
		}
		if len(arg) < 2 || arg[0] != '-' {
			arguments = append(arguments, arg)
			continue
		}
		name, _, hasValue := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		at := slices.IndexFunc(options, func(o command.Option) bool { return strings.EqualFold(o.Name, name) })
		if at < 0 {
			return nil, nil, command.Errorf(command.Usage, "there is no option --%s: ptl %s --help lists them", name, c.Name)
		}
		flags = append(flags, arg)
		if hasValue || options[at].IsSwitch {
			continue
		}
		i++
		if i == len(args) || isOption(options, args[i]) {
			return nil, nil, command.Errorf(command.Usage, "--%s needs a value, as in --%s=VALUE", options[at].Name, options[at].Name)
		}
		flags[len(flags)-1] = arg + "=" + args[i]
	}
	return flags, arguments, nil
}

// isOption reports whether a word is one of the options, and so hardly the value of another.
func isOption(options []command.Option, word string) bool {
	name, isLong := strings.CutPrefix(word, "--")
	name, _, _ = strings.Cut(name, "=")
	return isLong && slices.ContainsFunc(options, func(o command.Option) bool { return strings.EqualFold(o.Name, name) })
}

// siteIn is the Site that is embedded in a command's options; nil: there is none.
func siteIn(options any) *Site {
	field := reflect.ValueOf(options).Elem().FieldByName("Site")
	if !field.IsValid() {
		return nil
	}
	site, _ := field.Addr().Interface().(*Site)
	return site
}

// loadFile reads ptl.yml. A path in it is relative to its own folder.
func loadFile(site *Site, flags []string) error {
	named := os.Getenv(prefix + "CONFIGFILE")
	for _, arg := range flags {
		name, value, _ := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		if strings.EqualFold(name, "configFile") {
			named = value
		}
	}
	path, err := cli.Finder{BasePaths: places, Extensions: []string{"yml", "yaml", "toml"}}.Find(named)
	if named != "" {
		path = named
		_, err = os.Stat(path)
	}
	if err != nil {
		return command.Errorf(command.Usage, "%s", err)
	}
	if path == "" {
		return nil
	}
	if err := checkNames(path); err != nil {
		return err
	}
	if err := file.Decode(path, site); err != nil {
		return command.Errorf(command.Usage, "%s cannot be read: %s", path, err)
	}
	site.ConfigFile = path
	for _, other := range []*string{&site.Dynamic, &site.SecretFile, &site.Registry} {
		if *other != "" && !store.Is(*other) && !filepath.IsAbs(*other) {
			*other = filepath.Join(filepath.Dir(path), *other)
		}
	}
	return nil
}

// checkNames finds what paerser would pass over in silence.
func checkNames(path string) error {
	if strings.EqualFold(filepath.Ext(path), ".toml") {
		return nil
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return command.Errorf(command.Usage, "%s", err)
	}
	names := map[string]any{}
	if err := yaml.Unmarshal(content, &names); err != nil {
		return command.Errorf(command.Usage, "%s cannot be read: %s", path, err)
	}
	for name := range names {
		if _, ok := reflect.TypeFor[Site]().FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) }); !ok {
			return command.Errorf(command.Usage, "%s: there is no option `%s`: it says url, dynamic, middleware, secretFile and registry", path, name)
		}
	}
	return nil
}
