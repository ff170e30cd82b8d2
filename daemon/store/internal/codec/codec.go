// Package codec has the stored forms of what has no columns of its own, for the stores that keep texts and bytes. What it
// has written once it must always be able to read.
//
// Spans are in nanoseconds and instants in microseconds since 1970. Nothing, such as a policy of defaults alone, is the
// empty text, which stores keep as NULL. Functions that encode also return the value as decoding will give it, where
// that can differ: what a store answers must not depend on whether it had to read.
package codec

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/task"
)

// EncodeTrigger returns the text form. A trigger that could not be read back is refused here, or its task could never be
// listed again.
func EncodeTrigger(t schedule.Trigger) (text string, stored schedule.Trigger, err error) {
	text = t.String()
	stored, err = schedule.Parse(text)
	if err == nil && !schedule.Equal(stored, t) {
		err = fmt.Errorf("%q is read back as %q", text, stored.String())
	}
	if err != nil {
		return "", schedule.Trigger{}, fmt.Errorf("trigger: %w", err)
	}
	return text, stored, nil
}

// DecodeTrigger reads what EncodeTrigger has written.
func DecodeTrigger(text string) (schedule.Trigger, error) {
	t, err := schedule.Parse(text)
	if err != nil {
		return schedule.Trigger{}, fmt.Errorf("trigger: %w", err)
	}
	return t, nil
}

// EncodeLabels returns a JSON object.
func EncodeLabels(labels map[string]string) (text string, stored map[string]string, err error) {
	if len(labels) == 0 {
		return "", nil, nil
	}
	b, err := json.Marshal(labels)
	if err != nil {
		return "", nil, fmt.Errorf("labels: %w", err)
	}
	return string(b), maps.Clone(labels), nil
}

// DecodeLabels reads what EncodeLabels has written.
func DecodeLabels(text []byte) (labels map[string]string, err error) {
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &labels); err != nil {
		return nil, fmt.Errorf("labels: %w", err)
	}
	return labels, nil
}

// EncodeSpec returns a JSON object.
func EncodeSpec(s *task.TargetSpec) (text string, stored *task.TargetSpec, err error) {
	if s == nil {
		return "", nil, nil
	}
	b, err := json.Marshal(s)
	if err != nil {
		return "", nil, fmt.Errorf("target: %w", err)
	}
	stored, err = DecodeSpec(b)
	return string(b), stored, err
}

// DecodeSpec reads what EncodeSpec has written.
func DecodeSpec(text []byte) (*task.TargetSpec, error) {
	if len(text) == 0 {
		return nil, nil
	}
	s := new(task.TargetSpec)
	if err := json.Unmarshal(text, s); err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	return s, nil
}

// EncodeFires returns the counts as signed varints. Nil: none.
func EncodeFires(fires []int64) []byte {
	var out []byte
	for _, n := range fires {
		out = binary.AppendVarint(out, n)
	}
	return out
}

// DecodeFires reads what EncodeFires has written.
func DecodeFires(in []byte) ([]int64, error) {
	if len(in) == 0 {
		return nil, nil
	}
	out := make([]int64, 0, len(in)) // exact unless a trigger has fired more than 63 times
	for len(in) > 0 {
		v, n := binary.Varint(in)
		if n <= 0 {
			return nil, fmt.Errorf("fires: %x is not a list of varints", in)
		}
		out, in = append(out, v), in[n:]
	}
	return out, nil
}
