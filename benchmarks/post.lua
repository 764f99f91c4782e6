-- POSTs one body over and over, compares every reply with the expected one, and prints one line of JSON at the end.
-- Arguments after "--": the file of the body, the file of the expected reply, "keep-alive" or "close".
-- For one thread (wrk.py): what it counts is its global `wrong`; done() runs outside of it and asks for that.

local expected
local thread

local function read(path)
   local file = assert(io.open(path, "rb"))
   local text = file:read("*a")
   file:close()
   return text
end

function setup(the_thread)
   thread = the_thread
end

function init(args)
   wrk.method = "POST"
   wrk.headers["Content-Type"] = "application/json"
   if args[3] == "close" then
      wrk.headers["Connection"] = "close" -- the server closes after its reply, and wrk connects anew
   end
   wrk.body = read(args[1])
   expected = read(args[2])
   wrong = 0
end

-- wrk's own count of statuses is not enough: hookd answers 200 with the caller's values where a hook could not run.
function response(status, headers, body)
   if status < 400 and (status ~= 200 or body ~= expected) then
      wrong = wrong + 1
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '{"requests": %d, "duration_us": %d, "p50_us": %d, "p99_us": %d, "errors": {"connect": %d, "read": %d, ' ..
      '"write": %d, "timeout": %d, "status": %d, "wrong": %d}}\n',
      summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.connect, errors.read,
      errors.write, errors.timeout, errors.status, thread:get("wrong")))
end
