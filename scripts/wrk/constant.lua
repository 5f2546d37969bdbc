-- One user, over and over: the weakest test of a gateway, since the row is always at hand.
--
--   wrk -t1 -c64 -d10s --latency -s scripts/wrk/constant.lua http://127.0.0.1:8888
--   wrk … http://127.0.0.1:8888 -- user-0000042
--
-- The user is the argument after `--`, or USER_ID.

function init(args)
   local user = args[1] or os.getenv("USER_ID") or "user-001"
   local headers = { ["Content-Type"] = "application/json" }
   whole = wrk.format("POST", "/predict", headers, string.format('{"user_id": "%s"}', user))
end

function request()
   return whole
end
