package main

import (
	"github.com/grafana/grafana-foundation-sdk/go/cog"
	"github.com/grafana/grafana-foundation-sdk/go/common"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/grafana/grafana-foundation-sdk/go/prometheus"
	"github.com/grafana/grafana-foundation-sdk/go/stat"
	"github.com/grafana/grafana-foundation-sdk/go/statetimeline"
	"github.com/grafana/grafana-foundation-sdk/go/timeseries"
)

// query is an expression and the legend of its series.
type query struct{ expr, legend string }

// source is the data source that the variable of each dashboard chooses.
func source() common.DataSourceRef {
	kind, uid := "prometheus", "${datasource}"
	return common.DataSourceRef{Type: &kind, Uid: &uid}
}

func targets(queries []query) (all []*prometheus.DataqueryBuilder) {
	for i, q := range queries {
		all = append(all, prometheus.NewDataqueryBuilder().
			Expr(q.expr).LegendFormat(q.legend).RefId(string(rune('A'+i))))
	}
	return all
}

// board begins a dashboard with the variables that all have.
func board(title, uid, description string) *dashboard.DashboardBuilder {
	return dashboard.NewDashboardBuilder(title).Uid(uid).Description(description).
		Tags([]string{"livy-gateway"}).Time("now-6h", "now").Refresh("30s").Timezone("browser").
		Link(dashboard.NewDashboardLinkBuilder("Livy Gateway").
			Type(dashboard.DashboardLinkTypeDashboards).Tags([]string{"livy-gateway"}).KeepTime(true)).
		WithVariable(dashboard.NewDatasourceVariableBuilder("datasource").Label("Data source").Type("prometheus"))
}

// gateways adds a variable that chooses gateways.
func gateways(b *dashboard.DashboardBuilder, several bool) *dashboard.DashboardBuilder {
	expr := "label_values(caddy_livy_gateway_state, gateway)"
	v := dashboard.NewQueryVariableBuilder("gateway").Label("Gateway").Datasource(source()).
		Query(dashboard.StringOrMap{String: &expr}).Refresh(dashboard.VariableRefreshOnTimeRangeChanged).
		Sort(dashboard.VariableSortAlphabeticalAsc)
	if several {
		v = v.Multi(true).IncludeAll(true).AllValue(".*")
	}
	return b.WithVariable(v)
}

// graph is a panel with lines. unit is one of Grafana's.
func graph(title, description, unit string, queries ...query) cog.Builder[dashboard.Panel] {
	p := timeseries.NewPanelBuilder().Title(title).Description(description).Datasource(source()).
		Unit(unit).Min(0).Span(8).Height(8).FillOpacity(10).
		Legend(common.NewVizLegendOptionsBuilder().ShowLegend(true).
			DisplayMode(common.LegendDisplayModeList).Placement(common.LegendPlacementBottom))
	for _, t := range targets(queries) {
		p = p.WithTarget(t)
	}
	return p
}

// number is a panel with one number for each series, red from a value on.
func number(title, description, unit string, red float64, queries ...query) cog.Builder[dashboard.Panel] {
	steps := []dashboard.Threshold{{Color: "green"}}
	if red > 0 {
		steps = append(steps, dashboard.Threshold{Value: &red, Color: "red"})
	}
	p := stat.NewPanelBuilder().Title(title).Description(description).Datasource(source()).Unit(unit).Span(4).Height(4).
		ReduceOptions(common.NewReduceDataOptionsBuilder().Calcs([]string{"lastNotNull"})).
		Thresholds(dashboard.NewThresholdsConfigBuilder().Mode(dashboard.ThresholdsModeAbsolute).Steps(steps))
	for _, t := range targets(queries) {
		p = p.WithTarget(t)
	}
	return p
}

// timeline is a panel with the states of gateways over time.
func timeline(title, description string, queries ...query) cog.Builder[dashboard.Panel] {
	p := statetimeline.NewPanelBuilder().Title(title).Description(description).Datasource(source()).Span(24).Height(6)
	for _, t := range targets(queries) {
		p = p.WithTarget(t)
	}
	return p
}

// quantile is a quantile of a histogram by labels.
func quantile(q, metric, selector, by string) string {
	if by != "" {
		by = ", " + by
	}
	return "histogram_quantile(" + q + ", sum by (le" + by + ") (rate(" + metric + "_bucket" + selector + "[$__rate_interval])))"
}
