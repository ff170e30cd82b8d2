package cli

import (
	"time"

	"github.com/clockd/clockd/daemon/task"
)

// specFlags are what create and update say of a task. Nil, for a list: empty, says nothing.
type specFlags struct {
	Trigger     *string  `group:"Task:" placeholder:"TRIGGER" help:"When it fires: 'every 10m'. Required by create."`
	Description *string  `group:"Task:" help:"What it is for, in a sentence."`
	Group       *string  `group:"Task:" help:"A name under which tasks belong together."`
	Label       []string `group:"Task:" sep:"none" placeholder:"KEY=VALUE" help:"A word of your own. Can be repeated. Update replaces all labels; an empty one is none."`

	HTTP         *string  `name:"http" group:"What a run does:" placeholder:"URL" help:"Make a request to this URL. To run a command instead, give it after '--'."`
	GRPC         *string  `name:"grpc" group:"What a run does:" placeholder:"ADDRESS" help:"Call --method of the gRPC service at this address, which offers reflection."`
	Worker       bool     `group:"What a run does:" help:"Leave it to the workers that run the task."`
	Method       *string  `group:"What a run does:" help:"Of the request. Default: POST if there is a body or an input, else GET. With --grpc: package.Service/Method."`
	Header       []string `group:"What a run does:" sep:"none" placeholder:"NAME:VALUE" help:"Of the request; with --grpc, metadata of the call. Can be repeated."`
	Body         *string  `group:"What a run does:" help:"What is sent if the run has no input; with --grpc, JSON."`
	ExpectStatus []int    `group:"What a run does:" placeholder:"N" help:"A status that means success. Can be repeated. Default: 200 to 299."`
	TLS          *bool    `name:"tls" negatable:"" group:"What a run does:" help:"Secure the call of --grpc. Default: only if one of the next four is given."`
	CAFile       *string  `complete:"file" name:"ca-file" group:"What a run does:" placeholder:"FILE" help:"Certificates to trust, as PEM, on the daemon's machine. Default: those of its system."`
	CertFile     *string  `complete:"file" group:"What a run does:" placeholder:"FILE" help:"The certificate to show, as PEM."`
	KeyFile      *string  `complete:"file" group:"What a run does:" placeholder:"FILE" help:"Its key, as PEM."`
	ServerName   *string  `group:"What a run does:" placeholder:"NAME" help:"The name that the certificate of the service must have. Default: that of the address."`
	Env          []string `group:"What a run does:" sep:"none" placeholder:"NAME=VALUE" help:"Added to the environment of the command. Can be repeated."`
	Dir          *string  `complete:"file" group:"What a run does:" help:"Working directory of the command. Default: the daemon's."`
	Stdin        *string  `group:"What a run does:" help:"What the command reads if the run has no input."`
	OutputLimit  *int     `group:"What a run does:" placeholder:"BYTES" help:"How much of the output is kept, at most 262144. Default: 65536."`
	KillDelay    *string  `group:"What a run does:" placeholder:"SPAN" help:"How long the command has to end between SIGTERM and SIGKILL. Default: 10s."`

	Overlap            *string  `complete:"overlap" group:"How fires become runs:" placeholder:"WORD" help:"What a run does when the one before is still going: skip, allow, queue or cancel. Default: skip."`
	CatchUp            *string  `complete:"catch_up" group:"How fires become runs:" placeholder:"WORD" help:"What becomes of missed fires: one, all or none. Default: one."`
	CatchUpWindow      *string  `group:"How fires become runs:" placeholder:"SPAN" help:"How far back fires are caught up. Default: however far."`
	Delivery           *string  `complete:"delivery" group:"How fires become runs:" placeholder:"WORD" help:"What becomes of a run whose daemon died: at_least_once or at_most_once. Default: at_least_once."`
	Timeout            *string  `group:"How fires become runs:" placeholder:"SPAN" help:"How long an attempt may take. Default: as long as it likes."`
	Retry              *int     `group:"How fires become runs:" placeholder:"N" help:"How many attempts a run has at most, with the first. Default: 1."`
	RetryBackoff       *string  `group:"How fires become runs:" placeholder:"SPAN" help:"The wait before the second attempt; twice as long before the third, and so on. Default: 1s."`
	RetryMaxBackoff    *string  `group:"How fires become runs:" placeholder:"SPAN" help:"The longest wait. Default: 1h."`
	RetryJitter        *float64 `group:"How fires become runs:" placeholder:"0..1" help:"How much of the wait is left to chance. Default: 0."`
	PauseAfterFailures *int     `group:"How fires become runs:" placeholder:"N" help:"Pause the task after so many failed runs in a row. Default: never."`
	KeepRuns           *string  `complete:"keep" group:"How fires become runs:" placeholder:"WORD" help:"Which runs are kept: all, failures or none. Default: all."`
	MaxRuns            *int64   `group:"How fires become runs:" placeholder:"N" help:"How many of them, the newest. Default: 1000."`
	MaxAge             *string  `group:"How fires become runs:" placeholder:"SPAN" help:"How long after their end. Default: however long."`

	Command []string `complete:"file" arg:"" optional:"" placeholder:"COMMAND" help:"The program and its arguments, after '--'."`
}

// A specEdit writes what was given into a declaration, and notes the paths of the fields. The first error stays.
type specEdit struct {
	d    *task.Declaration
	mask []string
	err  error
}

func (e *specEdit) set(path string, err error) {
	if err != nil && e.err == nil {
		e.err = err
	}
	e.mask = append(e.mask, path)
}

// spans, choices and numbers are fields of a kind: what was given, and where it goes.
func (e *specEdit) span(flag, path string, given *string, to *time.Duration) {
	if given == nil {
		return
	}
	d, err := parseSpan(flag, *given)
	*to = d
	e.set(path, err)
}

func choose[T ~int](e *specEdit, flag, path string, of words[T], given *string, to *T) {
	if given == nil {
		return
	}
	var err error
	if *to = 0; *given != "" {
		if *to, err = of.find(*given); err != nil {
			err = usage("%s: %s", flag, err)
		}
	}
	e.set(path, err)
}

func put[T any](e *specEdit, path string, given, to *T) {
	if given == nil {
		return
	}
	*to = *given
	e.set(path, nil)
}

// apply writes what was given into d and returns the paths of the fields that were. Of the target, what was not
// given stays as it is if it is of the same kind.
func (f *specFlags) apply(d *task.Declaration) (mask []string, err error) {
	e := &specEdit{d: d}
	if f.Trigger != nil {
		d.Trigger, err = parseTrigger(*f.Trigger)
		e.set("trigger", err)
	}
	put(e, "description", f.Description, &d.Description)
	put(e, "group", f.Group, &d.Group)
	if len(f.Label) > 0 {
		d.Labels, err = pairs("--label", "=", f.Label)
		e.set("labels", err)
	}
	p := &d.Policy
	choose(e, "--overlap", "policy.overlap", overlaps, f.Overlap, &p.Overlap)
	choose(e, "--catch-up", "policy.catch_up", catchUps, f.CatchUp, &p.CatchUp)
	e.span("--catch-up-window", "policy.catch_up_window", f.CatchUpWindow, &p.CatchUpWindow)
	choose(e, "--delivery", "policy.delivery", deliveries, f.Delivery, &p.Delivery)
	e.span("--timeout", "policy.timeout", f.Timeout, &p.Timeout)
	put(e, "policy.retry.max_attempts", f.Retry, &p.Retry.MaxAttempts)
	e.span("--retry-backoff", "policy.retry.backoff", f.RetryBackoff, &p.Retry.Backoff)
	e.span("--retry-max-backoff", "policy.retry.max_backoff", f.RetryMaxBackoff, &p.Retry.MaxBackoff)
	put(e, "policy.retry.jitter", f.RetryJitter, &p.Retry.Jitter)
	put(e, "policy.pause_after_failures", f.PauseAfterFailures, &p.PauseAfterFailures)
	choose(e, "--keep-runs", "policy.retention.keep", keeps, f.KeepRuns, &p.Retention.Keep)
	put(e, "policy.retention.max_runs", f.MaxRuns, &p.Retention.MaxRuns)
	e.span("--max-age", "policy.retention.max_age", f.MaxAge, &p.Retention.MaxAge)
	f.applyTarget(e)
	return e.mask, e.err
}
