package codec_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/clockd/clockd/daemon/schedule"
	"github.com/clockd/clockd/daemon/store/internal/codec"
	"github.com/clockd/clockd/daemon/task"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

var at = time.Date(2024, 2, 29, 12, 0, 0, 1000, time.UTC)

// Whatever this test holds must be readable for ever: it is in the files and databases of users.
func TestWhatWasStoredCanBeRead(t *testing.T) {
	policy, err := codec.DecodePolicy([]byte(`{"catch_up_window":3600000000001,"max_attempts":3,"backoff":1000,"max_backoff":2000,"retry_jitter":0.5,` +
		`"pause_after_failures":4,"keep":1,"max_runs":5,"max_age":6000,"overlap":1,"catch_up":2,"delivery":1,"timeout":7000}`))
	check(t, task.Policy{
		Overlap: task.OverlapAllow, CatchUp: task.CatchUpNone, CatchUpWindow: time.Hour + 1, Delivery: task.AtMostOnce, Timeout: 7 * time.Microsecond,
		Retry:              task.Retry{MaxAttempts: 3, Backoff: time.Microsecond, MaxBackoff: 2 * time.Microsecond, Jitter: 0.5},
		PauseAfterFailures: 4, Retention: task.Retention{Keep: task.KeepFailures, MaxRuns: 5, MaxAge: 6 * time.Microsecond},
	}, policy, err)
	attempts, err := codec.DecodeAttempts([]byte(`[{"n":1,"start":1709208000000001,"end":1709208000000001,"state":4,"error":"e\u0000","worker":"w",` +
		`"node":"6ba7b810-9dad-11d1-80b4-00c04fd430c8"},{"n":2,"state":7}]`))
	check(t, []task.Attempt{
		{Number: 1, StartTime: at, EndTime: at, State: task.Failed, Error: "e\x00", Worker: "w", Node: uuid.NameSpaceDNS},
		{Number: 2, State: task.Lost},
	}, attempts, err)
	fires, err := codec.DecodeFires([]byte{0, 2, 126, 128, 1})
	check(t, []int64{0, 1, 63, 64}, fires, err)
	labels, err := codec.DecodeLabels([]byte(`{"a":"b"}`))
	check(t, map[string]string{"a": "b"}, labels, err)
	spec, err := codec.DecodeSpec([]byte(`{"worker":{}}`))
	check(t, &task.TargetSpec{Worker: &task.WorkerSpec{}}, spec, err)
	trigger, err := codec.DecodeTrigger("every 1m")
	check(t, schedule.Trigger{Kind: schedule.Every{Interval: time.Minute}}, trigger, err)
}

func TestNothingIsStoredAsNothing(t *testing.T) {
	policy, err := codec.EncodePolicy(task.Policy{})
	check(t, "", policy, err)
	attempts, err := codec.EncodeAttempts(nil)
	check(t, "", attempts, err)
	labels, stored, err := codec.EncodeLabels(map[string]string{})
	check(t, "", labels, err)
	check(t, map[string]string(nil), stored, nil)
	spec, _, err := codec.EncodeSpec(nil)
	check(t, "", spec, err)
	check(t, []byte(nil), codec.EncodeFires(nil), nil)
	back, err := codec.DecodePolicy(nil)
	check(t, task.Policy{}, back, err)
}

func TestWhatWasStoredIsReadBack(t *testing.T) {
	policy := task.Policy{Overlap: task.OverlapCancel, Timeout: time.Second, Retry: task.Retry{Jitter: 1.0 / 3}, Retention: task.Retention{MaxRuns: 1}}
	text, err := codec.EncodePolicy(policy)
	check(t, nil, nil, err)
	back, err := codec.DecodePolicy([]byte(text))
	check(t, policy, back, err)

	attempts := []task.Attempt{{Number: 1, StartTime: at, State: task.Failed, Error: "\x00", Node: uuid.NameSpaceDNS}}
	text, err = codec.EncodeAttempts(attempts)
	check(t, nil, nil, err)
	gotAttempts, err := codec.DecodeAttempts([]byte(text))
	check(t, attempts, gotAttempts, err)

	fires := []int64{0, -1, math.MaxInt64, math.MinInt64}
	gotFires, err := codec.DecodeFires(codec.EncodeFires(fires))
	check(t, fires, gotFires, err)
}

func TestWhatCanNotBeReadIsRefused(t *testing.T) {
	for what, err := range map[string]error{
		"policy":   second(codec.DecodePolicy([]byte("["))),
		"attempts": second(codec.DecodeAttempts([]byte(`[{"node":"x"}]`))),
		"fires":    second(codec.DecodeFires([]byte{0x80})),
		"labels":   second(codec.DecodeLabels([]byte("1"))),
		"target":   second(codec.DecodeSpec([]byte("1"))),
		"trigger":  second(codec.DecodeTrigger("never ever")),
	} {
		if err == nil || !strings.HasPrefix(err.Error(), what+": ") {
			t.Errorf("%s: got error %v", what, err)
		}
	}
	if _, _, err := codec.EncodeTrigger(schedule.Trigger{Kind: schedule.Every{}}); err == nil {
		t.Error("a trigger that can not be read back was stored")
	}
}

func second[T any](_ T, err error) error { return err }

func check(t *testing.T, want, got any, err error) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("error %v, (-want +got):\n%s", err, diff)
	}
}
