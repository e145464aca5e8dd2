package vectors

import (
	"github.com/getportal/ptlauth/internal/key"
	"github.com/getportal/ptlauth/internal/option"
	"github.com/getportal/ptlauth/internal/token"
)

// This file is compiled with the tests and interpreted by them: one source, two runtimes.

// Decide reads keys and rules as New does. It returns what tells why a token is refused at a time, or empty text, or
// else what is wrong with the configuration.
func Decide(config map[string]interface{}) (func(text string, now int64) string, string) {
	keys, top, report := read(config)
	rules := token.Read(top)
	top.Unknown()
	return decider(keys, rules), problemsOf(report)
}

// Verify is Decide for the signature alone, of a text that need not be a token's.
func Verify(config map[string]interface{}) (func(signed, signature string) bool, string) {
	keys, top, report := read(config)
	top.Unknown()
	return verifier(keys), problemsOf(report)
}

func read(config map[string]interface{}) ([]*key.Key, *option.Section, *option.Report) {
	report := &option.Report{}
	top := option.Open(report, "", config)
	entries := key.Read(top)
	key.Open(entries, report)
	keys, complete := key.Ready(entries)
	if !complete {
		report.Add("", "a key cannot be used")
	}
	return keys, top, report
}

func problemsOf(report *option.Report) string {
	if len(report.Problems()) == 0 {
		return ""
	}
	return report.String()
}

func decider(keys []*key.Key, rules *token.Rules) func(string, int64) string {
	return func(text string, now int64) string {
		_, problem := token.Verify(text, keys, rules, now)
		return problem
	}
}

func verifier(keys []*key.Key) func(string, string) bool {
	return func(signed, signature string) bool {
		for _, k := range keys {
			if key.Verify(k, signed, signature) {
				return true
			}
		}
		return false
	}
}
