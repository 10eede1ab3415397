local tokens = { ["@TOKEN@"] = true }
core.register_action("token", { "http-req" }, function(txn)
	local sent = txn.http:req_get_headers()["x-acs-spark-livy-token"]
	txn:set_var("txn.known", sent ~= nil and tokens[sent[0]] == true)
end)
