package manual

import (
	"fmt"
	"slices"
	"strings"
)

// Shells are those that there is a completion for.
var Shells = []string{"bash", "fish", "zsh"}

// Completion is the script that completes a program's command line in a shell; empty: there is none for it.
func Completion(p *Program, shell string) string {
	switch shell {
	case "bash":
		return bash(p)
	case "fish":
		return fish(p)
	case "zsh":
		return zsh(p)
	}
	return ""
}

// flags are a command's options as they are completed: one that takes a value ends in an equals sign.
func flags(p *Program, c Command) []string {
	var all []string
	for _, o := range optionsOf(p, c) {
		name := "--" + o.Name
		if !o.IsSwitch {
			name += "="
		}
		all = append(all, name)
	}
	return append(all, "--help")
}

// optionsOf are a command's own, and those that it shares.
func optionsOf(p *Program, c Command) []Option {
	if c.HasShared {
		return slices.Concat(c.Options, p.Shared)
	}
	return c.Options
}

func commandNames(p *Program) []string {
	var names []string
	for _, c := range p.Commands {
		names = append(names, c.Name)
	}
	return names
}

// Quoted is a text between a shell's single quotes.
func Quoted(text string) string { return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'" }

func bash(p *Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# bash completion for %[1]s: source <(%[1]s completion bash)\n", p.Name)
	fmt.Fprintf(&b, "_%s() {\n", p.Name)
	b.WriteString(`    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= flags= words= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} != -* ]]; then
            command=${COMP_WORDS[i]}
            break
        fi
    done
    case $command in
`)
	fmt.Fprintf(&b, "        '') flags=--help words=%s ;;\n", Quoted(strings.Join(commandNames(p), " ")))
	for _, c := range p.Commands {
		words := Quoted(strings.Join(c.Values, " "))
		if c.Lister != "" {
			words = fmt.Sprintf("$(%s %s 2>/dev/null | cut -f 1)", p.Name, c.Lister)
		}
		fmt.Fprintf(&b, "        %s) flags=%s words=%s ;;\n", c.Name, Quoted(strings.Join(flags(p, c), " ")), words)
	}
	b.WriteString(`    esac
    # Bash takes the equals sign for a word of its own.
    [[ $current == = ]] && current=
    [[ $before == = ]] && before=${COMP_WORDS[COMP_CWORD-2]}
    case $command$before in
`)
	for _, c := range p.Commands {
		for _, o := range optionsOf(p, c) {
			if len(o.Values) > 0 {
				fmt.Fprintf(&b, "        %s--%s) words=%s ;;\n", c.Name, o.Name, Quoted(strings.Join(o.Values, " ")))
			}
		}
	}
	b.WriteString(`    esac
    COMPREPLY=()
    if [[ $current == -* ]]; then
        COMPREPLY=($(compgen -W "$flags" -- "$current"))
        [[ ${COMPREPLY[0]} == *= ]] && compopt -o nospace
    elif [[ -n $words ]]; then
        COMPREPLY=($(compgen -W "$words" -- "$current"))
    fi
}
`)
	fmt.Fprintf(&b, "complete -o default -F _%[1]s %[1]s\n", p.Name)
	return b.String()
}

func fish(p *Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# fish completion for %[1]s: %[1]s completion fish | source\n", p.Name)
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "complete -c %s -f -n __fish_use_subcommand -a %s -d %s\n", p.Name, c.Name, Quoted(c.Summary))
	}
	for _, c := range p.Commands {
		where := Quoted("__fish_seen_subcommand_from " + c.Name)
		for _, o := range optionsOf(p, c) {
			value := " -r"
			if o.IsSwitch {
				value = ""
			}
			if len(o.Values) > 0 {
				value = " -x -a " + Quoted(strings.Join(o.Values, " "))
			}
			fmt.Fprintf(&b, "complete -c %s -n %s -l %s%s -d %s\n", p.Name, where, o.Name, value, Quoted(o.Description))
		}
		words := strings.Join(c.Values, " ")
		if c.Lister != "" {
			words = fmt.Sprintf("(%s %s 2>/dev/null)", p.Name, c.Lister)
		}
		if words != "" {
			fmt.Fprintf(&b, "complete -c %s -n %s -f -a %s\n", p.Name, where, Quoted(words))
		}
	}
	return b.String()
}

// forZsh is a text within the brackets of a specification.
func forZsh(text string) string {
	return strings.NewReplacer(`\`, `\\`, "[", `\[`, "]", `\]`, ":", `\:`).Replace(text)
}

func zsh(p *Program) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#compdef %[1]s\n# zsh completion for %[1]s: source <(%[1]s completion zsh)\n", p.Name)
	for _, c := range p.Commands {
		if c.Lister != "" {
			fmt.Fprintf(&b, "_%[1]s_%[2]s() {\n    local -a words\n    words=(${(f)\"$(%[1]s %[3]s 2>/dev/null | tr '\\t' ':')\"})\n    _describe word words\n}\n", p.Name, c.Name, c.Lister)
		}
	}
	fmt.Fprintf(&b, "_%s() {\n    local -a commands\n    commands=(\n", p.Name)
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "        %s\n", Quoted(c.Name+":"+strings.ReplaceAll(c.Summary, ":", `\:`)))
	}
	b.WriteString("    )\n    if (( CURRENT == 2 )); then\n        _describe command commands\n        return\n    fi\n    case $words[2] in\n")
	for _, c := range p.Commands {
		fmt.Fprintf(&b, "        %s) _arguments", c.Name)
		for _, o := range optionsOf(p, c) {
			value := "=[" + forZsh(o.Description) + "]:value:_files"
			if len(o.Values) > 0 {
				value = "=[" + forZsh(o.Description) + "]:value:(" + strings.Join(o.Values, " ") + ")"
			}
			if o.IsSwitch {
				value = "[" + forZsh(o.Description) + "]"
			}
			fmt.Fprintf(&b, " \\\n            %s", Quoted("--"+o.Name+value))
		}
		rest := "*:file:_files"
		if len(c.Values) > 0 {
			rest = "*:word:(" + strings.Join(c.Values, " ") + ")"
		}
		if c.Lister != "" {
			rest = "*:word:_" + p.Name + "_" + c.Name
		}
		// The first word is the command.
		fmt.Fprintf(&b, " \\\n            '--help[what it does]' \\\n            '1:command:' %s ;;\n", Quoted(rest))
	}
	fmt.Fprintf(&b, "    esac\n}\ncompdef _%[1]s %[1]s\n", p.Name)
	return b.String()
}
