package schedule_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/clockd/clockd/daemon/schedule"
)

func TestAnExpressionThatIsMuchTooLongIsRefusedUnread(t *testing.T) {
	_, err := schedule.Compile(schedule.Trigger{Kind: schedule.Cron{Expression: strings.Repeat("0,", 1<<20) + "0 * * * *", TimeZone: "UTC"}})
	if !errors.Is(err, schedule.ErrInvalid) || len(err.Error()) > 200 {
		t.Errorf("error of %d bytes: %.200v", len(err.Error()), err)
	}
}
