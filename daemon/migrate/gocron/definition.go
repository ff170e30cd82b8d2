package gocron

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/clockd/clockd/daemon/migrate/cron"
	"github.com/clockd/clockd/daemon/migrate/internal/zone"
	"github.com/clockd/clockd/daemon/schedule"
)

// JobDefinition says when a job runs.
type JobDefinition func(loc *time.Location) (schedule.Trigger, error)

// DurationJob runs at a fixed distance, first one distance after the trigger came into force. It is an Every: with
// a store that outlives the process it goes on at the same beat after a restart, where the original begins anew.
func DurationJob(d time.Duration) JobDefinition {
	return func(*time.Location) (schedule.Trigger, error) {
		return checked(schedule.Trigger{Kind: schedule.Every{Interval: d}})
	}
}

// DurationRandomJob runs at distances between the two. It is an Every with the mean as its interval and a jitter of
// half the range: the distance between two starts lies between the two and has the same mean, but starts do not
// wander off from the beat, and means are likelier than extremes.
func DurationRandomJob(least, most time.Duration) JobDefinition {
	return func(*time.Location) (schedule.Trigger, error) {
		if least <= 0 || most <= least {
			return schedule.Trigger{}, fmt.Errorf("durations from %s to %s: the first must be above 0 and the second above the first", least, most)
		}
		mean := (least + (most-least)/2).Truncate(time.Microsecond)
		jitter := min(mean-least, most-mean).Truncate(time.Microsecond)
		return checked(schedule.Trigger{Kind: schedule.Every{Interval: mean}, Jitter: jitter})
	}
}

// CronJob runs when the wall clock matches a crontab of five fields, or, withSeconds, of five or six, the seconds in
// front. Package cron, which has the same rules, says what differs.
func CronJob(crontab string, withSeconds bool) JobDefinition {
	options := cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow | cron.Descriptor
	if withSeconds {
		options |= cron.SecondOptional
	}
	return func(loc *time.Location) (schedule.Trigger, error) {
		return cron.NewParser(options).Trigger(crontab, loc)
	}
}

// DailyJob runs at these times of every day. The interval must be 1: the days of a longer one are counted from
// whenever the scheduler started, which no trigger does.
func DailyJob(interval uint, times AtTimes) JobDefinition {
	return func(loc *time.Location) (schedule.Trigger, error) {
		if interval != 1 {
			return schedule.Trigger{}, fmt.Errorf("interval of %d days: only 1 can be carried over, because longer ones are counted from the start of the scheduler: write the days into a CronJob, as in %q, or use a DurationJob of %dh with WithStartDateTime",
				interval, fmt.Sprintf("30 10 */%d * *", max(interval, 2)), 24*interval)
		}
		return each(times, loc, func(t AtTime, zone string) schedule.Kind {
			return schedule.At{Hour: int(t.hours), Minute: int(t.minutes), Second: int(t.seconds), TimeZone: zone}
		})
	}
}

// WeeklyJob runs on these days of every week, at these times. The interval must be 1, as that of a [DailyJob].
func WeeklyJob(interval uint, days Weekdays, times AtTimes) JobDefinition {
	return func(loc *time.Location) (schedule.Trigger, error) {
		switch {
		case interval != 1:
			return schedule.Trigger{}, fmt.Errorf("interval of %d weeks: only 1 can be carried over, because longer ones are counted from the start of the scheduler: use a DurationJob of %dh with WithStartDateTime",
				interval, 168*interval)
		case len(days) == 0:
			return schedule.Trigger{}, errors.New("days of the week are missing: hand in NewWeekdays")
		}
		return each(times, loc, func(t AtTime, zone string) schedule.Kind {
			return schedule.At{
				Hour: int(t.hours), Minute: int(t.minutes), Second: int(t.seconds), TimeZone: zone,
				DaysOfWeek: slices.Clone(days),
			}
		})
	}
}

// MonthlyJob runs on these days of every month, at these times: -1 is its last day, -2 the one before. A month without
// such a day has no run. The interval must be 1, as that of a [DailyJob].
func MonthlyJob(interval uint, days DaysOfTheMonth, times AtTimes) JobDefinition {
	return func(loc *time.Location) (schedule.Trigger, error) {
		switch {
		case interval != 1:
			return schedule.Trigger{}, fmt.Errorf("interval of %d months: only 1 can be carried over, because longer ones are counted from the start of the scheduler: name the months in a CronJob, as in %q",
				interval, "30 10 1 1,4,7,10 *")
		case len(days) == 0:
			return schedule.Trigger{}, errors.New("days of the month are missing: hand in NewDaysOfTheMonth")
		}
		var list []string
		for _, d := range days {
			switch {
			case d == 0 || d < -31 || d > 31:
				return schedule.Trigger{}, fmt.Errorf("day of the month %d is outside 1 to 31 and -31 to -1", d)
			case d > 0:
				list = append(list, strconv.Itoa(d))
			case d == -1:
				list = append(list, "L")
			default:
				list = append(list, "L"+strconv.Itoa(d+1))
			}
		}
		return each(times, loc, func(t AtTime, zone string) schedule.Kind {
			expression := fmt.Sprintf("%d %d %s * *", t.minutes, t.hours, strings.Join(list, ","))
			if t.seconds != 0 {
				expression = fmt.Sprintf("%d %s", t.seconds, expression)
			}
			return schedule.Cron{Expression: expression, TimeZone: zone}
		})
	}
}

// OneTimeJob runs at instants that are given. Instants that have passed when the task is declared first never come,
// and are no error, because the program says the same at its next start.
func OneTimeJob(startAt OneTimeJobStartAtOption) JobDefinition {
	return func(*time.Location) (schedule.Trigger, error) {
		var all []schedule.Trigger
		for _, t := range startAt {
			all = append(all, schedule.Trigger{Kind: schedule.Once{Time: t}})
		}
		if len(all) == 0 {
			return schedule.Trigger{}, errors.New("instants are missing: hand in OneTimeJobStartDateTime")
		}
		return checked(anyOf(all))
	}
}

// OneTimeJobStartAtOption says at which instants a [OneTimeJob] runs.
type OneTimeJobStartAtOption []time.Time

// OneTimeJobStartImmediately is as soon as the task exists. With a store that outlives the process that is once, and
// not once for each start as in the original: for that, give the task the trigger schedule.OnStartUp.
func OneTimeJobStartImmediately() OneTimeJobStartAtOption {
	return OneTimeJobStartAtOption{time.Time{}}
}

// OneTimeJobStartDateTime is one instant. It must not be the zero time.
func OneTimeJobStartDateTime(start time.Time) OneTimeJobStartAtOption {
	return OneTimeJobStartDateTimes(start)
}

// OneTimeJobStartDateTimes are several, at most 64.
func OneTimeJobStartDateTimes(times ...time.Time) OneTimeJobStartAtOption {
	return slices.DeleteFunc(slices.Clone(times), time.Time.IsZero)
}

// AtTime is a time of day.
type AtTime struct{ hours, minutes, seconds uint }

// NewAtTime returns the time of day hours:minutes:seconds, up to 23:59:59.
func NewAtTime(hours, minutes, seconds uint) AtTime { return AtTime{hours, minutes, seconds} }

// AtTimes are times of day.
type AtTimes []AtTime

// NewAtTimes returns a list of at least one.
func NewAtTimes(t AtTime, more ...AtTime) AtTimes { return append(AtTimes{t}, more...) }

// Weekdays are days of the week.
type Weekdays []time.Weekday

// NewWeekdays returns a list of at least one.
func NewWeekdays(day time.Weekday, more ...time.Weekday) Weekdays {
	return append(Weekdays{day}, more...)
}

// DaysOfTheMonth are days counted from the first, or, below 0, from the last.
type DaysOfTheMonth []int

// NewDaysOfTheMonth returns a list of at least one.
func NewDaysOfTheMonth(day int, more ...int) DaysOfTheMonth {
	return append(DaysOfTheMonth{day}, more...)
}

// each makes a trigger of each time of day, and one of them all.
func each(times AtTimes, loc *time.Location, kind func(t AtTime, zone string) schedule.Kind) (schedule.Trigger, error) {
	if len(times) == 0 {
		return schedule.Trigger{}, errors.New("times of day are missing: hand in NewAtTimes")
	}
	name, err := zone.Of(loc)
	if err != nil {
		return schedule.Trigger{}, err
	}
	sorted := slices.SortedFunc(slices.Values(times), func(a, b AtTime) int {
		return cmp.Or(cmp.Compare(a.hours, b.hours), cmp.Compare(a.minutes, b.minutes), cmp.Compare(a.seconds, b.seconds))
	})
	var all []schedule.Trigger
	for _, t := range slices.Compact(sorted) {
		if t.hours > 23 || t.minutes > 59 || t.seconds > 59 {
			return schedule.Trigger{}, fmt.Errorf("time of day %d:%02d:%02d is outside 0:00:00 to 23:59:59", t.hours, t.minutes, t.seconds)
		}
		all = append(all, schedule.Trigger{Kind: kind(t, name)})
	}
	return checked(anyOf(all))
}

// anyOf returns the trigger that fires whenever one of these does.
func anyOf(all []schedule.Trigger) schedule.Trigger {
	if len(all) == 1 {
		return all[0]
	}
	return schedule.Trigger{Kind: schedule.AnyOf{Triggers: all}}
}

func checked(t schedule.Trigger) (schedule.Trigger, error) { return t, schedule.Check(t) }
