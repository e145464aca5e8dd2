// Package option reads configuration values of whatever type Traefik delivers:
// a label and a KV pair deliver every scalar as text, YAML and Kubernetes do not.
//
// Nothing here returns an error: what cannot be used is noted in a Report under
// the option's full name, and the default takes its place. Traefik would drop a
// router whose plugin fails to configure, and with it the protection.
package option

import (
	"fmt"
	"net/url"
	"reflect"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/traefik/paerser/types"
)

// Section is a group of options, such as `token` or `keys[1]`. Names are
// matched without regard to case, as Traefik does.
type Section struct {
	// Path is the section's full name; empty at the top.
	Path string
	// Key is the name of an entry of a map; empty in a list.
	Key string

	report *Report
	values map[string]interface{} // by lower-case name
	given  map[string]string      // lower-case name → as the operator spelled it
	known  []string
}

// Open reads value as a section called path. An absent value is an empty
// section; one that is not a map is reported and reads as empty.
func Open(report *Report, path string, value interface{}) *Section {
	s := &Section{Path: path, report: report}
	// Most sections are absent, and Traefik has a middleware made for each router.
	if value == nil {
		return s
	}
	entries, ok := Map(value)
	if !ok {
		report.Add(path, "is "+Kind(value)+" where options of its own belong: write it as "+path+".NAME: VALUE")
		return s
	}
	s.values = map[string]interface{}{}
	s.given = map[string]string{}
	for _, name := range Names(entries) {
		entry := entries[name]
		// At the top, most are not there.
		if entry == nil {
			continue
		}
		lower := strings.ToLower(name)
		if _, twice := s.values[lower]; twice {
			report.Add(s.Name(name), "is given twice, in different case: keep one")
		}
		s.values[lower] = entry
		s.given[lower] = name
	}
	return s
}

// Name is the full name of one of the section's options; of the section itself
// where name is empty.
func (s *Section) Name(name string) string {
	if s.Path == "" || name == "" {
		return s.Path + name
	}
	return s.Path + "." + name
}

// Problem notes a problem of one of the section's options.
func (s *Section) Problem(name, text string) {
	s.report.Add(s.Name(name), text)
}

// Remark notes what is no mistake; name as in Problem.
func (s *Section) Remark(name, text string) {
	s.report.Remark(s.Name(name), text)
}

// Problems counts what has been noted of the whole configuration so far, so that what
// follows from a problem is not noted as another one.
func (s *Section) Problems() int {
	return len(s.report.problems)
}

// Value is the option as it was delivered; nil when it is absent.
func (s *Section) Value(name string) interface{} {
	return valueOf(s, name)
}

// valueOf is Value, without what a method costs the interpreter.
func valueOf(s *Section, name string) interface{} {
	if s.values == nil {
		return nil
	}
	s.known = append(s.known, name)
	value := s.values[strings.ToLower(name)]
	return value
}

// Has reports whether the option was given, be it empty.
func (s *Section) Has(name string) bool {
	_, ok := s.values[strings.ToLower(name)]
	return ok
}

// Text reads a text; numbers and booleans are written out.
func (s *Section) Text(name, fallback string) string {
	value := valueOf(s, name)
	if value == nil {
		return fallback
	}
	text, ok := Text(value)
	if !ok {
		s.Problem(name, "is "+Kind(value)+" where one text belongs")
		return fallback
	}
	return text
}

// Bool reads true or false, also as text.
func (s *Section) Bool(name string, fallback bool) bool {
	value := valueOf(s, name)
	if value == nil {
		return fallback
	}
	text, ok := Text(value)
	if ok {
		b, err := strconv.ParseBool(strings.ToLower(strings.TrimSpace(text)))
		if err == nil {
			return b
		}
	}
	s.Problem(name, "is neither true nor false: write true or false")
	return fallback
}

// Duration reads a length of time as everywhere in Traefik: `10s`, `1h30m`, or plain
// seconds. Negative ones are reported.
func (s *Section) Duration(name string, fallback time.Duration) time.Duration {
	value := valueOf(s, name)
	if value == nil {
		return fallback
	}
	text, ok := Text(value)
	text = strings.TrimSpace(text)
	var d types.Duration
	err := d.Set(text)
	problem := ""
	if !ok || err != nil {
		problem = "is not a length of time"
	} else if d < 0 || len(text) > 10 && strings.Trim(text, "+-0123456789") == "" {
		// Plain seconds are multiplied unchecked in paerser: beyond ten digits they could wrap.
		problem = "is negative or longer than anything sensible"
	}
	if problem != "" {
		s.Problem(name, problem+": write it as 10s, 5m, 1h30m, or plain seconds")
		return fallback
	}
	return time.Duration(d)
}

// Texts reads one or several texts: a list, or text with commas between.
func (s *Section) Texts(name string) []string {
	value := valueOf(s, name)
	if value == nil {
		return nil
	}
	texts, ok := Texts(value)
	if !ok {
		s.Problem(name, "is "+Kind(value)+" where a text or a list of texts belongs")
	}
	return texts
}

// Section reads a group of options within this one.
func (s *Section) Section(name string) *Section {
	value := valueOf(s, name)
	if value != nil && IsEmpty(value) {
		value = nil
	}
	return Open(s.report, s.Name(name), value)
}

// Sections reads a list of groups: `keys[0]`, `keys[1]`, …
func (s *Section) Sections(name string) []*Section {
	value := valueOf(s, name)
	if value == nil || IsEmpty(value) {
		return nil
	}
	entries, ok := list(value)
	if !ok {
		s.Problem(name, "is "+Kind(value)+" where a list belongs: begin each entry with a dash (labels: "+s.Name(name)+"[0].NAME=VALUE)")
		return nil
	}
	var sections []*Section
	for i, entry := range entries {
		path := s.Name(name) + "[" + strconv.Itoa(i) + "]"
		if entry == nil {
			s.report.Add(path, "is empty: fill it or take it out")
			continue
		}
		sections = append(sections, Open(s.report, path, entry))
	}
	return sections
}

// Shorthands reads one or several groups, for each of which its name alone will do: that is
// then the section's key. Names may also be text with commas between.
func (s *Section) Shorthands(name string) []*Section {
	value := valueOf(s, name)
	if value == nil || IsEmpty(value) {
		return nil
	}
	var sections []*Section
	entries, isList := list(value)
	for i, entry := range entries {
		sections = appendShorthand(sections, s.report, s.Name(name)+"["+strconv.Itoa(i)+"]", entry)
	}
	if isList {
		if isMixed(sections) {
			s.Problem(name, "has names beside groups, and Traefik would lose the names: write each as a group, {name: NAME}")
		}
		return sections
	}
	texts, isText := Texts(value)
	for _, text := range texts {
		sections = appendShorthand(sections, s.report, s.Name(name), text)
	}
	if isText {
		return sections
	}
	return appendShorthand(sections, s.report, s.Name(name), value)
}

// isMixed reports whether some sections are their names alone, and others are not.
func isMixed(sections []*Section) bool {
	short := 0
	for _, one := range sections {
		if one.Key != "" {
			short++
		}
	}
	return short > 0 && short < len(sections)
}

func appendShorthand(sections []*Section, report *Report, path string, value interface{}) []*Section {
	text, isText := Text(value)
	if !isText {
		return appendEntry(sections, report, path, "", value)
	}
	if strings.TrimSpace(text) == "" {
		return sections
	}
	return appendEntry(sections, report, path, text, nil)
}

// Entries reads a list of groups, or a map of them by name, in the order of their names.
// An empty entry is an empty group: Traefik's file provider and KV stores deliver `{}`,
// and what is left of a group, as empty text.
func (s *Section) Entries(name string) []*Section {
	value := valueOf(s, name)
	if value == nil || IsEmpty(value) {
		return nil
	}
	var sections []*Section
	listed, isList := list(value)
	for i, entry := range listed {
		sections = appendEntry(sections, s.report, s.Name(name)+"["+strconv.Itoa(i)+"]", "", entry)
	}
	if isList {
		return sections
	}
	entries, isMap := Map(value)
	if !isMap {
		s.Problem(name, "is "+Kind(value)+" where a list or a map belongs: write "+s.Name(name)+".NAME.OPTION: VALUE, or begin each entry with a dash")
		return nil
	}
	for _, key := range Names(entries) {
		sections = appendEntry(sections, s.report, s.Name(name)+"."+key, key, entries[key])
	}
	return sections
}

// appendEntry leaves out what is neither a group nor empty, which Open reports.
func appendEntry(sections []*Section, report *Report, path, key string, value interface{}) []*Section {
	if value != nil && IsEmpty(value) {
		value = nil
	}
	section := Open(report, path, value)
	if value != nil && section.given == nil {
		return sections
	}
	section.Key = key
	return append(sections, section)
}

// Unknown reports every option that was given and that nothing has read, with
// the nearest known name, and reports whether there is one.
func (s *Section) Unknown() bool {
	if len(s.values) == 0 {
		return false
	}
	// One native search for each that was given costs less than a set of all that are known.
	known := "\n" + strings.ToLower(strings.Join(s.known, "\n")) + "\n"
	var strangers []string
	for lower := range s.values {
		if strings.Contains(lower, "\n") || !strings.Contains(known, "\n"+lower+"\n") {
			strangers = append(strangers, lower)
		}
	}
	sort.Strings(strangers)
	for _, lower := range strangers {
		name := s.Name(s.given[lower])
		s.report.Add(name, unknown+name+"`: "+suggestion(lower, s.known))
	}
	return len(strangers) > 0
}

// Text is a scalar as text; an empty list, which is what an empty label becomes
// in places, is empty text.
func Text(value interface{}) (string, bool) {
	text, ok := value.(string)
	if ok {
		return text, true
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Bool, reflect.Int, reflect.Int64, reflect.Uint64:
		return fmt.Sprint(value), true
	case reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'f', -1, 64), true
	case reflect.Slice:
		return "", v.Len() == 0
	}
	return "", false
}

// Texts is one or several texts; empty ones are left out.
func Texts(value interface{}) ([]string, bool) {
	entries, ok := list(value)
	if !ok {
		text, ok := Text(value)
		if !ok {
			return nil, false
		}
		for _, part := range strings.Split(text, ",") {
			entries = append(entries, part)
		}
	}
	var texts []string
	for _, entry := range entries {
		text, ok := Text(entry)
		if !ok {
			return nil, false
		}
		text = strings.TrimSpace(text)
		if text != "" {
			texts = append(texts, text)
		}
	}
	return texts, true
}

// Map is a value's entries by name, if it has any.
func Map(value interface{}) (map[string]interface{}, bool) {
	entries, ok := value.(map[string]interface{})
	if ok {
		return entries, true
	}
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Map {
		return nil, false
	}
	copied := map[string]interface{}{}
	for _, key := range v.MapKeys() {
		name, ok := Text(key.Interface())
		if !ok {
			return nil, false
		}
		copied[name] = v.MapIndex(key).Interface()
	}
	return copied, true
}

// Names are a map's keys in order, so that problems are always told in the same one.
func Names(entries map[string]interface{}) []string {
	names := make([]string, 0, len(entries))
	for name := range entries {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Kind says in words what was found, never its value, which may be secret.
func Kind(value interface{}) string {
	_, isDate := value.(time.Time)
	if isDate {
		return "a date (quote it to keep it a text)"
	}
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.String:
		if v.Len() == 0 {
			return "empty text"
		}
		return "text"
	case reflect.Bool:
		return "a boolean"
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return "a number"
	case reflect.Map:
		return "a map"
	case reflect.Slice:
		return "a list"
	}
	return "a value of an unexpected type"
}

func list(value interface{}) ([]interface{}, bool) {
	members, ok := value.([]interface{})
	if ok {
		return members, true
	}
	v := reflect.ValueOf(value)
	if v.Kind() != reflect.Slice {
		return nil, false
	}
	entries := make([]interface{}, 0, v.Len())
	for i := 0; i < v.Len(); i++ {
		entries = append(entries, v.Index(i).Interface())
	}
	return entries, true
}

// IsEmpty reports whether the value is an empty text, list or map: Traefik's file
// provider delivers all three as empty text.
func IsEmpty(value interface{}) bool {
	text, ok := Text(value)
	if ok {
		return text == ""
	}
	entries, ok := Map(value)
	return ok && len(entries) == 0
}

// IsAddress reports whether the text is a URL that can be asked: http or https, and a host.
func IsAddress(text string) bool {
	parsed, err := url.Parse(text)
	return err == nil && parsed.Host != "" && (parsed.Scheme == "https" || parsed.Scheme == "http")
}
