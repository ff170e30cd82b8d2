package wire

import (
	"github.com/clockd/clockd/daemon/task"
	clockdv1 "github.com/clockd/clockd/gen/clockd/v1"
)

// policyToProto says everything, defaults included: it is for those who read a policy.
func policyToProto(p task.Policy) *clockdv1.Policy {
	pb := &clockdv1.Policy{
		Overlap:            overlaps.to(p.Overlap),
		CatchUp:            catchUps.to(p.CatchUp),
		CatchUpWindow:      spanToProto(p.CatchUpWindow),
		Delivery:           deliveries.to(p.Delivery),
		Timeout:            spanToProto(p.Timeout),
		PauseAfterFailures: int32Of(p.PauseAfterFailures),
		Retention: &clockdv1.Retention{
			Keep:    keeps.to(p.Retention.Keep),
			MaxRuns: p.Retention.MaxRuns,
			MaxAge:  spanToProto(p.Retention.MaxAge),
		},
	}
	if p.Retry != (task.Retry{}) {
		pb.Retry = &clockdv1.Retry{
			MaxAttempts: int32Of(p.Retry.MaxAttempts),
			Backoff:     spanToProto(p.Retry.Backoff),
			MaxBackoff:  spanToProto(p.Retry.MaxBackoff),
			Jitter:      p.Retry.Jitter,
		}
	}
	return pb
}

// setPolicyToProto leaves out what is the default, and of the default policy everything: it is for requests, in
// which what is not set is not spoken of.
func setPolicyToProto(p task.Policy) *clockdv1.Policy {
	if p == (task.Policy{}) {
		return nil
	}
	pb := policyToProto(p)
	if p.Overlap == 0 {
		pb.Overlap = clockdv1.Overlap_OVERLAP_UNSPECIFIED
	}
	if p.CatchUp == 0 {
		pb.CatchUp = clockdv1.CatchUp_CATCH_UP_UNSPECIFIED
	}
	if p.Delivery == 0 {
		pb.Delivery = clockdv1.Delivery_DELIVERY_UNSPECIFIED
	}
	switch {
	case p.Retention == (task.Retention{}):
		pb.Retention = nil
	case p.Retention.Keep == 0:
		pb.Retention.Keep = clockdv1.Keep_KEEP_UNSPECIFIED
	}
	return pb
}

func (r *reader) policy(p *path, pb *clockdv1.Policy) task.Policy {
	r.extra(p, pb)
	return task.Policy{
		Overlap:            overlaps.from(r, p.field("overlap"), pb.GetOverlap()),
		CatchUp:            catchUps.from(r, p.field("catch_up"), pb.GetCatchUp()),
		CatchUpWindow:      r.duration(p.field("catch_up_window"), pb.GetCatchUpWindow()),
		Delivery:           deliveries.from(r, p.field("delivery"), pb.GetDelivery()),
		Timeout:            r.duration(p.field("timeout"), pb.GetTimeout()),
		Retry:              r.retry(p.field("retry"), pb.GetRetry()),
		PauseAfterFailures: int(pb.GetPauseAfterFailures()),
		Retention:          r.retention(p.field("retention"), pb.GetRetention()),
	}
}

func (r *reader) retry(p *path, pb *clockdv1.Retry) task.Retry {
	r.extra(p, pb)
	return task.Retry{
		MaxAttempts: int(pb.GetMaxAttempts()),
		Backoff:     r.duration(p.field("backoff"), pb.GetBackoff()),
		MaxBackoff:  r.duration(p.field("max_backoff"), pb.GetMaxBackoff()),
		Jitter:      pb.GetJitter(),
	}
}

func (r *reader) retention(p *path, pb *clockdv1.Retention) task.Retention {
	r.extra(p, pb)
	return task.Retention{
		Keep:    keeps.from(r, p.field("keep"), pb.GetKeep()),
		MaxRuns: pb.GetMaxRuns(),
		MaxAge:  r.duration(p.field("max_age"), pb.GetMaxAge()),
	}
}
