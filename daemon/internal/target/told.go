package target

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// timeForm is RFC 3339 with microseconds.
const timeForm = "2006-01-02T15:04:05.000000Z07:00"

// ScheduledText is the scheduled time as whoever makes the attempt is told of it: RFC 3339 with microseconds, in UTC.
func (a Attempt) ScheduledText() string { return a.ScheduledTime.UTC().Format(timeForm) }

// IdempotencyKey is the same for all attempts of a run and for no other run.
func (a Attempt) IdempotencyKey() string {
	// The scheduled time is in it because run ids begin anew with a new store: the receiver must not take a run of
	// today for one that it answered yesterday.
	return uuid.NewSHA1(a.TaskID, []byte(a.RunID.String()+" "+a.ScheduledText())).String()
}

// ASCIIName is the name of the task as a header can carry it: "%" and what is not printable ASCII percent-encoded as
// UTF-8.
func (a Attempt) ASCIIName() string {
	var b strings.Builder
	for i := range len(a.TaskName) {
		if c := a.TaskName[i]; c < ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
			continue
		}
		b.WriteByte(a.TaskName[i])
	}
	return b.String()
}
