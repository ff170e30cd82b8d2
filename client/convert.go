package client

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"math"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/task"
	"github.com/clockd/clockd/daemon/wire"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/structpb"
)

// maxNesting is how deep arrays and objects may lie inside one another in an input. Package wire would send
// what lies deeper as a string.
const maxNesting = 32

// maxPage is the largest page the daemon gives.
const maxPage = 1000

// clampPage fits a page size into the field. A negative one is left for the daemon to refuse.
func clampPage(n int) int32 { return int32(max(-1, min(n, maxPage))) }

// setTask names the task in a request. Every request that names one has the fields task_id and task_name
// in a oneof, each as a type of its own, so they are set by name. A zero ref sets nothing.
func setTask(req proto.Message, ref task.Ref) {
	m := req.ProtoReflect()
	set := func(field protoreflect.Name, value string) {
		m.Set(m.Descriptor().Fields().ByName(field), protoreflect.ValueOfString(value))
	}
	switch {
	case ref.ID != uuid.Nil:
		set("task_id", ref.ID.String())
	case ref.Name != "":
		set("task_name", ref.Name)
	}
}

// pages turns a function that reads a page into a sequence over all of them.
func pages[T any](page func(token string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		token := ""
		for {
			items, next, err := page(token)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			token = next
		}
	}
}

// unreadable takes the class off the error of an answer: package wire says task.ErrInvalid, which to the
// caller of an SDK would mean that the request is wrong.
func unreadable(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("the daemon's answer can not be read; it may be newer than this client: %v", err)
}

// each converts a list, and stops at the first message that can not be read.
func each[P, T any](messages []P, convert func(P) (T, error)) ([]T, error) {
	list := make([]T, 0, len(messages))
	for _, m := range messages {
		t, err := convert(m)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

// taskOf takes the task out of an answer, if there is one.
func taskOf(resp interface{ GetTask() *clockdv1.TaskMetadata }, err error) (task.Task, error) {
	if err != nil {
		return task.Task{}, err
	}
	t, err := wire.TaskFromProto(resp.GetTask())
	return t, unreadable(err)
}

// runOf takes the run out of an answer, if there is one.
func runOf(resp interface{ GetRun() *clockdv1.Run }, err error) (task.Run, error) {
	if err != nil {
		return task.Run{}, err
	}
	run, err := wire.RunFromProto(resp.GetRun())
	return run, unreadable(err)
}

func (c *Client) preview(ctx context.Context, req *clockdv1.PreviewTriggerRequest, start time.Time, count int) (task.Preview, error) {
	req.StartTime = wire.TimeToProto(start)
	req.Count = int32(max(math.MinInt32, min(count, math.MaxInt32)))
	resp, err := invoke(ctx, c, c.tasks.PreviewTrigger, req)
	if err != nil {
		return task.Preview{}, err
	}
	p, err := wire.PreviewFromProto(resp)
	return p, unreadable(err)
}

// valueOf turns the input or the output of a run into its message; field is which of them, for violations. JSON
// numbers travel as float64; an integer that would come out as another one, such as a 64-bit id, is refused rather
// than changed in silence.
func valueOf(field string, v any) (*structpb.Value, error) {
	if v == nil {
		return nil, nil
	}
	data, err := json.Marshal(v)
	if err != nil {
		return nil, task.Invalid(field, "it can not be written as JSON: %v", err)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	for depth := 0; ; {
		token, err := dec.Token()
		if err != nil { // io.EOF: json.Marshal writes nothing else
			return wire.JSONToProto(data), nil
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '[' || token == '{' {
				depth++
			} else {
				depth--
			}
			if depth > maxNesting {
				return nil, task.Invalid(field, "arrays and objects are nested more than %d deep", maxNesting)
			}
		case json.Number:
			if !fits(token) {
				return nil, task.Invalid(field, "number %s would arrive as another, because numbers travel as float64: send it as a string", token)
			}
		}
	}
}

// fits reports whether the number is in the range of a float64 and, if it is written as an integer, arrives
// as the same one: beyond 2^53 even those that a float64 holds exactly come out with zeros at the end.
func fits(n json.Number) bool {
	if _, err := n.Float64(); err != nil {
		return false
	}
	if strings.ContainsAny(n.String(), ".eE") {
		return true
	}
	i, err := n.Int64()
	return err == nil && -1<<53 <= i && i <= 1<<53
}
