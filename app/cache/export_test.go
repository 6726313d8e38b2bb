package cache

import "context"

// Repair is one round of what Run repeats.
func (s *Service) Repair(ctx context.Context) error { return s.repair(ctx) }
