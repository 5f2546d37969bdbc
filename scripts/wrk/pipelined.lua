-- Sends DEPTH requests at once on each connection, each for a user drawn at random.
--
--   wrk -t1 -c64 -d10s --latency -s scripts/wrk/pipelined.lua http://127.0.0.1:8888
--   wrk … http://127.0.0.1:8888 -- 16 1000000 user-%07d
--
-- Depth, number of users and form of their ids are the arguments after `--`, or DEPTH, USERS and
-- USER_FORMAT. wrk counts each answer; its latencies are those of the whole pipeline.

local made = 4096
local threads = 0

function setup(thread)
   thread:set("seed", threads)
   threads = threads + 1
end

function init(args)
   local depth = tonumber(args[1] or os.getenv("DEPTH") or 16)
   local users = tonumber(args[2] or os.getenv("USERS") or 1000000)
   local form = args[3] or os.getenv("USER_FORMAT") or "user-%07d"
   local headers = { ["Content-Type"] = "application/json" }
   math.randomseed(20240 + seed)
   pipelines = {}
   for i = 1, made do
      local parts = {}
      for j = 1, depth do
         local user = string.format(form, math.random(users))
         local body = string.format('{"user_id": "%s"}', user)
         parts[j] = wrk.format("POST", "/predict", headers, body)
      end
      pipelines[i] = table.concat(parts)
   end
   next_pipeline = 0
end

function request()
   next_pipeline = next_pipeline % made + 1
   return pipelines[next_pipeline]
end
