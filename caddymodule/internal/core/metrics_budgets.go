package core

import (
	"github.com/livygateway/livygateway/internal/budgets"
)

// collectBudgets adds the metrics of budgets, quotas and webhooks. Users and tokens are no labels:
// of those who have a budget, the one that used most of it counts.
func (c *Core) collectBudgets(s sums) {
	settings := c.Budgets.Settings()
	used, soft, hard := make(map[string]float64), make(map[string]int), make(map[string]int)
	standings := c.Budgets.Last()
	for i := range standings {
		st := &standings[i]
		name := st.Budget.Name
		used[name] = max(used[name], st.Ratio())
		overSoft, overHard := st.Over()
		soft[name] += overSoft
		hard[name] += overHard
	}
	for i := range settings.Budgets {
		b := &settings.Budgets[i]
		s.add(budgetUsed, used[b.Name], b.Name)
		s.add(budgetReached, float64(soft[b.Name]), b.Name, "soft")
		s.add(budgetReached, float64(hard[b.Name]), b.Name, "hard")
		for resource, bounds := range map[string]budgets.Bounds{budgets.VCoreHours: b.VCoreHours, budgets.GBHours: b.GBHours} {
			for bound, n := range map[string]float64{"soft": bounds.Soft, "hard": bounds.Hard} {
				if n > 0 {
					s.add(budgetLimit, n, b.Name, resource, bound)
				}
			}
		}
	}
	for key, n := range c.Budgets.Refusals() {
		s.add(budgetRefusals, float64(n), key[0], key[1])
	}
	n := c.Notices.Counts()
	s.add(noticesTotal, float64(n.Delivered.Load()), "delivered")
	s.add(noticesTotal, float64(n.Failed.Load()), "failed")
	s.add(noticesTotal, float64(n.Dropped.Load()), "dropped")
}
