package schedule

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// String returns the text form of the trigger, in canonical form: see [Equal]. For every trigger that
// [Check] accepts, [Parse] reads it back as the same trigger. For any other it is for people only.
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
		b.WriteString("at " + TimeOfDay{Hour: k.Hour, Minute: k.Minute, Second: k.Second}.String())
		writeDaysAndZone(b, k.DaysOfWeek, k.TimeZone)
	case Cron:
		writeExclusion(b, k)
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
	case Custom:
		b.WriteString("custom " + k.TypeURL)
		if k.Value != "" {
			b.WriteString(` "` + base64.StdEncoding.EncodeToString([]byte(k.Value)) + `"`)
		}
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
	if t.Jitter != 0 {
		b.WriteString(" jitter=" + durationText(t.Jitter))
	}
	for i, e := range t.Exclusions {
		if i == 0 {
			b.WriteString(" exclude(")
		} else {
			b.WriteString("; ")
		}
		writeExclusion(b, e)
	}
	if len(t.Exclusions) > 0 {
		b.WriteString(")")
	}
}

// exclusionText returns the text form of one exclusion.
func exclusionText(e Exclusion) string {
	var b strings.Builder
	writeExclusion(&b, canonicalExclusion(e))
	return b.String()
}

func writeExclusion(b *strings.Builder, e Exclusion) {
	switch k := e.(type) {
	case nil:
		b.WriteString("nothing")
	case Dates:
		b.WriteString("dates " + k.First.String())
		if k.Last != (Date{}) {
			b.WriteString(".." + k.Last.String())
		}
		b.WriteString(" " + k.TimeZone)
	case Window:
		b.WriteString("window " + k.From.String() + "-" + k.Until.String())
		writeDaysAndZone(b, k.DaysOfWeek, k.TimeZone)
	case Cron:
		b.WriteString(`cron "` + k.Expression + `" ` + k.TimeZone)
	case Calendar:
		b.WriteString("calendar " + k.Name)
	default:
		fmt.Fprintf(b, "%T", k)
	}
}

func writeDaysAndZone(b *strings.Builder, days []time.Weekday, zone string) {
	for i, d := range days {
		b.WriteByte(" ,"[min(i, 1)])
		b.WriteString(weekdayText(d))
	}
	b.WriteString(" " + zone)
}

// rfc3339 writes an instant in UTC with as many decimals as it needs, at most six.
func rfc3339(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999999Z07:00") }

// durationText is Duration.String without units that are zero: 10m, 1h30m, 1.5s.
func durationText(d time.Duration) string {
	if d < time.Second {
		return strings.Replace(d.String(), "µs", "us", 1) // ASCII only
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
