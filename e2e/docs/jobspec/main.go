// Command jobspec reads a Nomad job from a file, as strictly as `nomad job run` does, and prints it as JSON, as Nomad's
// API takes it.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	"github.com/hashicorp/nomad/jobspec2"
)

func main() {
	if err := print(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func print(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	job, err := jobspec2.ParseWithConfig(&jobspec2.ParseConfig{Path: path, Body: text, Strict: true})
	if err != nil {
		return err
	}
	job.Canonicalize()
	return json.NewEncoder(os.Stdout).Encode(job)
}
