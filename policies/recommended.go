package policies

import _ "embed" // for RecommendedBlacklist

// RecommendedBlacklist is a spark-blacklist.conf to begin with: what lets a job
// leave its cluster, its queue, its user or its place, by the names of Spark
// 3.5. Its comments say why. It is in force only where an operator uses it.
//
//go:embed recommended-blacklist.conf
var RecommendedBlacklist string
