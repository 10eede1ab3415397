package policies

import _ "embed" // for RecommendedBlacklist

// RecommendedBlacklist is a spark-blacklist.conf to start with: settings of Spark 3.5 with which a
// job could leave its cluster, queue, user or directories, with the reasons in comments. It is in
// force only if an operator uses it.
//
//go:embed recommended-blacklist.conf
var RecommendedBlacklist string
