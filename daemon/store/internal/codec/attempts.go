package codec

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/google/uuid"
)

// attempt is the stored form of a task.Attempt. The instant 0 is none: it is 1970, when no attempt was made.
type attempt struct {
	Number int    `json:"n"`
	Start  int64  `json:"start,omitempty"`
	End    int64  `json:"end,omitempty"`
	State  int    `json:"state"`
	Error  string `json:"error,omitempty"`
	Worker string `json:"worker,omitempty"`
	Node   string `json:"node,omitempty"` // a UUID
}

// EncodeAttempts returns a JSON array.
func EncodeAttempts(in []task.Attempt) (text string, err error) {
	if len(in) == 0 {
		return "", nil
	}
	out := make([]attempt, len(in))
	for i, a := range in {
		out[i] = attempt{Number: a.Number, State: int(a.State), Error: a.Error, Worker: a.Worker}
		if !a.StartTime.IsZero() {
			out[i].Start = a.StartTime.UnixMicro()
		}
		if !a.EndTime.IsZero() {
			out[i].End = a.EndTime.UnixMicro()
		}
		if a.Node != uuid.Nil {
			out[i].Node = a.Node.String()
		}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return "", fmt.Errorf("attempts: %w", err)
	}
	return string(b), nil
}

// DecodeAttempts reads what EncodeAttempts has written.
func DecodeAttempts(text []byte) ([]task.Attempt, error) {
	if len(text) == 0 {
		return nil, nil
	}
	var in []attempt
	if err := json.Unmarshal(text, &in); err != nil {
		return nil, fmt.Errorf("attempts: %w", err)
	}
	out := make([]task.Attempt, len(in))
	for i, a := range in {
		out[i] = task.Attempt{Number: a.Number, State: task.RunState(a.State), Error: a.Error, Worker: a.Worker}
		if a.Start != 0 {
			out[i].StartTime = time.UnixMicro(a.Start).UTC()
		}
		if a.End != 0 {
			out[i].EndTime = time.UnixMicro(a.End).UTC()
		}
		if a.Node != "" {
			var err error
			if out[i].Node, err = uuid.Parse(a.Node); err != nil {
				return nil, fmt.Errorf("attempts: node %q: %w", a.Node, err)
			}
		}
	}
	return out, nil
}
