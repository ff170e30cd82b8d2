package schedule_test

import (
	"fmt"
	"math/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
)

// A dayRule is one item of a day field and what it means, said with the time package only.
type dayRule struct {
	text  string
	holds func(d time.Time) bool
}

func lastOf(d time.Time) time.Time { return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC) }

func workday(d time.Time) bool { return d.Weekday() != time.Saturday && d.Weekday() != time.Sunday }

// nearest returns the workday nearest to a date in its month, by trying those at distance 0, 1 and 2.
func nearest(d time.Time) time.Time {
	for _, distance := range []int{0, -1, 1, -2, 2} {
		if n := d.AddDate(0, 0, distance); workday(n) && n.Month() == d.Month() {
			return n
		}
	}
	panic("a month without a workday")
}

func randomDayOfMonthRule(r *rand.Rand) dayRule {
	switch n := r.Intn(31); r.Intn(5) {
	case 0:
		return dayRule{"L", func(d time.Time) bool { return d.Equal(lastOf(d)) }}
	case 1:
		return dayRule{fmt.Sprintf("L-%d", max(n, 1)), func(d time.Time) bool { return d.AddDate(0, 0, max(n, 1)).Equal(lastOf(d)) }}
	case 2:
		return dayRule{"LW", func(d time.Time) bool { return d.Equal(nearest(lastOf(d))) }}
	case 3:
		return dayRule{fmt.Sprintf("%dW", n+1), func(d time.Time) bool {
			day := time.Date(d.Year(), d.Month(), n+1, 0, 0, 0, 0, time.UTC)
			return day.Month() == d.Month() && d.Equal(nearest(day))
		}}
	default:
		return dayRule{fmt.Sprint(n + 1), func(d time.Time) bool { return d.Day() == n+1 }}
	}
}

func randomDayOfWeekRule(r *rand.Rand) dayRule {
	day, nth := r.Intn(8), 1+r.Intn(5)
	is := func(d time.Time) bool { return int(d.Weekday()) == day%7 }
	switch r.Intn(3) {
	case 0:
		return dayRule{fmt.Sprintf("%dL", day), func(d time.Time) bool { return is(d) && d.AddDate(0, 0, 7).Month() != d.Month() }}
	case 1:
		return dayRule{fmt.Sprintf("%s#%d", weekdays[day%7], nth), func(d time.Time) bool { return is(d) && (d.Day()+6)/7 == nth }}
	default:
		return dayRule{fmt.Sprint(day), is}
	}
}

func TestDaysAreThoseOfTheCalendarDayByDay(t *testing.T) {
	r := rand.New(rand.NewSource(6))
	list := func(random func(*rand.Rand) dayRule, n int) (string, func(time.Time) bool) {
		var texts []string
		var rules []dayRule
		for range n {
			rule := random(r)
			texts, rules = append(texts, rule.text), append(rules, rule)
		}
		return strings.Join(texts, ","), func(d time.Time) bool {
			for _, rule := range rules {
				if rule.holds(d) {
					return true
				}
			}
			return false
		}
	}
	for range 40 * *rounds {
		dom, inDom := list(randomDayOfMonthRule, r.Intn(4))
		dow, inDow := list(randomDayOfWeekRule, r.Intn(3))
		matches := func(d time.Time) bool { return inDom(d) || inDow(d) }
		if dom == "" {
			dom = "*"
		}
		if dow == "" {
			dow = "?"
		}
		if dom == "*" && dow == "?" {
			matches = func(time.Time) bool { return true }
		}
		expression := fmt.Sprintf("0 0 %s * %s", dom, dow)
		c, err := schedule.Compile(cron(expression))
		if err != nil {
			t.Fatalf("%s: %v", expression, err)
		}
		day := time.Date(1895+r.Intn(300), 1, 1, 0, 0, 0, 0, time.UTC)
		next, _ := c.Next(day.Add(-1), schedule.Progress{})
		for range 5 * 366 {
			if fires := next.Equal(day); fires != matches(day) {
				t.Fatalf("%s on %s: fires %v, should %v", expression, day.Format("Mon 2006-01-02"), fires, matches(day))
			}
			if next.Equal(day) {
				next, _ = c.Next(next, schedule.Progress{})
			}
			day = day.AddDate(0, 0, 1)
		}
	}
}

// TestConcurrentUse is for the race detector.
func TestConcurrentUse(t *testing.T) {
	shared := mustCompile(t, `any(every 1h max=3; cron "30 2 * * *" Pacific/Chatham; at 03:00 Asia/Tehran)`)
	p := shared.Count(at(t, "2026-01-01"), 0, schedule.Progress{})
	var group sync.WaitGroup
	for i := range 4 {
		group.Go(func() {
			last := at(t, "2026-01-01")
			for range 50 {
				last, _ = shared.Next(last, p)
				shared.Count(last, 0, p)
			}
			shared.Between(last, last.AddDate(1, 0, 0), p, 100)
			_, err := schedule.Parse(fmt.Sprintf("at 0%d:00 Etc/GMT+9", i)) // a zone nobody has loaded
			if err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}
