package command

import (
	"reflect"
	"strings"
	"time"
	"unicode"

	"github.com/traefik/paerser/types"
)

// Option is one that a command has.
type Option struct {
	Name        string // as it is written: secretFile, for --secretFile and PTL_SECRETFILE
	Description string
	Default     string   // empty: none
	Values      []string // the words that it takes; nil: any
	// IsSwitch reports that it takes no value.
	IsSwitch bool
	// IsSite reports that it says where things are, and so can stand in ptl.yml.
	IsSite bool
}

// OptionsOf are the options of a command, its own before those that ptl.yml may say.
func OptionsOf(c *Command) []Option {
	if c.Options == nil {
		return nil
	}
	own, site := optionsIn(reflect.ValueOf(c.Options).Elem(), false)
	for i := range own {
		own[i].Values = c.Values[own[i].Name]
	}
	return append(own, site...)
}

func optionsIn(structure reflect.Value, isSite bool) (own, site []Option) {
	for i := range structure.NumField() {
		field, value := structure.Type().Field(i), structure.Field(i)
		if field.Anonymous {
			_, embedded := optionsIn(value, true)
			site = append(site, embedded...)
			continue
		}
		o := Option{
			Name:        optionName(field.Name),
			Description: field.Tag.Get("description"),
			IsSwitch:    field.Type.Kind() == reflect.Bool,
			IsSite:      isSite,
		}
		if !value.IsZero() {
			o.Default = shown(value)
		}
		if isSite {
			site = append(site, o)
		} else {
			own = append(own, o)
		}
	}
	return own, site
}

func shown(value reflect.Value) string {
	switch v := value.Interface().(type) {
	case string:
		return v
	case types.Duration:
		text := time.Duration(v).String()
		text = strings.TrimSuffix(text, "0s")
		if strings.HasSuffix(text, "h0m") {
			text = strings.TrimSuffix(text, "0m")
		}
		return text
	case bool:
		return "true"
	}
	return ""
}

// optionName is a field's name with small letters up to its last capital one in a row: URL is url, SecretFile secretFile.
func optionName(field string) string {
	letters := []rune(field)
	for i, letter := range letters {
		if i > 0 && i+1 < len(letters) && unicode.IsLower(letters[i+1]) || !unicode.IsUpper(letter) {
			break
		}
		letters[i] = unicode.ToLower(letter)
	}
	return string(letters)
}
