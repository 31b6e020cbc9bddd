-- For wrk: the same request over and over, byte by byte what a file says.
-- Usage: wrk … -s wrk.lua URL -- FILE. Prints JSON: requests, seconds, errors.

local bytes

function init(args)
  local file = assert(io.open(args[1], "rb"))
  bytes = file:read("*a")
  file:close()
end

function request()
  return bytes
end

function done(summary, latency, requests)
  local e = summary.errors
  local errors = e.connect + e.read + e.write + e.status + e.timeout
  print(string.format('{"requests": %d, "seconds": %.6f, "errors": %d}',
    summary.requests, summary.duration / 1e6, errors))
end
