package cli

import (
	"context"
	"embed"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"
	"github.com/clockd/clockd/client"
	"github.com/clockd/clockd/daemon/task"
)

// Completion is of our own: the libraries for kong ask the daemon nothing, or not without the word and the time that
// are left, and each of the three scripts is a few lines. The shell runs
//
//	clockctl __complete SHELL ...
//
// with the command line as it stands, and gets a line that says whether file names are wanted ("files") or not
// ("words"), and then the words that the last one can become, each on a line in the form that the shell wants.

// completeCommand is not in the grammar, because what follows it is the beginning of another command line.
const completeCommand = "__complete"

// completionPatience is how long the daemon has to answer: who presses a key does not wait, and is told nothing.
const completionPatience = time.Second

//go:embed completion
var completionScripts embed.FS

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// Help is the text below the summary.
func (completionCommand) Help() string {
	return "In bash: source <(clockctl completion bash), or write it to ~/.local/share/bash-completion/completions/clockctl. " +
		"In zsh: source <(clockctl completion zsh) after compinit, or write it to a file _clockctl in a folder of $fpath. " +
		"In fish: clockctl completion fish | source, or write it to ~/.config/fish/completions/clockctl.fish. " +
		"Names of tasks and ids of runs come from the daemon, if one answers within a second."
}

// AfterApply is called by kong when the command line was read.
func (c *completionCommand) AfterApply(ctx *kong.Context) error {
	script, err := completionScripts.ReadFile("completion/clockctl." + c.Shell)
	if err != nil {
		return fmt.Errorf("the script for %s: %w", c.Shell, err)
	}
	if _, err := ctx.Stdout.Write(script); err != nil {
		return err
	}
	return errDone
}

// A candidate is a word that the last one can become, and what it is.
type candidate struct{ word, about string }

// complete answers the scripts. Their first argument is the shell.
func complete(ctx context.Context, args []string, env Env, out io.Writer) error {
	if len(args) == 0 {
		return usage("%s is for the scripts that %q prints", completeCommand, "clockctl completion")
	}
	shell, args := args[0], args[1:]
	var l bashLine
	switch {
	case shell == "bash" && len(args) == 2:
		l = parseBash(args[0], args[1])
		args = l.words
	case shell == "zsh" && len(args) > 0, shell == "fish" && len(args) > 0:
	default:
		return usage("%s is for the scripts that %q prints", completeCommand, "clockctl completion")
	}
	var g grammar
	parser, err := parserOf(&g, io.Discard, io.Discard)
	if err != nil {
		return err
	}
	p := &completer{session: &session{ctx: ctx, env: env, now: env.Now()}, node: parser.Model.Node, given: map[string][]string{}}
	found, files := p.complete(args)
	if files {
		fmt.Fprintln(out, "files")
	} else {
		fmt.Fprintln(out, "words")
	}
	for _, c := range found {
		if strings.ContainsAny(c.word, "\n\r\t") { // the form has no place for it
			continue
		}
		switch about := printable(c.about); shell {
		case "bash":
			fmt.Fprintln(out, l.escape(c.word))
		case "zsh":
			fmt.Fprintln(out, strings.ReplaceAll(strings.ReplaceAll(c.word, `\`, `\\`), ":", `\:`)+":"+about)
		case "fish":
			fmt.Fprintf(out, "%s\t%s\n", c.word, about)
		}
	}
	return nil
}

// A completer reads a command line that is not finished, and that may be wrong.
type completer struct {
	*session
	node     *kong.Node
	place    int                 // of the next argument of the node
	given    map[string][]string // values of the flags by name
	literal  bool                // "--" was there
	awaiting *kong.Flag          // its value is the next word
}

// complete returns what the last word can become. files: a file name.
func (p *completer) complete(words []string) (found []candidate, files bool) {
	last := words[len(words)-1]
	for _, word := range words[:len(words)-1] {
		p.read(word)
	}
	prefix := ""
	switch {
	case p.awaiting != nil:
		found, files = p.values(p.awaiting.Value, last)
	case !p.literal && strings.HasPrefix(last, "--") && strings.Contains(last, "="):
		name, value, _ := strings.Cut(last, "=")
		flag := p.flag(name)
		if flag == nil {
			return nil, false
		}
		prefix = name + "="
		if found, files = p.values(flag.Value, value); files {
			return nil, false // the shells would look for the file --name=...
		}
	case !p.literal && strings.HasPrefix(last, "-"):
		found = p.flags()
	case !p.node.Leaf():
		for _, child := range p.node.Children {
			found = append(found, candidate{child.Name, child.Help})
		}
	default:
		if arg := p.arg(); arg != nil {
			found, files = p.values(arg, last)
		}
	}
	for i := range found {
		found[i].word = prefix + found[i].word
	}
	return slices.DeleteFunc(found, func(c candidate) bool { return !strings.HasPrefix(c.word, last) }), files
}

// read takes in a word before the last.
func (p *completer) read(word string) {
	if p.awaiting != nil {
		p.given[p.awaiting.Name] = append(p.given[p.awaiting.Name], word)
		p.awaiting = nil
		return
	}
	switch {
	case p.literal:
		p.place++
	case word == "--":
		p.literal = true
	case strings.HasPrefix(word, "-") && word != "-" && !negative.MatchString(word):
		name, value, hasValue := strings.Cut(word, "=")
		flag := p.flag(name)
		switch {
		case flag == nil && len(name) > 2 && name[1] != '-': // a short one with its value
			if flag = p.flag(name[:2]); flag != nil {
				p.given[flag.Name] = append(p.given[flag.Name], word[2:])
			}
		case flag == nil:
		case hasValue || flag.IsBool():
			p.given[flag.Name] = append(p.given[flag.Name], value)
		default:
			p.awaiting = flag
		}
	case !p.node.Leaf():
		for _, child := range p.node.Children {
			if child.Name == word {
				p.node = child
			}
		}
	default:
		p.place++
	}
}

// flag finds the flag that is written so, dashes included.
func (p *completer) flag(written string) *kong.Flag {
	for _, group := range p.node.AllFlags(true) {
		for _, f := range group {
			if written == "--"+f.Name || f.Short != 0 && written == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

// flags are those that can still be given.
func (p *completer) flags() []candidate {
	var found []candidate
	for _, group := range p.node.AllFlags(true) {
		for _, f := range group {
			_, given := p.given[f.Name]
			other := slices.ContainsFunc(f.Xor, func(x string) bool { return p.xor(x, f) })
			if (!given || f.IsSlice()) && !other {
				found = append(found, candidate{"--" + f.Name, f.Help})
			}
		}
	}
	return found
}

// xor returns whether another flag is given that excludes this one.
func (p *completer) xor(group string, than *kong.Flag) bool {
	return slices.ContainsFunc(p.node.Flags, func(f *kong.Flag) bool {
		_, given := p.given[f.Name]
		return given && f != than && slices.Contains(f.Xor, group)
	})
}

// arg is the argument that the last word is, or nil if there is none.
func (p *completer) arg() *kong.Value {
	list := p.node.Positional
	switch {
	case len(list) == 0:
		return nil
	case p.place < len(list):
		return list[p.place]
	case list[len(list)-1].IsSlice():
		return list[len(list)-1]
	}
	return nil
}

// values are those that a flag or an argument can have and that begin as the word does: of its enum, or of what its
// tag "complete" names.
func (p *completer) values(v *kong.Value, word string) (found []candidate, files bool) {
	if v.Enum != "" {
		for _, word := range v.EnumSlice() {
			found = append(found, candidate{word: word})
		}
		return found, false
	}
	kind := v.Tag.Get("complete")
	if _, backfill := p.given["backfill"]; backfill && kind == "run" {
		kind = "task" // of cancel
	}
	switch kind {
	case "file":
		return nil, true
	case "task":
		return p.tasks(word), false
	case "run":
		return p.runs(v.Tag.Has("going")), false
	}
	for _, word := range completions[kind] {
		found = append(found, candidate{word: word})
	}
	return found, false
}

// completions are the words that a tag "complete" can name.
var completions = map[string][]string{
	"task_state": taskStates.texts(),
	"run_state":  runStates.texts(),
	"overlap":    overlaps.texts(),
	"catch_up":   catchUps.texts(),
	"delivery":   deliveries.texts(),
	"keep":       keeps.texts(),
}

// tasks asks the daemon for names of tasks. That none answers is no error: there is nothing to complete.
func (p *completer) tasks(prefix string) (found []candidate) {
	p.daemon(func(ctx context.Context) error {
		tasks, _, err := p.client.TasksPage(ctx, client.TaskFilter{NamePrefix: prefix}, completionPage, "")
		for _, t := range tasks {
			found = append(found, candidate{t.Declaration.Name, taskStates.of(t.State) + ", " + short(t.Trigger().String())})
		}
		return err
	})
	return found
}

// completionPage is how many tasks or runs are offered: more would fill the screen.
const completionPage = 100

func (p *completer) runs(going bool) (found []candidate) {
	p.daemon(func(ctx context.Context) error {
		var f client.RunFilter
		if going {
			f.States = []task.RunState{task.Scheduled, task.Running}
		}
		runs, _, err := p.client.RunsPage(ctx, f, completionPage, "")
		for _, run := range runs {
			found = append(found, candidate{run.ID.String(), text(run.TaskName) + ", " + runStates.of(run.State) + " " + p.distance(run.ScheduledTime)})
		}
		return err
	})
	return found
}

// daemon calls f with the client of the daemon that the command line names so far. Errors are kept quiet.
func (p *completer) daemon(f func(ctx context.Context) error) {
	var g grammar
	for name, to := range map[string]*string{"address": &g.Address, "actor": &g.Actor} {
		if values := p.given[name]; len(values) > 0 {
			*to = values[len(values)-1]
		}
	}
	_, g.Insecure = p.given["insecure"]
	if err := p.dial(&g); err != nil {
		return
	}
	ctx, cancel := context.WithTimeout(p.ctx, completionPatience)
	defer cancel()
	_ = f(ctx)
	_ = p.client.Close()
}
