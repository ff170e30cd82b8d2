package schedule

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// String returns the text form of the trigger, in canonical form: see [Equal]. For every trigger that
// [Compile] accepts, [Parse] reads it back as the same trigger. For any other it is for people only.
func (t Trigger) String() string {
	var b strings.Builder
	writeTrigger(&b, canonical(t, 0), 0)
	return b.String()
}

func writeTrigger(b *strings.Builder, t Trigger, depth int) {
	switch k := t.Kind.(type) {
	case nil:
		b.WriteString("nothing")
	case Every:
		b.WriteString("every " + durationText(k.Interval))
		if k.FirstFire == Immediate {
			b.WriteString(" immediate")
		}
		if k.Pacing == FixedDelay {
			b.WriteString(" fixed-delay")
		}
	case At:
		fmt.Fprintf(b, "at %02d:%02d", k.Hour, k.Minute)
		if k.Second != 0 {
			fmt.Fprintf(b, ":%02d", k.Second)
		}
		for i, d := range k.DaysOfWeek {
			b.WriteByte(" ,"[min(i, 1)])
			b.WriteString(weekdayText(d))
		}
		b.WriteString(" " + k.TimeZone)
	case Cron:
		b.WriteString(`cron "` + k.Expression + `" ` + k.TimeZone)
	case Once:
		b.WriteString("once")
		if !k.Time.IsZero() {
			b.WriteString(" " + rfc3339(k.Time))
		}
	case Forever:
		b.WriteString("forever")
	case AnyOf:
		b.WriteString("any(")
		for i, inner := range k.Triggers {
			if i > 0 {
				b.WriteString("; ")
			}
			if depth >= maxDepth {
				b.WriteString("...")
				break
			}
			writeTrigger(b, inner, depth+1)
		}
		b.WriteString(")")
	case OnStartUp:
		b.WriteString("startup")
	case OnShutDown:
		b.WriteString("shutdown")
	default:
		fmt.Fprintf(b, "%T", k)
	}
	if t.MaxFires != 0 {
		b.WriteString(" max=" + strconv.FormatInt(t.MaxFires, 10))
	}
	if !t.StartTime.IsZero() {
		b.WriteString(" from=" + rfc3339(t.StartTime))
	}
	if !t.EndTime.IsZero() {
		b.WriteString(" until=" + rfc3339(t.EndTime))
	}
}

// rfc3339 writes an instant in UTC with as many decimals as it needs, at most six.
func rfc3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

// durationText is Duration.String without units that are zero: 10m, 1h30m, 1.5s.
func durationText(d time.Duration) string {
	if d < time.Second {
		return d.String()
	}
	var text string
	if h := d / time.Hour; h > 0 {
		text += strconv.FormatInt(int64(h), 10) + "h"
	}
	if m := d % time.Hour / time.Minute; m > 0 {
		text += strconv.FormatInt(int64(m), 10) + "m"
	}
	if s := d % time.Minute; s >= time.Second {
		text += s.String()
	} else if s > 0 {
		text += "0" + strings.TrimRight(fmt.Sprintf(".%09d", int64(s)), "0") + "s"
	}
	return text
}

var weekdayNames = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func weekdayText(d time.Weekday) string {
	if d < time.Sunday || d > time.Saturday {
		return strconv.Itoa(int(d))
	}
	return weekdayNames[d]
}
