package secret

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

const (
	// shortest is how many bytes a secret has at least that is looked for: less would be found in what is none.
	shortest = 8
	mask     = "***"
)

// Values are the secrets that one attempt has read. They serve to take them out of what is shown. Nil is empty.
type Values struct{ values []string }

func (v *Values) add(value string) {
	if v == nil || len(value) < shortest || slices.Contains(v.values, value) {
		return
	}
	v.values = append(v.values, value)
	// A secret within another would leave the rest of that one.
	slices.SortFunc(v.values, func(a, b string) int { return len(b) - len(a) })
}

// Scrub returns the text with *** for each secret of 8 bytes or more.
func (v *Values) Scrub(text string) string {
	if v == nil {
		return text
	}
	for _, value := range v.values {
		text = strings.ReplaceAll(text, value, mask)
	}
	return text
}

// ScrubJSON is Scrub for all strings, numbers and names in a value as encoding/json has it, with UseNumber.
func (v *Values) ScrubJSON(value any) any {
	if v == nil || len(v.values) == 0 {
		return value
	}
	switch value := value.(type) {
	case string:
		return v.Scrub(value)
	case json.Number:
		if clean := v.Scrub(value.String()); clean != value.String() {
			return clean
		}
	case []any:
		for i := range value {
			value[i] = v.ScrubJSON(value[i])
		}
	case map[string]any:
		clean := make(map[string]any, len(value))
		for name, inner := range value {
			clean[v.Scrub(name)] = v.ScrubJSON(inner)
		}
		return clean
	}
	return value
}

// ScrubError is Scrub for the text of an error. If there is nothing to take out, it is the same error.
func (v *Values) ScrubError(err error) error {
	if err == nil {
		return nil
	}
	if clean := v.Scrub(err.Error()); clean != err.Error() {
		return &scrubbed{text: clean, cause: err}
	}
	return err
}

// scrubbed shows another text than its cause, and is still found as it by errors.Is.
type scrubbed struct {
	text  string
	cause error
}

func (e *scrubbed) Error() string        { return e.text }
func (e *scrubbed) Is(target error) bool { return errors.Is(e.cause, target) }
