-- Good requests with bad ones among them: each bad one must get its own 4xx, and no other request
-- may notice.
--
--   wrk -t1 -c64 -d10s --latency -s scripts/wrk/mixed_bad.lua http://127.0.0.1:8888
--   wrk … http://127.0.0.1:8888 -- 20 1000000 user-%07d
--
-- The percentage of bad requests, the number of users and the form of their ids are the arguments
-- after `--`, or BAD_PERCENT, USERS and USER_FORMAT. wrk's "Non-2xx" counts all answers to bad
-- requests and those to users that aren't there when the model rejects them; the statuses are
-- printed below it.

local made = 65536
local threads = {}

local bad_bodies = {
   "", "{", "null", "[", '{"user_id": null}', '{"user_id": ""}', '{"user_id": 1.5}',
   '{"user_id": true}', '{"id": "user-0000001"}', '{"user_id": "user-0000001"',
}

function setup(thread)
   thread:set("seed", #threads)
   table.insert(threads, thread)
end

function init(args)
   local percent = tonumber(args[1] or os.getenv("BAD_PERCENT") or 20)
   local users = tonumber(args[2] or os.getenv("USERS") or 1000000)
   local form = args[3] or os.getenv("USER_FORMAT") or "user-%07d"
   local headers = { ["Content-Type"] = "application/json" }
   math.randomseed(20240 + seed)
   requests = {}
   for i = 1, made do
      local body
      if math.random(100) <= percent then
         body = bad_bodies[math.random(#bad_bodies)]
      else
         body = string.format('{"user_id": "%s"}', string.format(form, math.random(users)))
      end
      requests[i] = wrk.format("POST", "/predict", headers, body)
   end
   next_request = 0
   statuses = {}
end

function request()
   next_request = next_request % made + 1
   return requests[next_request]
end

function response(status)
   statuses[status] = (statuses[status] or 0) + 1
end

function done()
   local total = {}
   for _, thread in ipairs(threads) do
      for status, count in pairs(thread:get("statuses")) do
         total[status] = (total[status] or 0) + count
      end
   end
   local order = {}
   for status in pairs(total) do
      table.insert(order, status)
   end
   table.sort(order)
   for _, status in ipairs(order) do
      print(string.format("  status %d: %d", status, total[status]))
   end
end
