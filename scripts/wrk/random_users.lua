-- Each request asks for a user drawn at random from USERS.
--
--   wrk -t1 -c64 -d10s --latency -s scripts/wrk/random_users.lua http://127.0.0.1:8888
--   wrk … http://127.0.0.1:8888 -- 1000 applicant-%04d     the users of a first run
--
-- The number of users and the form of their ids are the arguments after `--`, or USERS and
-- USER_FORMAT. Each thread draws from its own seed, so that runs repeat and threads differ.
-- The requests are made before the run starts: Lua must not be what is measured. Below what wrk
-- prints, a line has the latency that one answer in a thousand exceeded.

local made = 65536
local threads = 0

function setup(thread)
   thread:set("seed", threads)
   threads = threads + 1
end

function init(args)
   local users = tonumber(args[1] or os.getenv("USERS") or 1000000)
   local form = args[2] or os.getenv("USER_FORMAT") or "user-%07d"
   local headers = { ["Content-Type"] = "application/json" }
   math.randomseed(20240 + seed)
   requests = {}
   for i = 1, made do
      local user = string.format(form, math.random(users))
      local body = string.format('{"user_id": "%s"}', user)
      requests[i] = wrk.format("POST", "/predict", headers, body)
   end
   next_request = 0
end

function request()
   next_request = next_request % made + 1
   return requests[next_request]
end

function done(_, latency)
   print(string.format("   99.9%% %11.2fus", latency:percentile(99.9)))
end
