package schedule

import (
	"errors"
	"fmt"
	"strings"
)

// ErrInvalid is the class of an [InvalidError] and of a [SyntaxError]: the trigger can not be used as it is.
var ErrInvalid = errors.New("invalid")

// A Violation is one thing that is wrong with a trigger.
type Violation struct {
	// Field is the path from the trigger in the names of the API: "max_fires", "cron.expression",
	// "any_of.triggers[1].at.time_zone". Empty: the trigger as a whole.
	Field string
	// Description says what is wrong, with the value, and what would be right.
	Description string
}

// An InvalidError holds everything that is wrong with a trigger. errors.Is(err, ErrInvalid) holds.
type InvalidError struct{ Violations []Violation }

// Error lists the violations, each as "field: description".
func (e *InvalidError) Error() string {
	var b strings.Builder
	for i, v := range e.Violations {
		if i > 0 {
			b.WriteString("; ")
		}
		if v.Field != "" {
			b.WriteString(v.Field + ": ")
		}
		b.WriteString(v.Description)
	}
	return b.String()
}

// Is makes [ErrInvalid] the class of the error.
func (e *InvalidError) Is(target error) bool { return target == ErrInvalid }

// A SyntaxError says where a trigger's text departs from the form that [Parse] reads.
// errors.Is(err, ErrInvalid) holds.
type SyntaxError struct {
	// Text is the whole text.
	Text string
	// Column is where the problem begins, in bytes from 1. It is len(Text)+1 if something is missing at the end.
	Column int
	// Message says what is wrong and what would be right.
	Message string
}

// Error is "column N: message".
func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Message) }

// Is makes [ErrInvalid] the class of the error.
func (e *SyntaxError) Is(target error) bool { return target == ErrInvalid }

// problems collects violations.
type problems struct {
	found []Violation
}

// add notes a violation of a field of the trigger at path; both may be empty.
func (p *problems) add(path, field, format string, args ...any) {
	if path != "" && field != "" {
		path += "."
	}
	p.found = append(p.found, Violation{Field: path + field, Description: fmt.Sprintf(format, args...)})
}
